"""Text from outside, as it is kept: normalized, bounded, and without characters that hide or turn things."""

import unicodedata

from credits.errors import Refusal, RefusalCode

MAX_TEXT = 500
# What turns the direction of the text around it: it can make a name read as another.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(value: str | None, *, field: str, limit: int = MAX_TEXT, lines: bool = False) -> str | None:
    """The text in Unicode's NFC, or a refusal: longer than `limit` characters, or with control characters in it
    (line breaks pass where `lines` are wanted)."""
    if value is None:
        return None
    text = unicodedata.normalize("NFC", value)
    if len(text) > limit:
        raise Refusal(
            RefusalCode.INVALID, f"At most {limit} characters are kept here; this has {len(text)}.", field=field
        )
    if any(_is_control(character, lines=lines) for character in text):
        raise Refusal(RefusalCode.INVALID, "Control characters are not kept here. Remove them.", field=field)
    return text


def _is_control(character: str, *, lines: bool) -> bool:
    if lines and character in "\n\t":
        return False
    # Cc: controls. Cs: halves of surrogate pairs, which no database takes.
    return unicodedata.category(character) in {"Cc", "Cs"} or character in _TURNING
