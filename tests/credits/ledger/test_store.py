"""Posting against the real database: what is written, what a key binds, and what the audit finds."""

import asyncio
import contextvars
from dataclasses import replace
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from credits.accounts.queries import pool_places
from credits.accounts.rules import Place
from credits.accounts.service import create_pool
from credits.actors import SYSTEM
from credits.errors import RefusalCode
from credits.idempotency import make_key
from credits.ids import Kind, make_id
from credits.ledger import queries
from credits.ledger.audit import broken
from credits.ledger.commands import Command, Deduction, Refund, RefundReason, Transfer
from credits.ledger.models import TransactionKind
from credits.ledger.posting import Posted, Refused
from credits.ledger.store import Busy, Outcome, Replayed, post
from credits.ledger.text import SALT_BYTES, Text
from tests.support.service import Service


def spend(place: Place, quantity: int = 1, *, key: str | None = None, text: Text | None = None) -> Deduction:
    return Deduction(
        id=make_id(Kind.TRANSACTION),
        wallet_id=place.wallet_id or "",
        actor=SYSTEM,
        key=make_key(
            scope=place.account_id,
            key=key or uuid4().hex,
            operation="deductCredits",
            fields={"quantity": quantity, "walletId": place.wallet_id},
        ),
        text=text,
        staging_type="BASIC_ROOM",
        quantity=quantity,
    )


async def posted(*commands: Command, wait: bool = True) -> list[Outcome]:
    async with in_transaction() as connection:
        result = await post(connection, commands, wait=wait)
    return [outcome for (outcome,) in result.outcomes]


async def rows(sql: str, *values: Any) -> list[dict[str, Any]]:
    return await get_connection("default").execute_query_dict(sql, list(values))


async def available(place: Place) -> int:
    wallet_id = place.wallet_id or ""
    return (await queries.balances([wallet_id]))[wallet_id].available


async def test_what_was_posted_reads_back_the_same_and_passes_the_audit(service: Service) -> None:
    place = await service.account(credits_given=10, time_zone="Pacific/Kiritimati")
    text = Text(
        salt=bytes(SALT_BYTES), reference="MLS-1", description="Wohnzimmer, 2. OG", metadata=(("a", "ä"), ("b", ""))
    )

    (outcome,) = await posted(spend(place, 2, text=text))

    assert isinstance(outcome, Posted)
    read = (await queries.lines_by_id([outcome.line.id]))[outcome.line.id]
    assert read == outcome.line
    view = (await queries.balances([read.wallet_id]))[read.wallet_id]
    assert replace(view, as_of=outcome.balance.as_of) == outcome.balance
    assert read.local_day == outcome.line.created_at.astimezone(ZoneInfo("Pacific/Kiritimati")).date()
    assert await broken() == {}


async def test_a_key_answers_its_first_result_and_refuses_other_input(service: Service) -> None:
    place = await service.account(credits_given=10)
    (first,) = await posted(spend(place, 1, key="k"))
    assert isinstance(first, Posted)

    (again,) = await posted(spend(place, 1, key="k"))
    (other,) = await posted(spend(place, 2, key="k"))

    assert again == Replayed(result_id=first.line.id)
    assert isinstance(other, Refused)
    assert other.code is RefusalCode.IDEMPOTENCY_KEY_REUSED
    assert await available(place) == 8


async def test_a_refused_attempt_binds_nothing(service: Service) -> None:
    place = await service.account(credits_given=1)
    (refused,) = await posted(spend(place, 1, key="k"))
    assert isinstance(refused, Refused)
    assert await rows("SELECT 1 FROM idempotency_keys WHERE scope = $1 AND key = 'k'", place.account_id) == []

    await service.give(place, 9)
    (then,) = await posted(spend(place, 5, key="k"))

    assert isinstance(then, Posted)
    assert await available(place) == 0


async def test_one_key_twice_in_a_batch_is_done_once(service: Service) -> None:
    place = await service.account(credits_given=10)

    outcomes = await posted(spend(place, key="k"), spend(place, key="k"), spend(place, 3, key="k"), spend(place))

    assert [type(each) for each in outcomes] == [Posted, Replayed, Refused, Posted]
    assert await available(place) == 6


async def test_of_one_key_twice_in_a_batch_the_second_is_done_when_the_first_is_refused(service: Service) -> None:
    place = await service.account(credits_given=10)

    outcomes = await posted(spend(place, 100, key="k"), spend(place, 1, key="k"))

    assert [type(each) for each in outcomes] == [Refused, Posted]
    assert await available(place) == 8


async def test_a_locked_wallet_comes_back_busy_and_the_others_are_done(service: Service) -> None:
    locked = await service.account(credits_given=10)
    free = await service.account(credits_given=10)

    async with in_transaction() as connection:
        await connection.execute_query("SELECT 1 FROM wallets WHERE id = $1 FOR UPDATE", [locked.wallet_id])
        outcomes = await _in_another_task(spend(locked, key="k"), spend(free))

    assert [type(each) for each in outcomes] == [Busy, Posted]
    assert await available(locked) == 10
    assert await available(free) == 8
    assert await rows("SELECT 1 FROM idempotency_keys WHERE scope = $1 AND key = 'k'", locked.account_id) == []


async def _in_another_task(*commands: Deduction) -> list[Outcome]:
    # A task made here would inherit the open database transaction; one in a fresh context does not.
    return await asyncio.create_task(posted(*commands, wait=False), context=contextvars.Context())


async def test_free_text_can_be_erased_without_breaking_the_chain(service: Service) -> None:
    place = await service.account(credits_given=10)
    text = Text(salt=b"s" * SALT_BYTES, reference="Jane Doe", description=None, metadata=None)
    (outcome,) = await posted(spend(place, text=text))
    assert isinstance(outcome, Posted)

    await rows("DELETE FROM transaction_texts WHERE transaction_id = $1", outcome.line.id)

    assert await broken() == {}


async def test_credits_that_were_refunded_go_home_in_the_same_commit_too(service: Service) -> None:
    account = await service.account(credits_given=6)
    at = await queries.now()
    async with in_transaction() as connection:
        row = await create_pool(connection, account_id=account.account_id, name="North", at=at)
    pool = (await pool_places([row.id]))[row.id]
    await posted(moved(account, pool, 6, TransactionKind.ALLOCATION))
    (spent,) = await posted(spend(pool, 3))
    assert isinstance(spent, Posted)
    undone = Refund(
        id=make_id(Kind.TRANSACTION),
        wallet_id=pool.wallet_id or "",
        actor=SYSTEM,
        deduction_id=spent.line.id,
        credits=3,
        reason=RefundReason.OTHER,
    )

    await posted(undone, moved(pool, account, 3, TransactionKind.RECLAIM))

    lots = await queries.open_lots([account.wallet_id or ""])
    assert [(lot.amount, lot.remaining, lot.origin_id) for lot in lots[account.wallet_id or ""]] == [(6, 3, None)]


def moved(source: Place, target: Place, credits_moved: int, kind: TransactionKind) -> Transfer:
    return Transfer(
        id=make_id(Kind.TRANSFER),
        wallet_id=source.wallet_id or "",
        actor=SYSTEM,
        to_wallet_id=target.wallet_id or "",
        kind=kind,
        credits=credits_moved,
    )
