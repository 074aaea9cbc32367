"""Filling a database with a history, on all processors: each process takes the next account until none is left.

A portion is one commit on which every promise of the ledger holds, so whoever stops it leaves a ledger that is whole.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from multiprocessing.process import BaseProcess
from typing import Any

import asyncpg

from app.database import credentials
from app.history import writing
from app.history.calendar import Calendar, two_years_before
from app.history.life import Life
from app.history.plan import DOMAIN, AccountPlan, accounts_of
from app.history.shop import Package
from credits.ledger.posting import Price
from credits.progress import Progress, untold

_TOLD_EVERY_S = 0.2
_calendar = lru_cache(Calendar)
# Addresses that nobody has (RFC 2606).
_REAL_PEOPLE = r"SELECT count(*) FROM users WHERE email !~ '\.(example|test|invalid|localhost)$'"


class HistoryRefused(Exception):
    """This database gets no history; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What was written: so many transactions of these accounts, the largest first."""

    lines: int
    account_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What the processes share: the accounts, whose turn it is, how much is done, and whether to stop."""

    url: str
    plans: Sequence[AccountPlan]
    start: datetime
    end: datetime
    turn: Any
    done: Any
    stop: Any

    def take(self) -> AccountPlan | None:
        """The next account, unless there is none left or it is time to stop."""
        if self.stopped():
            return None
        with self.turn.get_lock():
            number = self.turn.value
            self.turn.value += 1
        return self.plans[number] if number < len(self.plans) else None

    def stopped(self) -> bool:
        """Whether nothing more is to be written. Nobody is left to ask when the process that began it is gone."""
        parent = multiprocessing.parent_process()
        return self.stop.is_set() or (parent is not None and not parent.is_alive())


async def fill(url: str, *, lines: int, seed: int, processes: int | None = None, progress: Progress = untold) -> Filled:
    """Write so many transactions, or up to a handful more an account, of the two years before now. The same seed
    writes the same on the same day.

    Refused (HistoryRefused): a database with people who may be real, one without a catalogue, and a seed whose history
    is there already, whole or in part. Cancelled, it leaves what was written by then.
    """
    connection = await asyncpg.connect(**credentials(url))
    try:
        start, end = two_years_before(await connection.fetchval("SELECT credits_now()"))
        plans = tuple(accounts_of(lines=lines, seed=seed, start=start, end=end))
        await _check(connection, plans, seed)
        written = await _in_processes(url, plans, start, end, processes or os.cpu_count() or 1, progress)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    return Filled(lines=written, account_ids=tuple(plan.id for plan in plans))


async def _check(connection: asyncpg.Connection, plans: Sequence[AccountPlan], seed: int) -> None:
    if real := await connection.fetchval(_REAL_PEOPLE):
        raise HistoryRefused(
            f"There are {real:,} people in this database with addresses that may be real. A history is for a database"
            " that nobody needs: make a new one."
        )
    if await connection.fetchval("SELECT count(*) FROM users WHERE email LIKE $1", f"%.s{seed}.{DOMAIN}"):
        raise HistoryRefused(
            f"A history of the seed {seed} is there already, whole or in part. Another --seed adds another one."
        )
    prices, packages = await _catalogue(connection)
    if not prices or not packages:
        raise HistoryRefused("There is no catalogue to buy from yet. Load one: credits catalogue catalogue.toml")


async def _in_processes(
    url: str, plans: Sequence[AccountPlan], start: datetime, end: datetime, processes: int, progress: Progress
) -> int:
    # Forked, a process would share this one's connections and its event loop.
    spawning = multiprocessing.get_context("spawn")
    job = _Job(
        url=url,
        plans=plans,
        start=start,
        end=end,
        turn=spawning.Value("q", 0),
        done=spawning.Value("q", 0),
        stop=spawning.Event(),
    )
    workers = [spawning.Process(target=_work, args=(job,)) for _ in range(min(processes, len(plans)))]
    for worker in workers:
        worker.start()
    try:
        await _watch(job, workers, progress)
    finally:
        job.stop.set()
        for worker in workers:
            await asyncio.shield(asyncio.to_thread(worker.join))
    if failed := [worker for worker in workers if worker.exitcode]:
        raise RuntimeError(f"{len(failed)} of {len(workers)} processes that wrote the history failed; see above")
    written: int = job.done.value
    return written


async def _watch(job: _Job, workers: Sequence[BaseProcess], progress: Progress) -> None:
    of = sum(plan.lines for plan in job.plans)
    while any(worker.is_alive() for worker in workers) and not any(worker.exitcode for worker in workers):
        progress(min(job.done.value, of), of)
        await asyncio.sleep(_TOLD_EVERY_S)
    progress(min(job.done.value, of), of)


def _work(job: _Job) -> None:
    # A terminal interrupts every process of the group; the one that began it all says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_write_accounts(job))


async def _write_accounts(job: _Job) -> None:
    connection = await asyncpg.connect(**credentials(job.url))
    try:
        await _trust_ourselves(connection)
        prices, packages = await _catalogue(connection)
        while plan := job.take():
            life = Life(plan, _calendar(plan.time_zone, job.start, job.end), prices, packages)
            await _write_account(connection, job, plan, life)
    finally:
        await connection.close()


async def _trust_ourselves(connection: asyncpg.Connection) -> None:
    """Rows that name each other because one program made them need not be looked up one by one: that takes as long as
    writing them. Only a superuser may say so; the audit finds the same."""
    try:
        await connection.execute("SET session_replication_role = replica")
    except asyncpg.InsufficientPrivilegeError:
        return


async def _write_account(connection: asyncpg.Connection, job: _Job, plan: AccountPlan, life: Life) -> None:
    for number, portion in enumerate(life.portions()):
        async with connection.transaction():
            if number == 0:
                await writing.open_account(connection, plan)
            await writing.write(connection, plan, portion)
        with job.done.get_lock():
            job.done.value += len(portion.changes.lines)
        if job.stopped():
            return


async def _catalogue(connection: asyncpg.Connection) -> tuple[Mapping[str, Price], Sequence[Package]]:
    types = await connection.fetch("SELECT code, credits FROM staging_types WHERE active ORDER BY code")
    packages = await connection.fetch(
        "SELECT code, name, credits, price_minor, currency, minimum_credits, valid_for_days FROM packages"
        " WHERE active ORDER BY position, code"
    )
    prices = {row["code"]: Price(credits=row["credits"], active=True) for row in types}
    return prices, [Package(**dict(row)) for row in packages]
