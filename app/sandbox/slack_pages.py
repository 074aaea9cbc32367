"""The sandbox's Slack as people see it: workspaces, conversations, messages and forms as Slack would draw them.

Plain HTML forms and no script, as on the other pages; whoever looks chooses whom to be.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.responses import HTMLResponse

from app.sandbox import pages
from app.sandbox.models import SlackMessage, SlackView
from app.sandbox.objects import JsonObject
from app.sandbox.slack_blocks import parts
from app.sandbox.slack_markup import html_of, markup
from app.sandbox.slack_people import APP_NAME, CHANNELS, PEOPLE, TEAMS, Person, Team, partner

_STYLE = Path(__file__).with_name("slack.css").read_text(encoding="utf-8")
_BANNER = """<strong>Sandbox.</strong> This plays Slack. Nobody outside is told anything.
<a href="/sandbox/mail/">Mail</a> · <a href="/sandbox/">Stripe and clock</a>"""
# The service works on a press after it has answered; by then the outcome shows.
_LOOK_AGAIN_S = 2
HOME = "home"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is looked at (a conversation's id, or HOME), and as whom; `directs` are those to whom the app has written.
    `answer` is what the service answered to what led here, in words and whether it was good."""

    team: Team
    channel: str
    actor: Person
    messages: Sequence[SlackMessage] = ()
    directs: Sequence[Person] = ()
    modal: SlackView | None = None
    home: SlackView | None = None
    answer: tuple[str, bool] | None = None
    replies: Mapping[str, Sequence[SlackMessage]] = field(default_factory=dict)


def address(channel: str, actor: Person, **more: object) -> str:
    """Where a conversation, or the app's home, is shown to somebody."""
    return "/sandbox/slack/?" + urlencode({"channel": channel, "as": actor.id, **more})


def slack_page(view: View) -> HTMLResponse:
    """The workspace with one conversation open, and a form before it where one is."""
    here = escape(address(view.channel, view.actor))
    again = f'<meta http-equiv="refresh" content="{_LOOK_AGAIN_S};url={here}">' if view.answer else ""
    shown = _home(view) if view.channel == HOME else _conversation(view)
    body = f"""<div class="slack">{_sidebar(view)}
<main>{_head(view)}{_answer(view.answer)}{shown}</main></div>{_modal(view)}"""
    return pages.page("Slack", body, style=_STYLE, banner=_BANNER, head=again)


def authorize_page(people: Iterable[Person], hidden: Mapping[str, str]) -> HTMLResponse:
    """Where somebody allows the app to be installed."""
    choices = "".join(
        f'<option value="{each.id}">{escape(each.real_name)}, {escape(TEAMS[each.team_id].name)}</option>'
        for each in people
    )
    kept = "".join(f'<input type="hidden" name="{name}" value="{escape(text)}">' for name, text in hidden.items())
    body = f"""<div class="authorize"><form method="post" class="dialog">
<h1>{APP_NAME} is requesting permission to access a workspace</h1>
<p>It will be able to post messages, see who is who, and answer to <code>/credits</code>.</p>
<label for="user">Sign in as</label><select id="user" name="user">{choices}</select>{kept}
<div class="actions"><button class="button default" name="allow" value="">Cancel</button>
<button class="button primary" name="allow" value="yes">Allow</button></div></form></div>"""
    return pages.page("Slack", body, style=_STYLE, banner=_BANNER)


def threads(messages: Iterable[SlackMessage]) -> tuple[list[SlackMessage], dict[str, list[SlackMessage]]]:
    """The messages of a conversation, and what was answered to each, by its time."""
    roots: list[SlackMessage] = []
    answers: dict[str, list[SlackMessage]] = defaultdict(list)
    for message in messages:
        (answers[message.thread_ts] if message.thread_ts else roots).append(message)
    return roots, answers


def _sidebar(view: View) -> str:
    channels = (
        _place(view, key, view.actor, f'<span class="sign">#</span>{name}') for key, name in view.team.channels.items()
    )
    directs = (_place(view, each.direct_id, each, _face(each.real_name) + each.real_name) for each in view.directs)
    teams = "".join(
        f'<a href="{escape(address(next(iter(team.channels)), team.people[0]))}"'
        f'{" aria-current=page" if team == view.team else ""} title="{escape(team.name)}">{_face(team.name)}</a>'
        for team in TEAMS.values()
    )
    return f"""<nav><p class="team">{view.team.name}<span class="teams">{teams}</span></p>
<form class="actor" method="get"><label for="as">You are</label>
<input type="hidden" name="channel" value="{escape("" if partner(view.channel) else view.channel)}">
<div><select id="as" name="as">{"".join(_choice(each, view.actor) for each in view.team.people)}</select>
<button>Switch</button></div></form>
<h2>Channels</h2><ul>{"".join(channels)}</ul>
<h2>Direct messages</h2><ul>{"".join(directs)}</ul>
<h2>Apps</h2><ul><li>{_to_home(view, _face(APP_NAME) + APP_NAME)}</li></ul></nav>"""


