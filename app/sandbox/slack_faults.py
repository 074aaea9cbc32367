"""Faults of the sandbox's Slack, as tests order them: the next calls of a method fail in a given way.

An order is a row, so that it holds for every web process; each call takes one of it, whatever process it comes to.
"""

from dataclasses import dataclass

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from tortoise.connection import get_connection

from app.sandbox.models import SlackFault

_TAKE = """
UPDATE sandbox_slack_faults SET remaining = remaining - 1 WHERE method = $1 AND remaining > 0
RETURNING status, retry_after_s, after
"""
_WORDS = {429: "ratelimited"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One call fails: with `status`, or unanswered where that is 0; `after` it has had its effect, or instead."""

    status: int
    retry_after_s: int
    after: bool

    @property
    def answer(self) -> Response:
        """What the caller gets."""
        if not self.status:
            return CutOff()
        headers = {"Retry-After": str(self.retry_after_s)} if self.status == 429 else None
        return JSONResponse(
            {"ok": False, "error": _WORDS.get(self.status, "internal_error")}, self.status, headers=headers
        )


class CutOff(Response):
    """No answer: the connection is closed before one is there. A server can be made to do so only half-way."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Announce a body and end without it."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})


async def order(method: str, fault: Fault, *, times: int) -> None:
    """From now on so many calls of the method fail so, instead of what was ordered before."""
    await SlackFault.update_or_create(
        {"remaining": times, "status": fault.status, "retry_after_s": fault.retry_after_s, "after": fault.after},
        method=method,
    )


async def take(method: str) -> Fault | None:
    """The fault of this call, if one was ordered."""
    rows = await get_connection("default").execute_query_dict(_TAKE, [method])
    return Fault(**rows[0]) if rows else None
