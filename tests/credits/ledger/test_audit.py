"""The audit finds what somebody changed behind the service's back, with the triggers off."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits.actors import SYSTEM
from credits.ledger.audit import Finding, audit, broken
from credits.ledger.invariants import INVARIANTS, LINES
from tests.credits.ledger.busy import busy_account
from tests.credits.ledger.test_store import rows
from tests.support.service import Service

# What is done to the rows of `busy_account`, and which promises it breaks.
CORRUPTIONS = {
    "a balance edited by hand": ("UPDATE wallets SET balance = balance + 1 WHERE id = '{wallet}'", {"balance"}),
    "a debt edited by hand": ("UPDATE wallets SET debt = 1 WHERE id = '{wallet}'", {"clawbacks"}),
    "held credits edited by hand": ("UPDATE wallets SET held = held + 1 WHERE id = '{wallet}'", {"held"}),
    "a forged head": ("UPDATE wallets SET last_hash = sha256('x') WHERE id = '{wallet}'", {"heads"}),
    "a wallet that forgot its last transaction": (
        "UPDATE wallets SET sequence = sequence - 1 WHERE id = '{wallet}'",
        {"heads"},
    ),
    "a wallet of before its last transaction": (
        "UPDATE wallets SET last_posted_at = last_posted_at - interval '1 day' WHERE id = '{wallet}'",
        {"heads"},
    ),
    "an altered amount": (
        "UPDATE transactions SET change = change - 1 WHERE id = '{spent}'",
        {"sequence", "draws", "chain", "balance", "usage"},
    ),
    "an altered actor": ("UPDATE transactions SET actor_id = 'x' WHERE id = '{spent}'", {"chain", "usage"}),
    "an altered day": ("UPDATE transactions SET local_day = local_day + 1 WHERE id = '{spent}'", {"chain", "usage"}),
    "an altered time": (
        "UPDATE transactions SET created_at = created_at - interval '1 day' WHERE id = '{spent}'",
        {"sequence", "chain"},
    ),
    "an altered version": (
        "UPDATE transactions SET version = version + 9 WHERE id = '{spent}'",
        {"sequence", "chain"},
    ),
    "a transaction moved to another number": (
        "UPDATE transactions SET sequence = 99, version = 99 WHERE id = '{spent}'",
        {"sequence", "chain"},
    ),
    "a transaction moved to another account": (
        "UPDATE transactions SET account_id = 'acct_x' WHERE id = '{spent}'",
        {"chain", "accounts", "usage"},
    ),
    "an altered draw": (
        "UPDATE transaction_lots SET credits = credits - 1 WHERE transaction_id = '{spent}'",
        {"draws", "chain", "lots"},
    ),
    "a draw on another wallet's lot": (
        "UPDATE transaction_lots SET lot_id = '{split}' WHERE transaction_id = '{spent}'",
        {"draws", "chain", "lots"},
    ),
    "a draw that nobody booked": (
        "INSERT INTO transaction_lots VALUES ('txn_x', '{bought}', '{account}', 1)",
        {"lots"},
    ),
    "an altered digest": (
        "UPDATE transactions SET text_digest = '\\x00' WHERE id = '{spent}'",
        {"chain", "texts"},
    ),
    "an altered text": ("UPDATE transaction_texts SET reference = 'x' WHERE transaction_id = '{spent}'", {"texts"}),
    "altered metadata": (
        "UPDATE transaction_texts SET metadata = '{{\"b\": \"\"}}' WHERE transaction_id = '{spent}'",
        {"texts"},
    ),
    "metadata that is none": (
        "UPDATE transaction_texts SET metadata = '[1]' WHERE transaction_id = '{spent}'",
        {"texts"},
    ),
    "a text put in later": (
        "INSERT INTO transaction_texts (transaction_id, salt, reference) VALUES ('{bought_by}', '\\x00', 'x')",
        {"texts"},
    ),
    "what is left in a lot, edited by hand": (
        "UPDATE lots SET remaining = remaining - 1 WHERE id = '{bought}'",
        {"balance", "lots"},
    ),
    "the amount of a lot, edited by hand": ("UPDATE lots SET amount = amount + 1 WHERE id = '{split}'", {"lots"}),
    "a lot moved to another account": (
        "UPDATE lots SET account_id = 'acct_x' WHERE id = '{split}'",
        {"accounts", "origins"},
    ),
    "the price of a split lot": ("UPDATE lots SET paid_minor = 1 WHERE id = '{split}'", {"origins"}),
    "the price of a bought lot, and of what was split from it": (
        "UPDATE lots SET paid_minor = 1 WHERE purchase_id = '{purchase}'",
        {"origins"},
    ),
    "a split lot of no purchase": ("UPDATE lots SET purchase_id = NULL WHERE id = '{split}'", {"origins"}),
    "a lot of which nothing is held any more": ("UPDATE lots SET held = 0 WHERE wallet_id = '{wallet}'", {"held"}),
    "a reservation taken away": ("DELETE FROM reservations WHERE hold_id = '{hold}'", {"held", "holds"}),
    "a reservation in another wallet": (
        "UPDATE reservations SET lot_id = '{split}' WHERE hold_id = '{hold}'",
        {"held"},
    ),
    "a hold closed by hand": (
        "UPDATE holds SET status = 'RELEASED', closed_at = credits_now() WHERE id = '{hold}'",
        {"held", "holds"},
    ),
    "a captured hold that was not": ("UPDATE holds SET status = 'EXPIRED' WHERE id = '{captured}'", {"holds"}),
    "the credits of a hold": ("UPDATE holds SET credits = credits + 1 WHERE id = '{hold}'", {"holds"}),
    "a hold moved to another account": (
        "UPDATE holds SET account_id = 'acct_x' WHERE id = '{captured}'",
        {"accounts"},
    ),
    "a hold without items": ("DELETE FROM hold_items WHERE hold_id = '{captured}'", {"holds", "steps", "captures"}),
    "the price of an item": (
        "UPDATE hold_items SET price = price + 1 WHERE hold_id = '{captured}'",
        {"holds", "captures"},
    ),
    "the released units of an item": (
        "UPDATE hold_items SET released = released + 1 WHERE hold_id = '{hold}'",
        {"holds", "steps"},
    ),
    "a step of more units": (
        "UPDATE hold_steps SET quantity = quantity + 1 WHERE hold_id = '{hold}' AND kind = 'RELEASED'",
        {"steps"},
    ),
    "a step of another hold": (
        "UPDATE hold_steps SET hold_id = '{captured}' WHERE hold_id = '{hold}' AND kind = 'RELEASED'",
        {"steps"},
    ),
    "a capture without a step": (
        "DELETE FROM hold_steps WHERE hold_id = '{captured}'",
        {"steps", "captures"},
    ),
    "a capture of another transaction": (
        "UPDATE hold_steps SET transaction_id = '{spent}' WHERE hold_id = '{captured}'",
        {"captures"},
    ),
    "a deduction that says it is a capture": (
        "UPDATE transactions SET hold_id = '{hold}' WHERE id = '{spent}'",
        {"chain", "captures"},
    ),
    "a movement to a wallet that knows nothing of it": (
        "UPDATE transactions SET counterpart_wallet_id = 'wal_x' WHERE transfer_id = '{transfer}' AND change < 0",
        {"chain", "transfers"},
    ),
    "a movement of one side": (
        "UPDATE transactions SET transfer_id = 'trf_x' WHERE transfer_id = '{transfer}' AND change < 0",
        {"chain", "transfers"},
    ),
    "a movement of two kinds": (
        "UPDATE transactions SET kind = 'RECLAIM' WHERE transfer_id = '{transfer}' AND change < 0",
        {"chain", "transfers"},
    ),
    "a refund of what is no deduction": (
        "UPDATE transactions SET refunds_id = '{bought_by}' WHERE id = '{refund}'",
        {"chain", "refunds", "usage"},
    ),
    "more refunded than was spent": (
        "UPDATE transactions SET change = change + 5 WHERE id = '{refund}'",
        {"sequence", "draws", "chain", "balance", "refunds", "usage"},
    ),
    "more clawed back than was taken": (
        "UPDATE clawbacks SET credits = credits + 1 WHERE account_id = '{account}'",
        {"clawbacks"},
    ),
    "a clawback that nobody recorded": ("DELETE FROM clawbacks WHERE account_id = '{account}'", {"clawbacks"}),
    "a purchase of more": (
        "UPDATE purchases SET credits = credits + 1 WHERE id = '{purchase}'",
        {"purchases", "origins"},
    ),
    "a purchase that was not paid": (
        "UPDATE purchases SET status = 'CANCELED' WHERE id = '{purchase}'",
        {"purchases", "origins"},
    ),
    "a PURCHASE without a purchase": (
        "DELETE FROM purchases WHERE id = '{purchase}'",
        {"purchases", "origins"},
    ),
    "a purchase that is paid without credits": (
        "INSERT INTO purchases (id, account_id, wallet_id, package_code, package_name, quantity, credits, total_minor,"
        " currency, status, requested_by_kind, requested_by_id, checkout_attempt, payment_id, transaction_id,"
        " created_at, paid_at) VALUES ('pur_x', '{account}', '{wallet}', 'S', 'S', 1, 1, 1, 'USD', 'PAID', 'USER', 'u',"
        " 1, 'pi_x', 'txn_x', credits_now(), credits_now())",
        {"purchases"},
    ),
    "more used on a day": ("UPDATE usage_days SET credits = credits + 1 WHERE wallet_id = '{wallet}'", {"usage"}),
    "less refunded on a day": ("UPDATE usage_days SET refunded = refunded - 1 WHERE refunded > 0", {"usage"}),
    "another number of jobs": (
        "UPDATE usage_months SET operations = operations + 1 WHERE wallet_id = '{wallet}'",
        {"usage"},
    ),
    "a day on which nothing is kept": ("DELETE FROM usage_days WHERE wallet_id = '{wallet}'", {"usage"}),
    "a month in which nothing is kept": ("DELETE FROM usage_months WHERE wallet_id = '{wallet}'", {"usage"}),
    "use of another day": ("UPDATE usage_days SET day = day + 40 WHERE wallet_id = '{wallet}'", {"usage"}),
    "use of another month": (
        "UPDATE usage_months SET month = month - interval '1 month' WHERE wallet_id = '{wallet}'",
        {"usage"},
    ),
    "use of another person": ("UPDATE usage_days SET person_id = 'x' WHERE wallet_id = '{wallet}'", {"usage"}),
    "use of another staging type": (
        "UPDATE usage_months SET staging_type = 'X' WHERE wallet_id = '{wallet}'",
        {"usage"},
    ),
    "use in another account": (
        "UPDATE usage_days SET account_id = 'acct_x' WHERE wallet_id = '{wallet}'",
        {"usage"},
    ),
    "use of which there is no transaction": (
        "INSERT INTO usage_days VALUES ('{pool_wallet}', '2026-01-01', 'BASIC_ROOM', 'x', '{account}', 1, 0, 1);",
        {"usage"},
    ),
    "a month of which there is no day": (
        "INSERT INTO usage_months VALUES ('{pool_wallet}', '2026-01-01', 'BASIC_ROOM', 'x', '{account}', 1, 0, 1);",
        {"usage"},
    ),
}


@asynccontextmanager
async def behind_its_back() -> AsyncIterator[BaseDBAsyncClient]:
    """A database transaction in which no trigger and no foreign key watches, undone in the end."""
    async with in_transaction() as connection:
        await connection.execute_query("SET LOCAL session_replication_role = replica")
        yield connection
        await connection.rollback()


async def findings(connection: BaseDBAsyncClient, **options: Any) -> list[Finding]:
    """What the audit says inside a database transaction."""
    async with connection.acquire_connection() as raw:
        return await audit(raw, **options)


async def _broken(connection: BaseDBAsyncClient) -> set[str]:
    return {found.invariant.name for found in await findings(connection) if found.broken}


@pytest.fixture
async def ids(service: Service) -> dict[str, str]:
    """The ids of what has happened to an account."""
    return await busy_account(service, SYSTEM)


@pytest.mark.parametrize("what", CORRUPTIONS)
async def test_it_finds(ids: dict[str, str], what: str) -> None:
    sql, expected = CORRUPTIONS[what]

    async with behind_its_back() as connection:
        await connection.execute_query(sql.format(**ids))
        found = await _broken(connection)

    assert found == expected


def test_each_promise_is_broken_by_one_of_these() -> None:
    assert set().union(*(names for _, names in CORRUPTIONS.values())) == {each.name for each in INVARIANTS}


async def test_what_has_happened_to_a_busy_account_breaks_nothing(ids: dict[str, str]) -> None:
    found = await rows("SELECT DISTINCT kind FROM transactions WHERE account_id = $1", ids["account"])

    assert {row["kind"] for row in found} == {"PURCHASE", "ALLOCATION", "GRANT", "DEDUCTION", "REFUND", "CLAWBACK"}
    assert await broken() == {}


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("= '{spent}'", {"sequence", "chain", "balance", "lots", "refunds", "usage"}),
        ("= '{refund}'", {"sequence", "chain", "balance", "lots", "usage"}),
        (
            "= (SELECT max(id) FROM transactions WHERE wallet_id = '{wallet}')",
            {"heads", "balance", "lots", "clawbacks"},
        ),
    ],
)
async def test_it_finds_a_transaction_that_was_deleted(ids: dict[str, str], which: str, expected: set[str]) -> None:
    async with behind_its_back() as connection:
        for statement in (
            "DELETE FROM transaction_texts WHERE transaction_id ",
            "DELETE FROM transaction_lots WHERE transaction_id ",
            "DELETE FROM transactions WHERE id ",
        ):
            await connection.execute_query(statement + which.format(**ids))
        found = await _broken(connection)

    assert found == expected


@pytest.mark.parametrize("sequence", range(1, 9))
async def test_a_line_is_checked_against_the_one_before_wherever_a_portion_ends(
    ids: dict[str, str], sequence: int
) -> None:
    async with behind_its_back() as connection:
        # What is left is two wallets, so that portions may be as small as they can.
        await connection.execute_query("DELETE FROM transactions WHERE account_id <> $1", [ids["account"]])
        (altered,) = await connection.execute_query_dict(
            "UPDATE transactions SET balance_after = balance_after + 1, hash = sha256('x')"
            " WHERE wallet_id = $1 AND sequence = $2 RETURNING id",
            [ids["wallet"], sequence],
        )
        asked = [await findings(connection, portion=portion) for portion in (1, 2, 3, 5, 1_000)]

    of_lines = [[found.broken for found in each if found.invariant in LINES] for each in asked]
    assert all(each == of_lines[0] for each in of_lines)
    broken_at = {found.invariant.name: found.broken for found in asked[0]}
    assert broken_at["sequence"][0] == broken_at["chain"][0] == altered["id"]
    assert (broken_at["draws"], broken_at["texts"]) == ((), ())


async def test_it_tells_how_far_it_is(ids: dict[str, str]) -> None:
    told: list[tuple[int, int]] = []

    async with behind_its_back() as connection:
        await findings(connection, portion=100, progress=lambda done, of: told.append((done, of)))

    steps = len(told)
    assert told == [(done, steps) for done in range(1, steps + 1)]


async def test_it_names_at_most_ten_of_many(ids: dict[str, str]) -> None:
    async with behind_its_back() as connection:
        await connection.execute_query("UPDATE transactions SET actor_id = 'x'")
        by_name = {found.invariant.name: found.broken for found in await findings(connection)}

    assert len(by_name["chain"]) == 10
