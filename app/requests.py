"""Reading a GraphQL request strictly: what is not plainly one is refused with a sentence, and never with a 500.

Python's JSON takes duplicate keys, NaN, lone halves of surrogates and any encoding; a request with those is either a
mistake or an attack, and the database would choke on some of them later. GraphQL itself would take 1e3 for an Int.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from schema.documents import BadRequest

_JSON = "application/json"
_FIELDS = {"query", "variables", "operationName", "extensions"}
_MOST_DIGITS = 100
# What a message repeats of what was sent.
_SHOWN = 80
_UNKEPT = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """A document's text, its variables, and which of its operations is meant."""

    query: str
    variables: dict[str, Any]
    operation_name: str | None


async def body_of(request: Request, limit: int) -> bytes:
    """The body, or BadRequest when it is longer than `limit` bytes, told before it is read to the end."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    parts = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _too_large(limit: int) -> BadRequest:
    return BadRequest(f"A request has at most {limit:,} bytes. Send less at once.", code="BODY_TOO_LARGE")


def check_content_type(value: str) -> None:
    """Raises BadRequest unless the body is declared to be JSON in UTF-8."""
    kind, *parameters = value.lower().split(";")
    given = (parameter.partition("=") for parameter in parameters)
    charsets = {charset.strip().strip('"') for name, _, charset in given if name.strip() == "charset"}
    if kind.strip() != _JSON or not charsets <= {"utf-8", "utf8"}:
        raise BadRequest(f"Send {_JSON} in UTF-8, with that as Content-Type.", code="BAD_REQUEST")


def parse_request(body: bytes) -> GraphQLRequest:
    """The request in a body. Raises BadRequest, saying what would be right."""
    data = parse_json(body, fractions=False)
    if isinstance(data, list):
        raise BadRequest("Batches are not taken: send one operation a request, or several fields in one.")
    return request_from(data)


def request_from(data: Any) -> GraphQLRequest:
    """The request in a JSON value. Raises BadRequest, saying what would be right."""
    if not isinstance(data, dict):
        raise BadRequest('A request is an object like {"query": "{ packages { name } }"}.')
    if unknown := data.keys() - _FIELDS:
        raise BadRequest(f"A request has query, variables and operationName; this has {min(unknown)[:_SHOWN]!r} too.")
    query, variables, name = data.get("query"), data.get("variables"), data.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise BadRequest("query is missing: it is a GraphQL document as a string.")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest("variables is an object, or left out.")
    if name is not None and not isinstance(name, str):
        raise BadRequest("operationName is a string, or left out.")
    return GraphQLRequest(query, variables or {}, name)


def parse_json(body: bytes | str, *, fractions: bool = True) -> Any:
    """The JSON value. Raises BadRequest for what is none, for what JSON allows but nobody means and, without
    `fractions`, for numbers with a point or an exponent."""
    try:
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        value = json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_constant,
            parse_float=None if fractions else _no_fraction,
            parse_int=_whole_number,
        )
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    except RecursionError:
        raise BadRequest("This JSON is nested too deeply.") from None
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {str(error)[:200]}.") from None
    if "\\u" in text or "\x00" in text:
        _check_text(value)
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _no_fraction(text: str) -> None:
    raise BadRequest(f"{text[:_SHOWN]} is no whole number. Numbers are whole here; decimals are sent as strings.")


def _whole_number(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise BadRequest(f"A number has at most {_MOST_DIGITS} digits; this has {len(text):,}.")
    return int(text)


def _check_text(value: Any) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str) and _UNKEPT.search(item):
            raise BadRequest("Text with NUL or with half of a surrogate pair cannot be kept.")
        if isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