def _choice(person: Person, actor: Person) -> str:
    return f'<option value="{person.id}"{" selected" if person == actor else ""}>{escape(person.real_name)}</option>'


def _place(view: View, key: str, actor: Person, label: str) -> str:
    here = ' aria-current="page"' if key == view.channel else ""
    return f'<li><a href="{escape(address(key, actor))}"{here}>{label}</a></li>'


def _to_home(view: View, label: str) -> str:
    """The app is told whenever its home is opened, so it is no plain link."""
    here = ' aria-current="page"' if view.channel == HOME else ""
    return _hidden_form("/sandbox/slack/open-home", view, f"<button{here}>{label}</button>")


def _head(view: View) -> str:
    """Of the app by itself, the two tabs that it has."""
    if view.channel in CHANNELS:
        return f'<header><h1><span class="sign">#</span>{CHANNELS[view.channel]}</h1></header>'
    here = "" if view.channel == HOME else ' aria-current="page"'
    messages = f'<a href="{escape(address(view.actor.direct_id, view.actor))}"{here}>Messages</a>'
    return f"""<header><h1>{_face(APP_NAME)}{APP_NAME}</h1><p>with {escape(view.actor.real_name)}</p></header>
<div class="tabs">{_to_home(view, "Home")}{messages}</div>"""


def _answer(answer: tuple[str, bool] | None) -> str:
    if answer is None:
        return ""
    told, good = answer
    return f'<p class="answer {"good" if good else "bad"}" role="status">{escape(told)}</p>'


def _conversation(view: View) -> str:
    typed = '<input name="text" aria-label="Message" placeholder="/credits help" autocomplete="off" value="/credits ">'
    box = _hidden_form("/sandbox/slack/type", view, f'{typed}<button class="button primary">Send</button>')
    return (
        f"""<div class="scroll"><div class="messages">{_messages(view)}</div></div><div class="compose">{box}</div>"""
    )


def _home(view: View) -> str:
    if view.home is None:
        return '<p class="empty">The app shows nothing here yet.</p>'
    body = "".join(_block(block, view) for block in parts(view.home.view, "blocks"))
    return f'<div class="home"><div class="message">{_form("", view, body)}</div></div>'


def _hidden_form(action: str, view: View, body: str) -> str:
    hidden = {"channel": view.channel, "as": view.actor.id}
    fields = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in hidden.items())
    return f'<form method="post" action="{action}">{fields}{body}</form>'


def _messages(view: View) -> str:
    zone = ZoneInfo(view.actor.zone)
    days = groupby(view.messages, lambda message: f"{_time(message).astimezone(zone):%A, %-d %B %Y}")
    drawn = (f'<p class="day"><span>{day}</span></p>{_list(messages, view)}' for day, messages in days)
    return "".join(drawn) or '<p class="empty">Nothing was written here yet.</p>'


def _list(messages: Iterable[SlackMessage], view: View) -> str:
    return f"<ol>{''.join(_message(message, view) for message in messages)}</ol>"


def _message(message: SlackMessage, view: View) -> str:
    edited = '<span class="edited">(edited)</span>' if message.edited_ts else ""
    zone = view.actor.zone
    body = "".join(_block(block, view) for block in message.blocks)
    body = body or f'<div class="text">{markup(message.text, zone)}</div>'
    at = _time(message).astimezone(ZoneInfo(zone))
    return f"""<li id="{message.ts}"{' class="ephemeral"' if message.only_for else ""}>{_face(APP_NAME)}
<div class="message">{_only(message)}<p class="who"><strong>{APP_NAME}</strong><span class="app">APP</span>
<time>{at:%H:%M}</time>{edited}</p>
{_form(message.ts, view, body) if message.blocks else body}{_thread(message, view)}</div></li>"""


def _thread(message: SlackMessage, view: View) -> str:
    replies = view.replies.get(message.ts, ())
    if not replies:
        return ""
    count = "1 reply" if len(replies) == 1 else f"{len(replies)} replies"
    drawn = "".join(_message(reply, view) for reply in replies)
    return f'<details class="thread" open><summary>{count}</summary><ol>{drawn}</ol></details>'


def _only(message: SlackMessage) -> str:
    if message.only_for is None:
        return ""
    person = PEOPLE.get(message.only_for)
    return f'<p class="only">Only visible to {escape(person.real_name if person else message.only_for)}</p>'


def _form(ts: str, view: View, body: str) -> str:
    """The disabled button comes first so that the enter key presses none."""
    hidden = {"ts": ts, "channel": view.channel, "as": view.actor.id}
    fields = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in hidden.items())
    return f'<form method="post" action="/sandbox/slack/press">{fields}<button disabled hidden></button>{body}</form>'


