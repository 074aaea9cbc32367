"""Idempotency keys as Stripe honours them: the same key and request again, the same answer again.

https://docs.stripe.com/api/idempotent_requests: what fails validation is not kept, and after a day a key is new.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from app.sandbox.errors import ApiError
from app.sandbox.models import KEY_LENGTH, IdempotencyKey
from app.sandbox.objects import JsonObject

_CLAIM = """
INSERT INTO sandbox_idempotency_keys AS kept (key, endpoint, fingerprint, created_at)
VALUES ($1, $2, $3, credits_now())
ON CONFLICT (key) DO UPDATE
    SET endpoint = excluded.endpoint, fingerprint = excluded.fingerprint, created_at = excluded.created_at
    WHERE kept.created_at <= excluded.created_at - interval '24 hours'
RETURNING key
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that changes something: its key (if it came with one), endpoint and parameters."""

    key: str | None
    endpoint: str
    form: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """Equal for equal parameters, in whatever order they came."""
        return hashlib.sha256(json.dumps(sorted(self.form.items())).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of the work: it was done (200), or a bank declined it (402), which is kept as well."""

    body: JsonObject
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The text to answer; `replayed` if it had been answered before."""

    status: int
    body: str
    replayed: bool


async def answer_once(call: Call, work: Callable[[], Awaitable[Reply]]) -> Answer:
    """Do the work, in one database transaction with its key, or give the answer it had the first time.

    Of several at once with one key the first does it and the others wait for its answer. Refused, as Stripe does:
    the key with another endpoint or other parameters.
    """
    if call.key is None:
        async with in_transaction("default"):
            reply = await work()
        return Answer(status=reply.status, body=json.dumps(reply.body), replayed=False)
    if len(call.key) > KEY_LENGTH:
        raise ApiError(400, f"An idempotency key has up to {KEY_LENGTH} characters.", kind="idempotency_error")
    async with in_transaction("default"):
        if await _claim(call, call.key):
            reply = await work()
            body = json.dumps(reply.body)
            await IdempotencyKey.filter(key=call.key).update(status=reply.status, body=body)
            return Answer(status=reply.status, body=body, replayed=False)
    kept = await IdempotencyKey.get(key=call.key)
    _check_same(call, kept)
    return Answer(status=kept.status, body=kept.body or "", replayed=True)


async def _claim(call: Call, key: str) -> bool:
    values = [key, call.endpoint, call.fingerprint]
    return bool(await get_connection("default").execute_query_dict(_CLAIM, values))


def _check_same(call: Call, kept: IdempotencyKey) -> None:
    if kept.endpoint != call.endpoint:
        what = f"for the same endpoint they were first used for ('{kept.endpoint}' vs '{call.endpoint}')"
    elif kept.fingerprint != call.fingerprint:
        what = "with the same parameters they were first used with"
    else:
        return
    raise ApiError(
        400,
        f"Keys for idempotent requests can only be used {what}. "
        f"Try using a key other than '{kept.key}' if you meant to execute a different request.",
        kind="idempotency_error",
    )
