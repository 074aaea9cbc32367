"""Texts of Slack messages as HTML: what Slack would take for markup, a link or a mention is drawn as one.

So a text that was smuggled in unescaped shows. https://docs.slack.dev/messaging/formatting-message-text
"""

import re
from collections.abc import Mapping
from datetime import datetime
from html import escape
from itertools import groupby
from zoneinfo import ZoneInfo

from app.sandbox import slack_people

_TOKEN = re.compile(r"<([^<>\n]+)>")
_QUOTING = re.compile("^(?:>|&gt;) ?", re.MULTILINE)
_DATE = re.compile(r"!date\^(\d{1,11})\^([^|^]+)")
_LINK = re.compile(r"(?:https?://|mailto:)[^|]+")
# Between marks that stand at the ends of words.
_STYLES = {
    tag: re.compile(rf"(?<![\w{mark}]){mark}(?![\s{mark}])([^\n{mark}]*[^\s{mark}]){mark}(?![\w{mark}])")
    for tag, mark in (("code", "`"), ("strong", r"\*"), ("em", "_"), ("s", "~"))
}


def html_of(text: object, zone: str = "UTC") -> str:
    """A text object as HTML; times in the reader's zone."""
    assert isinstance(text, Mapping)  # noqa: S101 for mypy: it was checked when it was posted
    return markup(str(text["text"]), zone) if text["type"] == "mrkdwn" else _lines(escape(str(text["text"])))


def markup(text: str, zone: str = "UTC") -> str:
    """Slack's markup as HTML, lines that begin with > as quotations, times in the reader's zone."""
    parts = []
    for quoted, lines in groupby(text.split("\n"), lambda line: line.startswith((">", "&gt;"))):
        html = _lines(_inline(_QUOTING.sub("", "\n".join(lines)), zone))
        parts.append(f"<blockquote>{html}</blockquote>" if quoted else html)
    return "".join(parts)


def _inline(text: str, zone: str) -> str:
    """Every other part that the tokens split off is what stands within one."""
    parts = _TOKEN.split(text)
    return "".join(_token(part, zone) if number % 2 else _styled(part) for number, part in enumerate(parts))


def _styled(text: str) -> str:
    html = escape(_unescaped(text))
    for tag, pattern in _STYLES.items():
        html = pattern.sub(rf"<{tag}>\1</{tag}>", html)
    return html


def _token(token: str, zone: str) -> str:
    target, _, label = token.partition("|")
    if found := _DATE.fullmatch(target):
        return f'<time class="inline">{escape(_date(int(found[1]), found[2], zone))}</time>'
    if _LINK.fullmatch(target):
        return f'<a href="{escape(_unescaped(target))}" rel="noopener">{escape(_unescaped(label or target))}</a>'
    person = slack_people.PEOPLE.get(target.removeprefix("@"))
    name = label or (person.real_name if person else target.lstrip("@#!"))
    return f'<span class="mention">{"#" if target.startswith("#") else "@"}{escape(_unescaped(name))}</span>'


def _date(stamp: int, form: str, zone: str) -> str:
    """As https://docs.slack.dev/messaging/formatting-message-text#date-formatting says, as far as it is used."""
    at = datetime.fromtimestamp(stamp, ZoneInfo(zone))
    days = (at.date() - datetime.now(ZoneInfo(zone)).date()).days
    near = {-1: "yesterday", 0: "today", 1: "tomorrow"}.get(days)
    date = f"{at:%b} {at.day}, {at.year}"
    words = {"{date_short}": date, "{date_short_pretty}": near or date, "{time}": f"{at:%H:%M}"}
    for word, shown in words.items():
        form = form.replace(word, shown)
    return form


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _lines(html: str) -> str:
    return html.replace("\n", "<br>")