def _modal(view: View) -> str:
    if view.modal is None:
        return ""
    shown = view.modal.view
    wrong = view.modal.errors
    blocks = parts(shown, "blocks")
    body = "".join(_block(block, view) + _wrong(str(block["block_id"]), wrong) for block in blocks)
    of_none = {name: text for name, text in wrong.items() if name not in {block["block_id"] for block in blocks}}
    told = "".join(f'<p class="wrong" role="alert">{escape(text)}</p>' for text in of_none.values())
    hidden = {"view_id": view.modal.id, "channel": view.channel, "as": view.actor.id}
    fields = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in hidden.items())
    submit = html_of(shown["submit"]) if "submit" in shown else "Submit"
    close = html_of(shown["close"]) if "close" in shown else "Cancel"
    # What submits comes first, so that the enter key does that; it stands last all the same.
    return f"""<div class="overlay" role="dialog" aria-modal="true"><form class="dialog modal" method="post"
 action="/sandbox/slack/submit-form">{fields}<div class="bar">{_face(APP_NAME)}<h2>{html_of(shown["title"])}</h2></div>
<div class="message">{told}{body}</div>
<div class="actions reversed"><button class="button primary">{submit}</button>
<button class="button default" name="close" value="yes" formnovalidate>{close}</button></div></form></div>"""


def _wrong(block_id: str, wrong: Mapping[str, str]) -> str:
    return f'<p class="wrong" role="alert">{escape(wrong[block_id])}</p>' if block_id in wrong else ""


def _block(block: JsonObject, view: View) -> str:
    zone = view.actor.zone
    match block["type"]:
        case "header":
            return f"<h3>{html_of(block['text'])}</h3>"
        case "section":
            return _section(block, zone)
        case "input":
            return _input(block, _typed(block, view.modal))
        case "actions":
            return f'<div class="actions">{"".join(_button(each, view) for each in parts(block, "elements"))}</div>'
        case "image":
            return (
                f'<img class="picture" src="{escape(str(block["image_url"]))}" alt="{escape(str(block["alt_text"]))}">'
            )
        case "rich_text":
            return "".join(_quotation(each) for each in parts(block, "elements"))
        case "context":
            notes = "".join(f"<span>{html_of(each, zone)}</span>" for each in parts(block, "elements"))
            return f'<p class="context">{notes}</p>'
        case _:
            return "<hr>"


def _quotation(quote: JsonObject) -> str:
    words = "".join(escape(str(each["text"])) for each in parts(quote, "elements"))
    return f'<blockquote class="text">{words.replace(chr(10), "<br>")}</blockquote>'


def _section(block: JsonObject, zone: str) -> str:
    text = f'<div class="text">{html_of(block["text"], zone)}</div>' if "text" in block else ""
    fields = "".join(f"<div>{html_of(each, zone)}</div>" for each in parts(block, "fields"))
    return text + (f'<div class="fields">{fields}</div>' if fields else "")


def _typed(block: JsonObject, modal: SlackView | None) -> str:
    """What stood in the input when it was submitted last."""
    element = block["element"]
    assert isinstance(element, dict)  # noqa: S101 for mypy: it was checked when it was opened
    kept = modal.view.get("state") if modal else None
    values = kept.get("values", {}) if isinstance(kept, dict) else {}
    return str(values.get(block["block_id"], {}).get(element["action_id"], {}).get("value") or "")


def _input(block: JsonObject, typed: str) -> str:
    element = block["element"]
    assert isinstance(element, dict)  # noqa: S101 for mypy: it was checked when it was opened
    hint = element.get("placeholder")
    shown = f' placeholder="{escape(str(hint["text"]))}"' if isinstance(hint, dict) else ""
    optional = ' <span class="soft">(optional)</span>' if block.get("optional") else ""
    name, most = escape(f"typed-{element['action_id']}"), element.get("max_length", 3000)
    bounds = f'name="{name}" autocomplete="off" maxlength="{most}"{shown}'
    text = escape(typed)
    # A browser leaves out one line's end after the tag.
    box = (
        f"<textarea rows=4 {bounds}>\n{text}</textarea>"
        if element.get("multiline")
        else f'<input {bounds} value="{text}">'
    )
    return f'<label class="input">{html_of(block["label"])}{optional}{box}</label>'


def _button(button: JsonObject, view: View) -> str:
    look = f"button {button.get('style') or 'default'}"
    label, url = html_of(button["text"]), str(button.get("url") or "")
    if url.startswith(("https://", "http://")):
        return f'<a class="{look}" href="{escape(url)}" rel="noopener">{label}</a>'
    chosen = escape(urlencode({"action_id": str(button["action_id"]), "value": str(button.get("value") or "")}))
    press = f'<button class="{look}" name="button" value="{chosen}">'
    confirm = button.get("confirm")
    if not isinstance(confirm, dict):
        return f"{press}{label}</button>"
    back = escape(address(view.channel, view.actor))
    return f"""<details><summary class="{look}">{label}</summary><div class="confirm">
<h4>{html_of(confirm["title"])}</h4><p>{html_of(confirm["text"])}</p>
<div class="actions reversed">{press}{html_of(confirm["confirm"])}</button>
<a class="button default" href="{back}">{html_of(confirm["deny"])}</a></div></div></details>"""


def _face(name: str) -> str:
    initials = "".join(word[0] for word in name.split()[:2]).upper()
    return f'<span class="face" aria-hidden="true">{initials}</span>'


def _time(message: SlackMessage) -> datetime:
    return datetime.fromtimestamp(float(message.ts), UTC)
