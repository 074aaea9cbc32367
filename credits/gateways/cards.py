"""What people are shown, in a chat or by mail: sentences, figures, buttons, forms."""

from dataclasses import dataclass
from datetime import datetime

# Words for people; a time among them is shown as the reader's own clock has it, where the chat knows it.
Words = str | tuple[str | datetime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button on a card. Pressing it tells us `action` and `value`; with `confirm` the reader is asked that first.
    Buttons of one card have actions that differ: what stands behind a dot is there for that alone. With `url` it opens
    that address instead. `style` is `primary` or `danger`, or none."""

    action: str
    label: str
    value: str
    style: str | None = None
    confirm: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture on a card, which the chat fetches itself; `alt` says what is to be seen on it."""

    url: str
    alt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A message to people, without markup: whoever shows it escapes it. `summary` is what a notification shows, and
    all there is where cards cannot be drawn; `quote` are somebody's own words; `notes` are small print."""

    summary: str
    title: str | None = None
    text: Words | None = None
    quote: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    picture: Picture | None = None
    buttons: tuple[Button, ...] = ()
    notes: tuple[Words, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A window that asks for something to be typed. What was typed comes back as a SUBMITTED interaction with `action`
    and `value`, and as done in `channel`. `label` names the text that is asked for, which may not be empty and has at
    most `longest` characters."""

    action: str
    value: str
    channel: str | None
    title: str
    text: Words
    label: str
    submit: str
    longest: int
