"""Bodies of requests: within bounds, and JSON and forms without surprises.

Whatever is wrong with one is told in a sentence with 400, or 413 where it is too long; nothing malformed goes on.
"""

import json
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import parse_qsl

from starlette.requests import Request

from app.sandbox.errors import ApiError

BODY_LIMIT = 64 * 1024


async def read_body(request: Request) -> bytes:
    """The raw body. Refused with 413: more than 64 KiB, whatever length was announced."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise ApiError(413, f"The body is longer than {BODY_LIMIT} bytes.")
    return bytes(body)


async def read_json(request: Request, *, allowed: Iterable[str]) -> dict[str, object]:
    """The body as a JSON object with no other fields than those allowed; an empty body is an empty object."""
    fields = await read_object(request)
    for name in fields:
        if name not in allowed:
            raise ApiError(400, f"There is no field {name!r} here. There are: {', '.join(allowed)}.")
    return fields


async def read_object(request: Request) -> dict[str, object]:
    """The body as a JSON object, whatever its fields; an empty body is an empty object."""
    body = await read_body(request)
    fields = _parsed(body) if body.strip() else {}
    if not isinstance(fields, dict):
        raise ApiError(400, 'The body is no JSON object. Send one, as in {"deliveries": 2}.')
    return fields


async def read_form(request: Request) -> dict[str, str]:
    """The body as a form, each name once, names as they came (brackets are not taken apart)."""
    body = await read_body(request)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), errors="strict")
    except ValueError as error:
        raise ApiError(400, "The body is no form. Send name=value pairs joined by &, encoded as UTF-8.") from error
    form = dict(pairs)
    if len(form) < len(pairs):
        raise ApiError(400, "A parameter is there twice. Send each once.")
    if any("\0" in text for pair in pairs for text in pair):
        raise ApiError(400, "A parameter holds a NUL character, which no text may.")
    return form


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body.decode(), object_pairs_hook=_each_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "The body is no well-formed JSON. Send an object with each name once, in UTF-8.") from error


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a name is there twice")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
