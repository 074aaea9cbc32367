"""The heads of the chains, kept outside: they tell of a tail that was cut off so that nothing inside is broken."""

from typing import Any

import pytest
from structlog.dev import ConsoleRenderer
from structlog.processors import JSONRenderer
from tortoise.backends.base.client import BaseDBAsyncClient

from credits.ids import Kind, make_id
from credits.ledger.heads import Head, heads, lost, parse
from tests.credits.ledger.test_audit import behind_its_back, findings
from tests.credits.ledger.test_store import posted, spend
from tests.support.service import Service

# Whoever cuts the last transaction off and leaves no trace in the rows.
CUT = (
    "UPDATE lots l SET remaining = remaining - d.credits FROM transaction_lots d JOIN transactions t"
    " ON t.id = d.transaction_id JOIN wallets w ON w.id = t.wallet_id AND w.sequence = t.sequence"
    " WHERE l.id = d.lot_id AND w.id = $1",
    "DELETE FROM transaction_lots d USING transactions t, wallets w"
    " WHERE t.id = d.transaction_id AND w.id = t.wallet_id AND w.sequence = t.sequence AND w.id = $1",
    *(
        f"UPDATE usage_{unit}s u SET credits = u.credits + t.change, operations = u.operations - t.quantity"
        " FROM transactions t JOIN wallets w ON w.id = t.wallet_id AND w.sequence = t.sequence"
        f" WHERE w.id = $1 AND u.wallet_id = w.id AND u.{unit} = date_trunc('{unit}', t.local_day)"
        " AND u.staging_type = t.staging_type AND u.person_id = coalesce(t.on_behalf_of, t.actor_id)"
        for unit in ("day", "month")
    ),
    "DELETE FROM transactions t USING wallets w WHERE w.id = t.wallet_id AND w.sequence = t.sequence AND w.id = $1",
    "UPDATE wallets w SET sequence = t.sequence, version = t.version, balance = t.balance_after, last_hash = t.hash,"
    " last_posted_at = t.created_at FROM transactions t"
    " WHERE t.wallet_id = w.id AND t.sequence = w.sequence - 1 AND w.id = $1",
)
HEAD = Head(make_id(Kind.WALLET), 17, bytes(range(32)))
EVENT = {"wallet": HEAD.wallet_id, "sequence": HEAD.sequence, "hash": HEAD.hash.hex(), "event": "ledger_head"}


async def heads_of(connection: BaseDBAsyncClient) -> list[Head]:
    async with connection.acquire_connection() as raw:
        return [head async for portion in heads(raw) for head in portion]


async def lost_of(connection: BaseDBAsyncClient, told: list[Head]) -> list[Head]:
    async with connection.acquire_connection() as raw:
        return await lost(raw, told)


async def test_a_tail_that_was_cut_off_without_a_trace_is_told_by_the_heads_alone(service: Service) -> None:
    place = await service.account(credits_given=10)
    await posted(spend(place), spend(place))

    async with behind_its_back() as connection:
        told = await heads_of(connection)
        for statement in CUT:
            await connection.execute_query(statement, [place.wallet_id])
        found = [each for each in await findings(connection) if each.broken]
        missing = await lost_of(connection, told)

    assert found == []
    assert [(head.wallet_id, head.sequence) for head in missing] == [(place.wallet_id, 3)]


async def test_heads_stay_in_their_chains_while_these_grow(service: Service) -> None:
    place = await service.account(credits_given=10)
    empty = await service.account()

    async with behind_its_back() as connection:
        told = await heads_of(connection)
    await posted(spend(place))

    assert place.wallet_id in {head.wallet_id for head in told}
    assert empty.wallet_id not in {head.wallet_id for head in told}
    async with behind_its_back() as connection:
        assert await lost_of(connection, told) == []


async def test_a_rewritten_chain_of_the_same_length_is_lost_too(service: Service) -> None:
    place = await service.account(credits_given=10)

    async with behind_its_back() as connection:
        told = await heads_of(connection)
        await connection.execute_query(
            "UPDATE transactions SET hash = sha256('x') WHERE wallet_id = $1", [place.wallet_id]
        )
        missing = await lost_of(connection, told)

    assert [head.wallet_id for head in missing] == [place.wallet_id]


@pytest.mark.parametrize(
    "line",
    [
        str(HEAD),
        JSONRenderer()(None, "info", EVENT | {"level": "info", "timestamp": "2026-11-22T12:00:00Z"}),
        ConsoleRenderer(colors=False)(None, "info", EVENT | {"level": "info", "timestamp": "2026-11-22T12:00:00Z"}),
    ],
)
def test_a_head_is_read_as_it_was_printed_and_as_it_was_logged(line: Any) -> None:
    assert parse(line) == HEAD


@pytest.mark.parametrize("line", ["", "Listening on http://127.0.0.1", str(HEAD)[:60], f"{HEAD.wallet_id} 17 abc"])
def test_another_line_names_no_head(line: str) -> None:
    assert parse(line) is None
