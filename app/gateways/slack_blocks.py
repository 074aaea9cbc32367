"""Cards, forms and homes as Slack's Block Kit: https://docs.slack.dev/reference/block-kit

Whatever people wrote is shown as they wrote it: nothing of it is taken for markup, a link or a mention.
"""

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import TypeVar

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ConfirmObject,
    ContextBlock,
    DividerBlock,
    HeaderBlock,
    ImageBlock,
    InputBlock,
    MarkdownTextObject,
    PlainTextInputElement,
    PlainTextObject,
    RichTextBlock,
    RichTextElementParts,
    RichTextQuoteElement,
    SectionBlock,
)
from slack_sdk.models.blocks.basic_components import TextObject
from slack_sdk.models.views import View

from credits.gateways.cards import Button, Card, Form, Words

Item = TypeVar("Item")

BLOCKS, FIELDS, BUTTONS, NOTES = 50, 10, 25, 10
TITLE, TEXT, FIELD, LABEL, NOTE, BUTTON, VALUE = 150, 3000, 2000, 200, 2000, 75, 2000
CONFIRM, CONFIRM_BUTTON = 300, 30
ALT = 2000
VIEW_TITLE, VIEW_BUTTON, VIEW_BLOCKS = 24, 24, 100
# Of an input in a form, and of the block around it.
TYPED = "typed"

_CONTROL = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def blocks_of(card: Card) -> list[Block]:
    """The card from top to bottom; one that has nothing but its summary shows that, so that no card is left to the
    markup of `text`."""
    blocks: list[Block] = []
    if card.title:
        blocks.append(HeaderBlock(text=_plain(card.title, TITLE)))
    if card.text:
        blocks.append(SectionBlock(text=_words(card.text, TEXT)))
    if card.quote and card.quote.strip():
        blocks.append(_quote(card.quote))
    blocks += [SectionBlock(fields=[_field(*field) for field in some]) for some in _by(FIELDS, card.fields)]
    if card.picture:
        blocks.append(ImageBlock(image_url=card.picture.url, alt_text=_cut(card.picture.alt, ALT)))
    blocks += [ActionsBlock(elements=[_button(button) for button in some]) for some in _by(BUTTONS, card.buttons)]
    blocks += [ContextBlock(elements=[_words(note, NOTE) for note in some]) for some in _by(NOTES, card.notes)]
    return blocks[:BLOCKS] or [SectionBlock(text=_plain(card.summary, TEXT))]


def _by(size: int, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _button(button: Button) -> ButtonElement:
    return ButtonElement(
        text=_plain(button.label, BUTTON),
        action_id=button.action,
        value=_cut(button.value, VALUE),
        style=button.style,
        url=button.url,
        confirm=_confirm(button, button.confirm) if button.confirm else None,
    )


def _confirm(button: Button, question: str) -> ConfirmObject:
    return ConfirmObject(
        title=_plain(button.label, BUTTON),
        text=_plain(question, CONFIRM),
        confirm=_plain(button.label, CONFIRM_BUTTON),
        deny=_plain("Cancel", CONFIRM_BUTTON),
        style=button.style,
    )


def view_of(form: Form) -> View:
    """The form as a modal."""
    typed = PlainTextInputElement(action_id=TYPED, multiline=True, min_length=1, max_length=form.longest)
    return View(
        type="modal",
        callback_id=form.action,
        private_metadata=json.dumps({"value": form.value, "channel": form.channel}),
        title=_plain(form.title, VIEW_TITLE),
        submit=_plain(form.submit, VIEW_BUTTON),
        close=_plain("Cancel", VIEW_BUTTON),
        blocks=[
            SectionBlock(text=_words(form.text, TEXT)),
            InputBlock(block_id=TYPED, label=_plain(form.label, TEXT), element=typed),
        ],
    )


def home_of(cards: Sequence[Card]) -> View:
    """The cards as somebody's App Home."""
    return View(type="home", blocks=stack_of(cards, most=VIEW_BLOCKS))


def stack_of(cards: Sequence[Card], *, most: int) -> list[Block]:
    """The cards below each other; what is more than so many blocks is left out."""
    blocks: list[Block] = []
    for card in cards:
        more = [*([DividerBlock()] if blocks else []), *blocks_of(card)]
        if len(blocks) + len(more) > most:
            break
        blocks += more
    return blocks


def _words(words: Words, limit: int) -> TextObject:
    """Plain text where there is no time in it; else markup in which only the times are any."""
    if isinstance(words, str):
        return _plain(words, limit)
    pieces: list[str] = []
    for part in words:
        pieces += [_time(part)] if isinstance(part, datetime) else _pieces(part, _CONTROL)
    return MarkdownTextObject(text=_fitting(pieces, limit), verbatim=True)


def _time(at: datetime) -> str:
    """As the reader's own clock has it: https://docs.slack.dev/messaging/formatting-message-text#date-formatting"""
    fallback = f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{fallback}>"


def _plain(text: str, limit: int) -> PlainTextObject:
    # A name may have something between two colons that is no emoji.
    return PlainTextObject(text=_cut(text, limit), emoji=False)


def _field(label: str, value: str) -> MarkdownTextObject:
    name = f"*{escaped(label, LABEL)}*\n"
    # Verbatim: no address becomes a link, and no @name a mention.
    return MarkdownTextObject(text=name + escaped(value, FIELD - len(name)), verbatim=True)


def _quote(text: str) -> RichTextBlock:
    """Every line of it is quoted, whatever ends a line. What stands in rich text is no markup, stars and colons
    neither: https://docs.slack.dev/reference/block-kit/blocks/rich-text-block"""
    words = RichTextElementParts.Text(text=_cut("\n".join(text.splitlines()), TEXT))
    return RichTextBlock(elements=[RichTextQuoteElement(elements=[words])])


def escaped(text: str, limit: int) -> str:
    """Text of which Slack takes nothing for markup: https://docs.slack.dev/messaging/formatting-message-text"""
    return _cut(text, limit, _CONTROL)


def _cut(text: str, limit: int, escapes: Mapping[str, str] | None = None) -> str:
    """The text with its escapes, ended by an ellipsis where it would be longer than `limit`."""
    return _fitting(_pieces(text, escapes or {}), limit)


def _pieces(text: str, escapes: Mapping[str, str]) -> list[str]:
    """What is shown whole or not at all: characters and escapes."""
    return [escapes.get(each, each) for each in text]


def _fitting(pieces: Sequence[str], limit: int) -> str:
    lengths = list(accumulate(map(len, pieces)))
    if not lengths or lengths[-1] <= limit:
        return "".join(pieces)
    return "".join(pieces[: bisect_right(lengths, limit - 1)]) + "…"
