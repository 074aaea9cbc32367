"""Fields of the bodies that the faces for tests take: each of its kind, or a sentence that says which."""

from enum import StrEnum
from typing import TypeVar

from app.sandbox.errors import ApiError

Value = TypeVar("Value", str, int, bool)
Word = TypeVar("Word", bound=StrEnum)

_KINDS: dict[type, str] = {str: "text", int: "whole number", bool: "true or false"}


def field(fields: dict[str, object], name: str, kind: type[Value], default: Value | None = None) -> Value:
    """The field, or the default where it is left out or null. Refused: another kind, none where there is no default."""
    value = fields.get(name)
    value = default if value is None else value
    if type(value) is not kind:
        raise ApiError(400, f"{name} is missing, or no {_KINDS[kind]}.", param=name)
    return value


def optional(fields: dict[str, object], name: str, kind: type[Value]) -> Value | None:
    """The field, or None where it is left out or null."""
    return None if fields.get(name) is None else field(fields, name, kind)


def whole(fields: dict[str, object], name: str, default: int, *, least: int = 0, most: int) -> int:
    """A whole number within bounds."""
    number = field(fields, name, int, default)
    if not least <= number <= most:
        raise ApiError(400, f"{name} wants a whole number from {least} to {most}.", param=name)
    return number


def seconds(fields: dict[str, object], name: str, *, most: int) -> float:
    """A number of seconds, 0 where it is left out."""
    number = fields.get(name, 0)
    if not isinstance(number, int | float) or isinstance(number, bool) or not 0 <= number <= most:
        raise ApiError(400, f"{name} wants a number of seconds from 0 to {most}.", param=name)
    return float(number)


def word(fields: dict[str, object], name: str, words: type[Word], default: Word) -> Word:
    """One of the words, the default where it is left out."""
    text = fields.get(name, default)
    found = next((each for each in words if each == text), None)
    if found is None:
        raise ApiError(400, f"{name} is one of {', '.join(words)}.", param=name)
    return found
