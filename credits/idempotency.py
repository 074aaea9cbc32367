"""Idempotency keys: whatever moves credits or money is done once per key, for ever.

A key is claimed in the database transaction that does the work: a second claim waits for the first to commit, then
finds what it did. A refused attempt gives its keys back, so that it binds nothing.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient

from credits.errors import Refusal, RefusalCode

_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,255}")

# One row always comes back: the keys that were free, and the clock, read when all were claimed or waited for. In
# order, so that no two wait for each other.
_CLAIM = """
WITH claimed AS (
    INSERT INTO idempotency_keys (key, scope, operation, fingerprint, result_id)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[]) AS k (key, scope) ORDER BY 1, 2
    ON CONFLICT DO NOTHING RETURNING key, scope
)
SELECT credits_now() AS now, c.claimed
FROM (SELECT coalesce(array_agg(scope || ' ' || key), '{}') AS claimed FROM claimed) c
"""
_LOOK_UP = """
SELECT k.key, k.scope, k.operation, k.fingerprint, k.result_id
FROM unnest($1::text[], $2::text[]) AS wanted (key, scope)
JOIN idempotency_keys k ON k.key = wanted.key AND k.scope = wanted.scope
"""
_GIVE_BACK = "DELETE FROM idempotency_keys WHERE (key, scope) IN (SELECT * FROM unnest($1::text[], $2::text[]))"

Identity = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as the caller sent it. `scope` is the account, or the caller where there is no account yet; the
    fingerprint tells the same input from other input, `operation` the same mutation from another."""

    scope: str
    key: str
    operation: str
    fingerprint: bytes

    @property
    def identity(self) -> Identity:
        """What is unique for ever."""
        return self.scope, self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a key was used for, and the id of what came of it."""

    operation: str
    fingerprint: bytes
    result_id: str


def make_key(*, scope: str, key: str, operation: str, fields: Mapping[str, object]) -> Key:
    """The key of a call. Fields that were not given (None) leave no trace in the fingerprint, so that a field added
    to the API later breaks no key used before. Refused: a key that is not 1 to 255 printable characters."""
    if not _PRINTABLE.fullmatch(key) or key.isspace():
        raise Refusal(
            RefusalCode.INVALID, "An idempotency key has 1 to 255 printable characters.", field="idempotencyKey"
        )
    given = {name: value for name, value in fields.items() if value is not None}
    canonical = json.dumps(given, sort_keys=True, separators=(",", ":"), default=str)
    return Key(scope=scope, key=key, operation=operation, fingerprint=hashlib.sha256(canonical.encode()).digest())


def difference(key: Key, used: Used) -> str | None:
    """None where the call is the one that the key was used for; else a sentence that names the first difference."""
    if used.operation != key.operation:
        return f"This key was used for {used.operation}. Take a new idempotencyKey for each new call."
    if used.fingerprint != key.fingerprint:
        return "This key was used with other input. Send the same input, or take a new idempotencyKey."
    return None


async def claim(
    connection: BaseDBAsyncClient, wanted: Sequence[tuple[Key, str]]
) -> tuple[datetime, dict[Identity, Used]]:
    """Claim keys (no two alike), each with the id of what is about to be made; returns the service's time, read after
    that, and what those keys stand for that were taken already."""
    keys = [key for key, _ in wanted]
    columns = [
        [key.key for key in keys],
        [key.scope for key in keys],
        [key.operation for key in keys],
        [key.fingerprint for key in keys],
        [result_id for _, result_id in wanted],
    ]
    (row,) = await connection.execute_query_dict(_CLAIM, columns)
    claimed = set(row["claimed"])
    taken = [key for key in keys if f"{key.scope} {key.key}" not in claimed]
    return row["now"], await _look_up(connection, taken) if taken else {}


async def _look_up(connection: BaseDBAsyncClient, keys: Sequence[Key]) -> dict[Identity, Used]:
    columns = [[key.key for key in keys], [key.scope for key in keys]]
    return {
        (row["scope"], row["key"]): Used(
            operation=row["operation"], fingerprint=bytes(row["fingerprint"]), result_id=row["result_id"]
        )
        for row in await connection.execute_query_dict(_LOOK_UP, columns)
    }


async def give_back(connection: BaseDBAsyncClient, keys: Sequence[Key]) -> None:
    """Undo the claims of attempts that were refused."""
    await connection.execute_query(_GIVE_BACK, [[key.key for key in keys], [key.scope for key in keys]])
