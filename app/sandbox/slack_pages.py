"""The sandbox's Slack as people see it: conversations, messages as Slack would draw them, buttons that work.

Plain HTML forms and no script, as on the other pages; whoever looks chooses whom to be.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import urlencode

from starlette.responses import HTMLResponse

from app.sandbox import pages
from app.sandbox.models import SlackMessage
from app.sandbox.objects import JsonObject
from app.sandbox.slack_blocks import parts
from app.sandbox.slack_markup import html_of, markup
from app.sandbox.slack_people import APP_NAME, CHANNELS, PEOPLE, TEAM_NAME, Person, partner

_STYLE = Path(__file__).with_name("slack.css").read_text(encoding="utf-8")
_BANNER = """<strong>Sandbox.</strong> This plays Slack. Nobody outside is told anything.
<a href="/sandbox/">Stripe and clock</a>"""
# The service works on a press after it has answered; by then the outcome shows.
_LOOK_AGAIN_S = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is looked at, and as whom; `directs` are those to whom the app has written. `answer` is what the service
    answered to the press that led here, in words and whether it was good."""

    channel: str
    actor: Person
    messages: Sequence[SlackMessage]
    directs: Sequence[Person]
    answer: tuple[str, bool] | None = None


def address(channel: str, actor: Person, **more: object) -> str:
    """Where a conversation is shown to somebody."""
    return "/sandbox/slack/?" + urlencode({"channel": channel, "as": actor.id, **more})


def slack_page(view: View) -> HTMLResponse:
    """The workspace with one conversation open."""
    here = escape(address(view.channel, view.actor))
    again = f'<meta http-equiv="refresh" content="{_LOOK_AGAIN_S};url={here}">' if view.answer else ""
    body = f"""<div class="slack">{_sidebar(view)}
<main>{_head(view)}{_answer(view.answer)}
<div class="scroll"><div class="messages">{_messages(view)}</div></div></main></div>"""
    return pages.page("Slack", body, style=_STYLE, banner=_BANNER, head=again)


def _sidebar(view: View) -> str:
    channels = (_place(view, key, view.actor, f'<span class="sign">#</span>{name}') for key, name in CHANNELS.items())
    directs = (_place(view, each.direct_id, each, _face(each.real_name) + each.real_name) for each in view.directs)
    return f"""<nav><p class="team">{_face(TEAM_NAME)}{TEAM_NAME}</p>
<form class="actor" method="get"><label for="as">You are</label>
<input type="hidden" name="channel" value="{escape(view.channel)}">
<div><select id="as" name="as">{"".join(_choice(each, view.actor) for each in PEOPLE.values())}</select>
<button>Switch</button></div></form>
<h2>Channels</h2><ul>{"".join(channels)}</ul>
<h2>Direct messages</h2><ul>{"".join(directs)}</ul></nav>"""


def _choice(person: Person, actor: Person) -> str:
    return f'<option value="{person.id}"{" selected" if person == actor else ""}>{escape(person.real_name)}</option>'


def _place(view: View, key: str, actor: Person, label: str) -> str:
    here = ' aria-current="page"' if key == view.channel else ""
    return f'<li><a href="{escape(address(key, actor))}"{here}>{label}</a></li>'


def _head(view: View) -> str:
    person = partner(view.channel)
    if person is None:
        return f'<header><h1><span class="sign">#</span>{CHANNELS[view.channel]}</h1></header>'
    told = f"{APP_NAME} writes to {person.real_name}"
    return f"<header><h1>{_face(APP_NAME)}{APP_NAME}</h1><p>{escape(told)}</p></header>"


def _answer(answer: tuple[str, bool] | None) -> str:
    if answer is None:
        return ""
    told, good = answer
    return f'<p class="answer {"good" if good else "bad"}" role="status">{escape(told)}</p>'


def _messages(view: View) -> str:
    days = groupby(view.messages, lambda message: f"{_time(message):%A, %-d %B %Y}")
    drawn = (f'<p class="day"><span>{day}</span></p>{_list(messages, view)}' for day, messages in days)
    return "".join(drawn) or '<p class="empty">Nothing was written here yet.</p>'


