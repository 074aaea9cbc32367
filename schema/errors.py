"""The one place that turns the domain's refusals into what clients read: `userErrors` entries and error codes."""

import functools
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, TypeVar

import strawberry
import structlog
from graphql import GraphQLError

from credits.errors import (
    BadInput,
    CreditsError,
    Forbidden,
    NotFound,
    Refusal,
    RefusalCode,
    Unauthenticated,
    Unavailable,
)
from credits.ledger.posting import Refused

_log = structlog.get_logger()
Payload = TypeVar("Payload")

strawberry.enum(RefusalCode, name="UserErrorCode")


@strawberry.type(description="A rule of the business said no. Show `message`, branch on `code`, mark `field`.")
class UserError:
    code: RefusalCode
    message: str
    field: list[str] | None


class ErrorCode(StrEnum):
    """`extensions.code` of errors that are no rule of the business."""

    BAD_REQUEST = "BAD_REQUEST"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"
    TIMEOUT = "TIMEOUT"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


_CODES: dict[type[CreditsError], ErrorCode] = {
    BadInput: ErrorCode.BAD_USER_INPUT,
    NotFound: ErrorCode.NOT_FOUND,
    Forbidden: ErrorCode.FORBIDDEN,
    Unauthenticated: ErrorCode.UNAUTHENTICATED,
    Unavailable: ErrorCode.UNAVAILABLE,
}


def user_error(refusal: Refusal | Refused | BadInput) -> UserError:
    """A refusal as an entry of `userErrors`."""
    if isinstance(refusal, BadInput):
        return UserError(code=RefusalCode.INVALID, message=str(refusal), field=[refusal.field])
    return UserError(
        code=refusal.code, message=refusal.message, field=None if refusal.field is None else [refusal.field]
    )


Resolver = Callable[..., Awaitable[Payload | None]]


def refusals_as(payload: Callable[..., Payload]) -> Callable[[Resolver[Payload]], Resolver[Payload]]:
    """For mutations: what the business refuses becomes this payload with `userErrors`; the rest passes through. What
    was read before is forgotten: the answer shows what is so after it."""

    def decorate(resolve: Resolver[Payload]) -> Resolver[Payload]:
        @functools.wraps(resolve)
        async def resolved(*args: Any, **kwargs: Any) -> Payload | None:
            try:
                return await resolve(*args, **kwargs)
            except (Refusal, BadInput) as refusal:
                return payload(user_errors=[user_error(refusal)])
            finally:
                kwargs["info"].context.forget()

        return resolved

    return decorate


def formatted(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """An error as the client reads it. What nobody foresaw is logged whole and told only by its request id."""
    code, message = _told(error, request_id)
    entry: dict[str, Any] = {"message": message, "extensions": {"code": code.value, "requestId": request_id}}
    original = error.original_error
    if isinstance(original, BadInput):
        entry["extensions"]["field"] = [original.field]
    if error.locations:
        entry["locations"] = [location.formatted for location in error.locations]
    if error.path:
        entry["path"] = error.path
    return entry


def _told(error: GraphQLError, request_id: str) -> tuple[ErrorCode, str]:
    original = error.original_error
    while isinstance(original, GraphQLError) and original.original_error:
        original = original.original_error
    if isinstance(original, CreditsError):
        return _CODES.get(type(original), ErrorCode.BAD_USER_INPUT), str(original)
    if isinstance(original, TimeoutError):
        return ErrorCode.TIMEOUT, "This took too long and was given up. Ask for less at once, or try again."
    if original is None or isinstance(original, GraphQLError):
        # graphql-core's own: a document or variables that do not fit the schema.
        stated = error.extensions.get("code") if error.extensions else None
        return ErrorCode(stated) if stated else ErrorCode.BAD_USER_INPUT, error.message
    _log.error("unforeseen", request_id=request_id, path=error.path, exc_info=original)
    return ErrorCode.INTERNAL, "Something went wrong on our side. Try again, and quote the request id if it stays so."
