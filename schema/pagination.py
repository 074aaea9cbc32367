"""Relay connections on keyset pages: newest first, at most 100 a page, stable while rows come in.

A cursor names the list it belongs to, so that one of another list is refused instead of read wrongly.
"""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, TypeVar

import strawberry

from credits.errors import BadInput

Node = TypeVar("Node")
Row = TypeVar("Row")

MAX_PAGE = 100
# Below 2^63, and longer than any id.
_MOST_DIGITS = 18
_LONGEST_PART = 100
Position = tuple[str, ...]

After = Annotated[str | None, strawberry.argument(description="The `endCursor` of the page before.")]
First = Annotated[int | None, strawberry.argument(description="How many, at most 100.")]


@strawberry.type
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class Edge(Generic[Node]):
    cursor: str
    node: Node


@strawberry.type
class Connection(Generic[Node]):
    edges: list[Edge[Node]]
    nodes: list[Node]
    page_info: PageInfo


def encode_cursor(list_name: str, position: Position) -> str:
    """An opaque cursor for a position in the list of that name."""
    return base64.urlsafe_b64encode(json.dumps([list_name, *position]).encode()).decode().rstrip("=")


def decode_cursor(list_name: str, cursor: str, length: int) -> Position:
    """The position, or BadInput for a cursor that is not of this list."""
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        parts = None
    well_formed = isinstance(parts, list) and len(parts) == length + 1 and all(map(_is_part, parts))
    if parts is None or not well_formed or parts[0] != list_name:
        raise _foreign()
    return tuple(parts[1:])


def _is_part(part: object) -> bool:
    return isinstance(part, str) and part.isascii() and part.isprintable() and len(part) <= _LONGEST_PART


def _foreign() -> BadInput:
    return BadInput("after", "This is no cursor of this list. Take endCursor of a page of the same list.")


def number_at(position: Position, index: int) -> int:
    """A part of a position that was written as a number. Raises BadInput for a cursor that somebody made up."""
    if not position[index].isdecimal() or len(position[index]) > _MOST_DIGITS:
        raise _foreign()
    return int(position[index])


def instant_at(position: Position, index: int) -> datetime:
    """A part of a position that was written as an instant. Raises BadInput for a cursor that somebody made up."""
    try:
        at = datetime.fromisoformat(position[index])
    except ValueError:
        raise _foreign() from None
    if at.tzinfo is None or not 1 < at.year < 9999:
        raise _foreign()
    return at


@dataclass(frozen=True, slots=True)
class Unfinished(Generic[Row]):
    """What was found up to a position, where reading stopped before it had found enough: there may be more below."""

    rows: Sequence[Row]
    read_to: Position


async def connection(
    *,
    list_name: str,
    first: int | None,
    after: str | None,
    key: Callable[[Row], Position],
    read: Callable[[int, Position | None], Awaitable[Sequence[Row] | Unfinished[Row]]],
    node: Callable[[Row], Node],
    key_length: int = 1,
) -> Connection[Node]:
    """A page of a list. `read` is asked for one row more than wanted, below the position of `after` if given;
    `key` tells a row's position. After an unfinished page, which may be short or empty, `endCursor` goes on from where
    reading stopped. Raises BadInput for a size outside 1 to 100 and for a foreign cursor."""
    size = 25 if first is None else first
    if not 1 <= size <= MAX_PAGE:
        raise BadInput("first", f"A page has 1 to {MAX_PAGE} entries; this asks for {size}.")
    position = None if after is None else decode_cursor(list_name, after, key_length)
    found = await read(size + 1, position)
    rows, read_to = (found.rows, found.read_to) if isinstance(found, Unfinished) else (found, None)
    edges = [Edge(cursor=encode_cursor(list_name, key(row)), node=node(row)) for row in rows[:size]]
    return Connection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo(
            has_next_page=len(rows) > size or read_to is not None,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=_end(list_name, edges, read_to if len(rows) <= size else None),
        ),
    )


def _end(list_name: str, edges: Sequence[Edge[Node]], read_to: Position | None) -> str | None:
    if read_to is not None:
        return encode_cursor(list_name, read_to)
    return edges[-1].cursor if edges else None