def _list(messages: Iterable[SlackMessage], view: View) -> str:
    return f"<ol>{''.join(_message(message, view) for message in messages)}</ol>"


def _message(message: SlackMessage, view: View) -> str:
    edited = '<span class="edited">(edited)</span>' if message.edited_ts else ""
    body = "".join(_block(block, view) for block in message.blocks) or f'<div class="text">{markup(message.text)}</div>'
    return f"""<li id="{message.ts}"{' class="ephemeral"' if message.only_for else ""}>{_face(APP_NAME)}
<div class="message">{_only(message)}<p class="who"><strong>{APP_NAME}</strong><span class="app">APP</span>
<time>{_time(message):%H:%M}</time>{edited}</p>
{_form(message, view, body) if message.blocks else body}</div></li>"""


def _only(message: SlackMessage) -> str:
    if message.only_for is None:
        return ""
    person = PEOPLE.get(message.only_for)
    return f'<p class="only">Only visible to {escape(person.real_name if person else message.only_for)}</p>'


def _form(message: SlackMessage, view: View, body: str) -> str:
    """Whatever button is pressed, what stands in the text input goes with it. The disabled button comes first so that
    the enter key presses none."""
    hidden = {"ts": message.ts, "channel": view.channel, "as": view.actor.id}
    fields = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in hidden.items())
    return f'<form method="post" action="/sandbox/slack/press">{fields}<button disabled hidden></button>{body}</form>'


def _block(block: JsonObject, view: View) -> str:
    match block["type"]:
        case "header":
            return f"<h3>{html_of(block['text'])}</h3>"
        case "section":
            return _section(block)
        case "input":
            return _input(block)
        case "actions":
            return f'<div class="actions">{"".join(_button(each, view) for each in parts(block, "elements"))}</div>'
        case "image":
            return (
                f'<img class="picture" src="{escape(str(block["image_url"]))}" alt="{escape(str(block["alt_text"]))}">'
            )
        case "context":
            notes = "".join(f"<span>{html_of(each)}</span>" for each in parts(block, "elements"))
            return f'<p class="context">{notes}</p>'
        case _:
            return "<hr>"


def _section(block: JsonObject) -> str:
    text = f'<div class="text">{html_of(block["text"])}</div>' if "text" in block else ""
    fields = "".join(f"<div>{html_of(each)}</div>" for each in parts(block, "fields"))
    return text + (f'<div class="fields">{fields}</div>' if fields else "")


def _input(block: JsonObject) -> str:
    element = block["element"]
    hint = element.get("placeholder") if isinstance(element, dict) else None
    shown = f' placeholder="{escape(str(hint["text"]))}"' if isinstance(hint, dict) else ""
    optional = ' <span class="soft">(optional)</span>' if block.get("optional") else ""
    return f"""<label class="input">{html_of(block["label"])}{optional}
<input name="reason" autocomplete="off"{shown}></label>"""


def _button(button: JsonObject, view: View) -> str:
    look = f"button {button.get('style') or 'default'}"
    label, url = html_of(button["text"]), str(button.get("url") or "")
    if url.startswith(("https://", "http://")):
        return f'<a class="{look}" href="{escape(url)}" rel="noopener">{label}</a>'
    press = f'<button class="{look}" name="action_id" value="{escape(str(button["action_id"]))}">'
    confirm = button.get("confirm")
    if not isinstance(confirm, dict):
        return f"{press}{label}</button>"
    back = escape(address(view.channel, view.actor))
    return f"""<details><summary class="{look}">{label}</summary><div class="confirm">
<h4>{html_of(confirm["title"])}</h4><p>{html_of(confirm["text"])}</p>
<div class="actions"><a class="button default" href="{back}">{html_of(confirm["deny"])}</a>
{press}{html_of(confirm["confirm"])}</button></div></div></details>"""


def _face(name: str) -> str:
    initials = "".join(word[0] for word in name.split()[:2]).upper()
    return f'<span class="face" aria-hidden="true">{initials}</span>'


def _time(message: SlackMessage) -> datetime:
    return datetime.fromtimestamp(float(message.ts), UTC)
