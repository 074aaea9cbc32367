"""The blocks of a message or view, checked as Slack checks them: only what the service sends is known here.

https://docs.slack.dev/reference/block-kit: kinds, required parts, lengths; a refusal points to the part by its path.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from app.sandbox.objects import JsonObject

BLOCKS_LIMIT = 50
_KINDS_OF_TEXT = ("plain_text", "mrkdwn")
_STYLES = (None, "primary", "danger")

Problems = Iterator[str]
Check = Callable[[JsonObject, str], Problems]


def problems(blocks: object, *, at: str = "/blocks", most: int = BLOCKS_LIMIT) -> list[str]:
    """What is wrong with the blocks, in Slack's words; an empty list for blocks that can be posted."""
    return list(_items(blocks, at, most=most, least=0, check=_block))


def with_ids(blocks: list[JsonObject]) -> list[JsonObject]:
    """The blocks as Slack keeps them: each has an id."""
    return [{"block_id": secrets.token_urlsafe(4), **block} for block in blocks]


def parts(block: Mapping[str, object], name: str) -> list[JsonObject]:
    """The parts of a checked block that stand under this name."""
    found = block.get(name) or []
    assert isinstance(found, list)  # noqa: S101 for mypy: it was checked when it was posted
    return found


def buttons(blocks: list[JsonObject]) -> Iterator[tuple[str, JsonObject]]:
    """Each button, with the id of its block."""
    for block in blocks:
        if block["type"] == "actions":
            for element in parts(block, "elements"):
                yield str(block["block_id"]), element


def _block(block: JsonObject, at: str) -> Problems:
    check = _BLOCKS.get(str(block.get("type")))
    if check is None:
        yield f"unsupported type: {block.get('type')} [json-pointer:{at}/type]"
    else:
        yield from check(block, at)


def _header(block: JsonObject, at: str) -> Problems:
    yield from text_problems(block.get("text"), f"{at}/text", most=150, kinds=("plain_text",))


def _section(block: JsonObject, at: str) -> Problems:
    if "text" not in block and "fields" not in block:
        yield f"missing required field: text [json-pointer:{at}]"
    if "text" in block:
        yield from text_problems(block["text"], f"{at}/text", most=3000)
    if "fields" in block:
        yield from _items(block["fields"], f"{at}/fields", most=10, check=partial(text_problems, most=2000))


def _actions(block: JsonObject, at: str) -> Problems:
    elements = block.get("elements")
    yield from _items(elements, f"{at}/elements", most=25, check=_button)
    ids = (
        [str(each.get("action_id")) for each in elements if isinstance(each, dict)]
        if isinstance(elements, list)
        else []
    )
    if len(set(ids)) < len(ids):
        yield f"an action_id is there twice [json-pointer:{at}/elements]"


def _input(block: JsonObject, at: str) -> Problems:
    yield from text_problems(block.get("label"), f"{at}/label", most=2000, kinds=("plain_text",))
    element = block.get("element")
    if not isinstance(element, dict) or element.get("type") != "plain_text_input":
        yield f"unsupported type: not a plain_text_input [json-pointer:{at}/element]"
    else:
        yield from length(element.get("action_id"), f"{at}/element/action_id", most=255)
        if "placeholder" in element:
            yield from text_problems(
                element["placeholder"], f"{at}/element/placeholder", most=150, kinds=("plain_text",)
            )


def _context(block: JsonObject, at: str) -> Problems:
    yield from _items(block.get("elements"), f"{at}/elements", most=10, check=partial(text_problems, most=3000))


def _image(block: JsonObject, at: str) -> Problems:
    yield from length(block.get("image_url"), f"{at}/image_url", most=3000)
    if not str(block.get("image_url")).startswith(("https://", "http://")):
        yield f"must be an address that can be fetched [json-pointer:{at}/image_url]"
    yield from length(block.get("alt_text"), f"{at}/alt_text", most=2000)


def _rich_text(block: JsonObject, at: str) -> Problems:
    yield from _items(block.get("elements"), f"{at}/elements", most=BLOCKS_LIMIT, check=_rich_quote)


def _rich_quote(quote: JsonObject, at: str) -> Problems:
    if quote.get("type") != "rich_text_quote":
        yield f"unsupported type: {quote.get('type')} [json-pointer:{at}/type]"
    yield from _items(quote.get("elements"), f"{at}/elements", most=BLOCKS_LIMIT, check=_rich_words)


def _rich_words(words: JsonObject, at: str) -> Problems:
    if words.get("type") != "text":
        yield f"unsupported type: {words.get('type')} [json-pointer:{at}/type]"
    yield from length(words.get("text"), f"{at}/text", most=3000)


def _divider(_block: JsonObject, _at: str) -> Problems:
    yield from ()


_BLOCKS: dict[str, Check] = {
    "header": _header,
    "section": _section,
    "input": _input,
    "actions": _actions,
    "context": _context,
    "image": _image,
    "rich_text": _rich_text,
    "divider": _divider,
}


def _button(button: JsonObject, at: str) -> Problems:
    if button.get("type") != "button":
        yield f"unsupported type: {button.get('type')} [json-pointer:{at}/type]"
    if button.get("style") not in _STYLES:
        yield f"must be one of primary, danger [json-pointer:{at}/style]"
    yield from text_problems(button.get("text"), f"{at}/text", most=75, kinds=("plain_text",))
    yield from length(button.get("action_id"), f"{at}/action_id", most=255)
    for name, most in (("value", 2000), ("url", 3000)):
        yield from length(button.get(name, "-"), f"{at}/{name}", most=most, least=0)
    if "confirm" in button:
        yield from _confirm(button["confirm"], f"{at}/confirm")


def _confirm(confirm: object, at: str) -> Problems:
    if not isinstance(confirm, dict):
        yield f"must be an object [json-pointer:{at}]"
        return
    yield from text_problems(confirm.get("text"), f"{at}/text", most=300)
    for name, most in (("title", 100), ("confirm", 30), ("deny", 30)):
        yield from text_problems(confirm.get(name), f"{at}/{name}", most=most, kinds=("plain_text",))


def text_problems(text: object, at: str, *, most: int, kinds: tuple[str, ...] = _KINDS_OF_TEXT) -> Problems:
    """What is wrong with a text object."""
    if not isinstance(text, dict) or text.get("type") not in kinds:
        yield f"must be a text object of type {' or '.join(kinds)} [json-pointer:{at}]"
        return
    yield from length(text.get("text"), f"{at}/text", most=most)


def length(text: object, at: str, *, most: int, least: int = 1) -> Problems:
    """What is wrong with a text."""
    if not isinstance(text, str):
        yield f"must be a string [json-pointer:{at}]"
    elif len(text) > most:
        yield f"must be less than {most + 1} characters [json-pointer:{at}]"
    elif len(text) < least:
        yield f"must be more than {least - 1} characters [json-pointer:{at}]"


def _items(items: object, at: str, *, most: int, check: Check, least: int = 1) -> Problems:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        yield f"must be an array of objects [json-pointer:{at}]"
        return
    if not least <= len(items) <= most:
        yield f"no more than {most} items allowed and no fewer than {least} [json-pointer:{at}]"
    for number, item in enumerate(items):
        yield from check(item, f"{at}/{number}")
