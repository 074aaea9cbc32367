"""A card as plain text, for whoever reads mail without pictures and buttons: it carries the addresses themselves."""

import re
import textwrap
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime

from credits.gateways.cards import Button, Card, Picture, Words

_WIDTH = 72
_ADDRESS = re.compile(r"https?://[^\s\x00-\x1f\x7f]+")


def text_of(card: Card) -> str:
    """The card, its parts with an empty line between them."""
    return "\n\n".join(filter(None, _parts(card))) + "\n"


def _parts(card: Card) -> Iterator[str]:
    if card.title:
        yield _wrapped(card.title) + "\n" + "=" * min(len(visible(card.title)), _WIDTH)
    yield _wrapped(said(body_of(card)))
    if card.quote:
        yield textwrap.indent(_wrapped(card.quote, _WIDTH - 2), "> ", lambda _line: True)
    yield "\n".join(f"{one_line(label)}: {visible(value)}" for label, value in card.fields)
    if picture := picture_of(card):
        yield f"{one_line(picture.alt)}\n{picture.url}"
    yield "\n\n".join(f"{one_line(button.label)}:\n{button.url}" for button in links(card))
    if card.notes:
        # What follows these two is taken for small print by readers of mail: https://www.rfc-editor.org/rfc/rfc3676
        yield "-- \n" + "\n".join(_wrapped(said(note)) for note in card.notes)


def body_of(card: Card) -> Words:
    """What a reader is told first under the title: never nothing."""
    return card.text or ("" if card.title else card.summary)


def links(card: Card) -> list[Button]:
    """The buttons that a mail can have: those that open an address."""
    return [button for button in card.buttons if _ADDRESS.fullmatch(button.url or "")]


def picture_of(card: Card) -> Picture | None:
    """The card's picture, where it has an address that can be opened."""
    return card.picture if card.picture and _ADDRESS.fullmatch(card.picture.url) else None


def said(words: Words) -> str:
    """The words with the times among them in UTC: nobody knows where a mail is read."""
    if isinstance(words, str):
        return visible(words)
    return visible("".join(_time(part) if isinstance(part, datetime) else part for part in words))


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%-d %B %Y, %H:%M} UTC"


def visible(text: str) -> str:
    """The text with line breaks as its only control characters."""
    return "".join(
        " " if unicodedata.category(each) in {"Cc", "Cs"} and each != "\n" else each
        for each in "\n".join(text.splitlines())
    )


def one_line(text: str) -> str:
    """The text on one line."""
    return " ".join(visible(text).split())


def _wrapped(text: str, width: int = _WIDTH) -> str:
    lines = (
        textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]
        for line in visible(text).splitlines()
    )
    return "\n".join(part for line in lines for part in line)
