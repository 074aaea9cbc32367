"""Faults of the database that pass: which they are, and trying again with bounded, jittered pauses.

asyncpg's own errors come through Tortoise unchanged for these.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
from tortoise.exceptions import DBConnectionError, IntegrityError

from credits.errors import Unavailable

T = TypeVar("T")

# Serialization failure, deadlock, lock not available, shutdown and start-up of the server, too many connections.
_PASSING_STATES = {"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300"}
# The server ended a statement or an idle session that took too long.
_TIMEOUT_STATES = {"57014", "25P03"}
_CONNECTION_LOST = (asyncpg.InterfaceError, DBConnectionError, ConnectionError)
_PAUSES_S = (0.02, 0.04, 0.08, 0.16)


def passes(error: BaseException) -> bool:
    """Whether the same work may succeed when it is tried again at once."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state in _PASSING_STATES or state.startswith("08")
    # "Internal" is what asyncpg says of a connection that the server has just ended, over which it sends nothing any
    # more; what it derives from that does not pass.
    return isinstance(error, _CONNECTION_LOST) or type(error) is asyncpg.InternalClientError


def violated(error: IntegrityError) -> str | None:
    """The name of the constraint or unique index that refused the statement."""
    refused = error.args[0]
    return refused.constraint_name if isinstance(refused, asyncpg.IntegrityConstraintViolationError) else None


def out_of_reach(error: BaseException) -> bool:
    """Whether the error says that the database cannot be had now, rather than that it said no."""
    timed_out = isinstance(error, asyncpg.PostgresError) and error.sqlstate in _TIMEOUT_STATES
    return timed_out or passes(error) or isinstance(error, (TimeoutError, OSError))


LOCK_TIMEOUT = asyncpg.LockNotAvailableError


def took_too_long(error: Unavailable) -> bool:
    """Whether the server ended a statement because it took too long: less at once may do."""
    cause = error.__cause__
    return isinstance(cause, asyncpg.QueryCanceledError)


async def trying_again(work: Callable[[], Awaitable[T]], *, but_not: type[Exception] | tuple[()] = ()) -> T:
    """The work's result. A passing fault is tried again a few times; then, or when the database is out of reach,
    Unavailable is raised; `but_not` is raised as it is. `work` must be a whole database transaction that may be done
    twice."""
    for pause in (*_PAUSES_S, None):
        try:
            return await work()
        except but_not:
            raise
        except Exception as error:
            if pause is None or not passes(error):
                raise as_unavailable(error) from error
        await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 jitter, not a secret
    raise AssertionError("the last attempt returned or raised")


def as_unavailable(error: Exception) -> Exception:
    """The error as callers are to see it."""
    if out_of_reach(error):
        return Unavailable("The ledger did not answer in time. Send the same call again with the same idempotencyKey.")
    return error
