"""Postings of other days than today: the clock that they are told is the test's, in their database transaction only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from credits.accounts.models import Account, AccountKind
from credits.accounts.queries import department_places, pool_places
from credits.accounts.rules import Place
from credits.accounts.structure import add_department, add_pool
from credits.actors import SYSTEM, Actor
from credits.ids import Kind, make_id
from credits.ledger.commands import Command, Deduction, Grant, Refund, RefundReason
from credits.ledger.posting import Posted
from credits.ledger.store import post
from credits.ledger.wallet import Line
from tests.support.service import Service

_STAGE = """
CREATE SCHEMA past;
CREATE FUNCTION past.credits_now() RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT current_setting('past.now')::timestamptz $$;
"""


@asynccontextmanager
async def stage() -> AsyncIterator[None]:
    """What `do` needs of the database, until the block ends."""
    await get_connection("default").execute_script(_STAGE)
    try:
        yield
    finally:
        await get_connection("default").execute_script("DROP SCHEMA past CASCADE")


async def do(at: str | datetime, *commands: Command) -> list[Line]:
    """Post these at that instant (UTC, where it does not say), one after the other; their transactions."""
    when = datetime.fromisoformat(at) if isinstance(at, str) else at
    async with in_transaction() as connection:
        await connection.execute_query("SET LOCAL search_path = past, public")
        await connection.execute_query("SET LOCAL TIME ZONE 'UTC'")
        await connection.execute_query("SELECT set_config('past.now', $1, true)", [when.isoformat()])
        outcomes = (await post(connection, commands)).outcomes
    lines: list[Line] = []
    for (outcome,) in outcomes:
        assert isinstance(outcome, Posted), outcome
        lines += outcome.lines
    return lines


def spent(wallet_id: str, quantity: int = 1, *, actor: Actor = SYSTEM, staging_type: str = "BASIC_ROOM") -> Deduction:
    """So many jobs; a basic room is 2 credits."""
    return Deduction(
        id=make_id(Kind.TRANSACTION), wallet_id=wallet_id, actor=actor, staging_type=staging_type, quantity=quantity
    )


def refunded(line: Line, credits_back: int | None = None) -> Refund:
    """So much of a deduction, or all that is left of it."""
    return Refund(
        id=make_id(Kind.TRANSACTION),
        wallet_id=line.wallet_id,
        actor=SYSTEM,
        deduction_id=line.id,
        credits=credits_back,
        reason=RefundReason.QUALITY,
    )


def given(wallet_id: str, credits_given: int, *, expires_at: datetime | None = None, priority: int = 50) -> Grant:
    """So many credits."""
    return Grant(
        id=make_id(Kind.TRANSACTION),
        wallet_id=wallet_id,
        actor=SYSTEM,
        credits=credits_given,
        expires_at=expires_at,
        priority=priority,
    )


@dataclass(slots=True)
class House:
    """An account with a pool of two departments, and what can be asked of it."""

    service: Service
    account: Place
    pool: Place
    departments: tuple[Place, Place]
    token: str
    given_at: str
    wallet_ids: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        places = (self.account, self.pool, *self.departments)
        self.wallet_ids = tuple(place.wallet_id or "" for place in places)

    async def usage(self, of: str, of_id: str, start: date | str, end: date | str, group: str) -> dict[str, Any]:
        """The report, as the API tells it to the owner."""
        query = f"""query ($id: ID!, $from: Date!, $to: Date!, $group: UsageGroup!) {{ {of}(id: $id) {{
          usage(from: $from, to: $to, groupBy: $group) {{ from to credits refunded operations
            rows {{ key label credits refunded operations }} }} }} }}"""
        answer = await self.service.gql(
            query, self.token, **{"id": of_id, "from": str(start), "to": str(end), "group": group}
        )
        report: dict[str, Any] = answer.data[of]["usage"]
        return report

    async def of_wallet(self, start: str, end: str, group: str) -> dict[str, tuple[int, int, int]]:
        """The rows of the account's own wallet, by key."""
        report = await self.usage("wallet", self.wallet_ids[0], start, end, group)
        return {row["key"]: (row["credits"], row["refunded"], row["operations"]) for row in report["rows"]}


async def house(service: Service, *, time_zone: str, given_at: str) -> House:
    """Of this time zone, with much in each wallet since then."""
    account = await service.account(time_zone=time_zone)
    await Account.filter(id=account.account_id).update(kind=AccountKind.ENTERPRISE)
    pool_id = await add_pool(SYSTEM, account.account_id, name="Residential")
    ids = [await add_department(SYSTEM, pool_id, name=name) for name in ("North", "South")]
    departments = await department_places(ids)
    built = House(
        service=service,
        account=account,
        pool=(await pool_places([pool_id]))[pool_id],
        departments=(departments[ids[0]], departments[ids[1]]),
        token=await service.owner_token(account.account_id),
        given_at=given_at,
    )
    await do(given_at, *(given(wallet_id, 100_000) for wallet_id in built.wallet_ids))
    return built
