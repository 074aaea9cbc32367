"""The writer: one per process, takes every command that waits into one commit, and only then tells the callers.

A lone caller waits for nobody; while a commit is under way newcomers gather for the next. A wallet that is locked
elsewhere delays no other: its commands move to a lane of their own, which waits for the lock. One poisonous command
harms no other: after an error that does not pass, each is tried alone.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from tortoise.transactions import in_transaction

from credits.errors import Unavailable
from credits.faults import LOCK_TIMEOUT, as_unavailable, passes, took_too_long, trying_again
from credits.gateways.publisher import Publisher
from credits.ledger.commands import Bulk, Command, Unit, commands_of
from credits.ledger.feed import tell
from credits.ledger.store import Behind, Busy, Outcome, Result, post
from credits.ledger.sweeping import sweep_wallets

MAX_BATCH = 500
MAX_WAITING_FOR_LOCKS = 4
_LOCKED = "Somebody else is at work on this wallet. Send the same call again with the same idempotencyKey."
_log = structlog.get_logger()


@dataclass(slots=True)
class _Waiting:
    unit: Unit
    account_id: str
    outcome: asyncio.Future[list[Outcome]]

    @property
    def wallet_id(self) -> str:
        """Whose lane it goes to when it has to wait for a lock."""
        return commands_of(self.unit)[0].wallet_id


@dataclass(slots=True)
class _Lane:
    """Units in the order in which they came, and the task that works on them while there are any."""

    queue: deque[_Waiting] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class Writer:
    """Posts what it is handed. `one_account_per_commit` keeps batches to one account, for a database distributed so."""

    def __init__(
        self, publisher: Publisher, *, one_account_per_commit: bool = False, max_batch: int = MAX_BATCH
    ) -> None:
        self._publisher = publisher
        self._one_account = one_account_per_commit
        self._max_batch = max_batch
        self._main = _Lane()
        self._busy: dict[str, _Lane] = {}
        # Tasks are made in this context and not in a caller's: one that is inside a database transaction would hand
        # its connection down.
        self._context = contextvars.copy_context()
        self._waiting_for_locks = asyncio.Semaphore(MAX_WAITING_FOR_LOCKS)
        self._closed = False

    async def post(self, command: Command, *, account_id: str) -> Outcome:
        """What became of the command, after the commit. A caller that goes away does not undo what it handed in.

        Raises Unavailable when the database did not answer: whether it was done is then unknown, and the same
        command's key tells when it is sent again.
        """
        (outcome,) = await self._post(command, account_id)
        return outcome

    async def post_bulk(self, bulk: Bulk, *, account_id: str) -> list[Outcome]:
        """What became of each command of the bulk, which go into one commit together."""
        return await self._post(bulk, account_id)

    async def _post(self, unit: Unit, account_id: str) -> list[Outcome]:
        if self._closed:
            raise Unavailable("The service is stopping. Send the same call again with the same idempotencyKey.")
        waiting = _Waiting(unit, account_id, asyncio.get_running_loop().create_future())
        self._enqueue(self._busy.get(waiting.wallet_id, self._main), waiting)
        return await asyncio.shield(waiting.outcome)

    async def close(self) -> None:
        """Take nothing more and finish what was handed in."""
        self._closed = True
        while tasks := [lane.task for lane in (self._main, *self._busy.values()) if lane.task]:
            await asyncio.wait(tasks)

    def _enqueue(self, lane: _Lane, *waiting: _Waiting) -> None:
        lane.queue.extend(waiting)
        if lane.task is None:
            lane.task = asyncio.get_running_loop().create_task(self._work(lane), context=self._context.copy())

    async def _work(self, lane: _Lane) -> None:
        try:
            while lane.queue:
                batch = self._take(lane)
                try:
                    await self._post_batch(batch, wait=lane is not self._main)
                except Exception as error:
                    _log.exception("writer_failed")
                    _fail(batch, error)
        finally:
            lane.task = None
            for wallet_id in [wallet_id for wallet_id, busy in self._busy.items() if busy is lane]:
                del self._busy[wallet_id]

    def _take(self, lane: _Lane) -> list[_Waiting]:
        account_id = lane.queue[0].account_id
        batch: list[_Waiting] = []
        commands = 0
        while lane.queue and commands < self._max_batch:
            if self._one_account and lane.queue[0].account_id != account_id:
                break
            batch.append(lane.queue.popleft())
            commands += len(commands_of(batch[-1].unit))
        return batch

    async def _post_batch(self, batch: list[_Waiting], *, wait: bool) -> None:
        units = [waiting.unit for waiting in batch]
        try:
            if wait:
                result, given_up = await self._patiently(units)
            else:
                result, given_up = await trying_again(lambda: _commit(units, wait=False)), False
        except Exception as error:
            if len(batch) == 1 or (isinstance(error, Unavailable) and not took_too_long(error)):
                _fail(batch, error)
                return
            _log.warning("batch_failed", units=len(batch), error=repr(error))
            # Work that was too much is halved until what is too much stands alone; after any other error each does.
            step = -(-len(batch) // 2) if isinstance(error, Unavailable) else 1
            for start in range(0, len(batch), step):
                await self._post_batch(batch[start : start + step], wait=wait)
            return
        self._settle(batch, result, wait=wait, given_up=given_up)
        await tell(self._publisher, result.told)

    async def _patiently(self, units: Sequence[Unit]) -> tuple[Result, bool]:
        """Wait for locks, once as long as the database allows; then do what can be done without, and say so. A wallet
        in which much is over is swept first."""
        # Who waits for a lock holds a connection meanwhile: never so many that none is left for the others.
        async with self._waiting_for_locks:
            while True:
                try:
                    return await trying_again(lambda: _commit(units, wait=True), but_not=LOCK_TIMEOUT), False
                except Behind as late:
                    await sweep_wallets(self._publisher, late.wallet_ids)
                except LOCK_TIMEOUT:
                    return await trying_again(lambda: _commit(units, wait=False)), True

    def _settle(self, batch: list[_Waiting], result: Result, *, wait: bool, given_up: bool) -> None:
        for waiting, outcomes in zip(batch, result.outcomes, strict=True):
            busy = any(isinstance(outcome, Busy) for outcome in outcomes)
            if busy and given_up:
                _fail([waiting], Unavailable(_LOCKED))
            elif busy and not wait:
                lane = self._busy.setdefault(waiting.wallet_id, _Lane())
                self._enqueue(lane, waiting)
            elif not waiting.outcome.done():
                waiting.outcome.set_result(outcomes)


async def _commit(units: Sequence[Unit], *, wait: bool) -> Result:
    async with in_transaction() as connection:
        return await post(connection, units, wait=wait)


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.outcome.done():
            waiting.outcome.set_exception(as_unavailable(error) if passes(error) else error)
