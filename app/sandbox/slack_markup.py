"""Texts of Slack messages as HTML: what Slack would take for markup, a link or a mention is drawn as one.

So a text that was smuggled in unescaped shows. https://docs.slack.dev/messaging/formatting-message-text
"""

import re
from collections.abc import Mapping
from html import escape
from itertools import groupby

from app.sandbox import slack_people

_TOKEN = re.compile(r"<([^<>\n]+)>")
_QUOTING = re.compile("^(?:>|&gt;) ?", re.MULTILINE)
_LINK = re.compile(r"(?:https?://|mailto:)[^|]+")
# Between marks that stand at the ends of words.
_STYLES = {
    tag: re.compile(rf"(?<![\w{mark}]){mark}(?![\s{mark}])([^\n{mark}]*[^\s{mark}]){mark}(?![\w{mark}])")
    for tag, mark in (("code", "`"), ("strong", r"\*"), ("em", "_"), ("s", "~"))
}


def html_of(text: object) -> str:
    """A text object as HTML."""
    assert isinstance(text, Mapping)  # noqa: S101 for mypy: it was checked when it was posted
    return markup(str(text["text"])) if text["type"] == "mrkdwn" else _lines(escape(str(text["text"])))


def markup(text: str) -> str:
    """Slack's markup as HTML, lines that begin with > as quotations."""
    parts = []
    for quoted, lines in groupby(text.split("\n"), lambda line: line.startswith((">", "&gt;"))):
        html = _lines(_inline(_QUOTING.sub("", "\n".join(lines))))
        parts.append(f"<blockquote>{html}</blockquote>" if quoted else html)
    return "".join(parts)


def _inline(text: str) -> str:
    """Every other part that the tokens split off is what stands within one."""
    parts = _TOKEN.split(text)
    return "".join(_token(part) if number % 2 else _styled(part) for number, part in enumerate(parts))


def _styled(text: str) -> str:
    html = escape(_unescaped(text))
    for tag, pattern in _STYLES.items():
        html = pattern.sub(rf"<{tag}>\1</{tag}>", html)
    return html


def _token(token: str) -> str:
    target, _, label = token.partition("|")
    if _LINK.fullmatch(target):
        return f'<a href="{escape(_unescaped(target))}" rel="noopener">{escape(_unescaped(label or target))}</a>'
    person = slack_people.PEOPLE.get(target.removeprefix("@"))
    name = label or (person.real_name if person else target.lstrip("@#!"))
    return f'<span class="mention">{"#" if target.startswith("#") else "@"}{escape(_unescaped(name))}</span>'


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _lines(html: str) -> str:
    return html.replace("\n", "<br>")
