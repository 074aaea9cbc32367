"""The audit finds what somebody changed behind the service's back, with the triggers off."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits.ledger.invariants import INVARIANTS, broken
from tests.credits.ledger.test_store import posted, spend
from tests.support.service import Service

# What is done to the wallet $1 of three transactions, and which promises it breaks.
CORRUPTIONS = {
    "a balance edited by hand": ("UPDATE wallets SET balance = balance + 1 WHERE id = $1", {"balance"}),
    "held credits edited by hand": ("UPDATE wallets SET held = 1 WHERE id = $1", {"balance"}),
    "a lot edited by hand": (
        "UPDATE lots SET remaining = remaining - 1 WHERE wallet_id = $1",
        {"balance", "lots"},
    ),
    "an altered amount": (
        "UPDATE transactions SET change = change - 1 WHERE wallet_id = $1 AND sequence = 2",
        {"balance", "draws", "sequence", "chain"},
    ),
    "an altered actor": ("UPDATE transactions SET actor_id = 'x' WHERE wallet_id = $1 AND sequence = 2", {"chain"}),
    "an altered day": (
        "UPDATE transactions SET local_day = local_day + 1 WHERE wallet_id = $1 AND sequence = 1",
        {"chain"},
    ),
    "an altered draw": (
        "UPDATE transaction_lots d SET credits = credits - 1 FROM transactions t"
        " WHERE t.id = d.transaction_id AND t.wallet_id = $1 AND t.sequence = 2",
        {"lots", "draws", "chain"},
    ),
    "an altered digest": (
        "UPDATE transactions SET text_digest = '\\x00' WHERE wallet_id = $1 AND sequence = 1",
        {"chain"},
    ),
    "a transaction moved to another number": (
        "UPDATE transactions SET sequence = 9, version = 9 WHERE wallet_id = $1 AND sequence = 3",
        {"sequence", "chain"},
    ),
    "a forged head": ("UPDATE wallets SET last_hash = sha256('x') WHERE id = $1", {"chain"}),
}


@asynccontextmanager
async def behind_its_back() -> AsyncIterator[BaseDBAsyncClient]:
    """A database transaction in which no trigger and no foreign key watches, undone in the end."""
    async with in_transaction() as connection:
        await connection.execute_query("SET LOCAL session_replication_role = replica")
        yield connection
        await connection.rollback()


async def _wallet(service: Service) -> str:
    place = await service.account(credits_given=10)
    for _ in range(2):
        await posted(spend(place, key=uuid4().hex))
    return place.wallet_id or ""


async def _broken(connection: BaseDBAsyncClient) -> set[str]:
    found = set()
    for invariant in INVARIANTS:
        if await connection.execute_query_dict(invariant.sql):
            found.add(invariant.name)
    return found


@pytest.mark.parametrize("what", CORRUPTIONS)
async def test_it_finds(service: Service, what: str) -> None:
    sql, expected = CORRUPTIONS[what]
    wallet_id = await _wallet(service)

    async with behind_its_back() as connection:
        await connection.execute_query(sql, [wallet_id])
        found = await _broken(connection)

    assert found == expected
    assert await broken() == {}


@pytest.mark.parametrize("sequence", [2, 3])
async def test_it_finds_a_transaction_that_was_deleted_from_the_middle_or_the_end(
    service: Service, sequence: int
) -> None:
    wallet_id = await _wallet(service)

    async with behind_its_back() as connection:
        await connection.execute_query(
            "DELETE FROM transaction_lots d USING transactions t"
            " WHERE t.id = d.transaction_id AND t.wallet_id = $1 AND t.sequence = $2",
            [wallet_id, sequence],
        )
        await connection.execute_query(
            "DELETE FROM transactions WHERE wallet_id = $1 AND sequence = $2", [wallet_id, sequence]
        )
        found = await _broken(connection)

    assert found == {"balance", "lots", "sequence", "chain"}


async def test_it_finds_a_draw_on_another_wallets_lot(service: Service) -> None:
    wallet_id, other = await _wallet(service), await _wallet(service)

    async with behind_its_back() as connection:
        await connection.execute_query(
            "UPDATE transaction_lots d SET lot_id = l.id FROM transactions t, lots l"
            " WHERE t.id = d.transaction_id AND t.wallet_id = $1 AND t.sequence = 2 AND l.wallet_id = $2",
            [wallet_id, other],
        )
        found = await _broken(connection)

    assert found == {"lots", "draws", "chain"}


async def test_it_finds_a_purchase_that_is_paid_without_credits(service: Service) -> None:
    wallet_id = await _wallet(service)

    async with behind_its_back() as connection:
        await connection.execute_query(
            "INSERT INTO purchases (id, account_id, wallet_id, package_code, package_name, quantity, credits,"
            " total_minor, currency, status, requested_by_kind, requested_by_id, checkout_attempt, payment_id,"
            " transaction_id, created_at, paid_at) SELECT 'pur_x', account_id, id, 'S', 'S', 1, 1, 1, 'USD', 'PAID',"
            " 'USER', 'u', 1, 'pi_x', 'txn_x', credits_now(), credits_now() FROM wallets WHERE id = $1",
            [wallet_id],
        )
        found = await _broken(connection)

    assert found == {"purchases"}
