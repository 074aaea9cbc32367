"""Faults of the sandbox's Stripe, as tests order them: the next calls of its API go wrong in a given way.

An order is a row, so that it holds for every web process; each call takes one of it, whatever process it comes to.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from tortoise.connection import get_connection

from app.sandbox.answers import Endpoint
from app.sandbox.models import StripeFault
from app.sandbox.slack_faults import CutOff

EVERY_CALL = "*"
# How long nothing at all is answered: longer than anybody waits.
_SILENCE_S = 120.0

_TAKE = """
UPDATE sandbox_stripe_faults SET remaining = remaining - 1 WHERE call = $1 AND remaining > 0
RETURNING answer, status, retry_after_s, delay_s, after
"""


class Wrong(StrEnum):
    """What goes wrong: an ERROR with its status, GARBAGE instead of JSON, a connection CUT before the answer, SILENCE
    until the caller goes away; SLOW is the right answer, late."""

    ERROR = "error"
    GARBAGE = "garbage"
    CUT = "cut"
    SILENCE = "silence"
    SLOW = "slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One call goes wrong, after `delay_s`; `after` it has had its effect, or instead."""

    answer: Wrong
    status: int
    retry_after_s: int
    delay_s: float
    after: bool


async def order(call: str, fault: Fault, *, times: int) -> None:
    """From now on so many such calls go wrong so, instead of what was ordered before."""
    await StripeFault.update_or_create(
        {
            "remaining": times,
            "answer": fault.answer.value,
            "status": fault.status,
            "retry_after_s": fault.retry_after_s,
            "delay_s": fault.delay_s,
            "after": fault.after,
        },
        call=call,
    )


def faulty(call: str, endpoint: Endpoint) -> Endpoint:
    """The endpoint, which goes wrong when that was ordered for its calls, or for all."""

    async def answered(request: Request) -> Response:
        fault = await _take(call) or await _take(EVERY_CALL)
        if fault is None:
            return await endpoint(request)
        if fault.answer is Wrong.SLOW:
            await asyncio.sleep(fault.delay_s)
            return await endpoint(request)
        if fault.after:
            await endpoint(request)
        await asyncio.sleep(fault.delay_s)
        return await _wrong_answer(fault, request)

    return answered


async def _take(call: str) -> Fault | None:
    rows = await get_connection("default").execute_query_dict(_TAKE, [call])
    return Fault(**{**rows[0], "answer": Wrong(rows[0]["answer"])}) if rows else None


async def _wrong_answer(fault: Fault, request: Request) -> Response:
    match fault.answer:
        case Wrong.GARBAGE:
            return Response("<html>This is no JSON", media_type="application/json")
        case Wrong.CUT:
            return CutOff()
        case Wrong.SILENCE:
            await _gone(request)
            return CutOff()
        case _:
            kind = "rate_limit" if fault.status == 429 else "api_error"
            headers = {"Retry-After": str(fault.retry_after_s)} if fault.status == 429 else None
            told: dict[str, object] = {"error": {"type": kind, "message": "The sandbox was told to fail."}}
            return JSONResponse(told, fault.status, headers=headers)


async def _gone(request: Request) -> None:
    """Wait until the caller has gone away, or long enough."""
    try:
        async with asyncio.timeout(_SILENCE_S):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return
