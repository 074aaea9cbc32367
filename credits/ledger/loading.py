"""What the rules have to know of the locked wallets, read in statements of its own.

READ COMMITTED then sees all that was committed while the locks were waited for.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient

from credits.ledger import rows
from credits.ledger.commands import (
    NEEDS_ROOM,
    AboutPayment,
    Adjustment,
    CaptureHold,
    Command,
    Deduction,
    ExtendHold,
    Grant,
    PlaceHold,
    Refund,
    ReleaseHold,
    Sweep,
    Transfer,
    Unit,
    commands_of,
)
from credits.ledger.models import TransactionKind
from credits.ledger.posting import Price, Spent, State
from credits.ledger.wallet import WalletState

_LOTS = "SELECT * FROM lots WHERE wallet_id = ANY($1) AND remaining > 0"
_MORE_LOTS = "SELECT * FROM lots WHERE id = ANY($1)"
_DESCENT = "SELECT * FROM lots WHERE purchase_id = ANY($1)"
# Whatever the open lots of these wallets, and those that may be filled again, were split from, up to where the credits
# first came in.
_ANCESTORS = """
WITH RECURSIVE above AS (
    SELECT origin_id FROM lots
    WHERE (wallet_id = ANY($1) AND remaining > 0 OR id = ANY($2)) AND origin_id IS NOT NULL
    UNION
    SELECT l.origin_id FROM above JOIN lots l ON l.id = above.origin_id WHERE l.origin_id IS NOT NULL
)
SELECT l.* FROM above JOIN lots l ON l.id = above.origin_id
"""
# So many holds that are over end along with whatever else is posted; of more a wallet is swept first.
MOST_OVER = 500
_BACKLOG = """
SELECT w.id FROM unnest($1::text[]) AS w (id) WHERE EXISTS (
    SELECT FROM holds h WHERE h.wallet_id = w.id AND h.status = 'OPEN' AND h.expires_at <= (SELECT credits_now())
    OFFSET $2 LIMIT 1
)
"""
_NAMED_HOLDS = rows.HOLDS + "WHERE h.id = ANY($1)"
_HOLDS_OVER = (
    rows.HOLDS
    + "WHERE h.wallet_id = ANY($1) AND h.status = 'OPEN' AND h.expires_at <= $2 ORDER BY h.expires_at, h.id LIMIT $3"
)
_SPENT = """
SELECT t.id, t.wallet_id, t.kind, t.staging_type, coalesce(t.on_behalf_of, t.actor_id) AS person_id,
       -t.change AS credits, t.created_at,
       (SELECT json_object_agg(d.lot_id, -d.credits) FROM transaction_lots d WHERE d.transaction_id = t.id) AS drawn,
       (SELECT coalesce(json_object_agg(b.lot_id, b.credits), '{}') FROM (
            SELECT coalesce(home.lot_id, l.origin_id) AS lot_id, sum(d.credits) AS credits
            FROM transactions r JOIN transaction_lots d ON d.transaction_id = r.id JOIN lots l ON l.id = d.lot_id
            LEFT JOIN transaction_lots home ON home.transaction_id = t.id AND home.lot_id = d.lot_id
            WHERE r.refunds_id = t.id GROUP BY 1
        ) b) AS returned
FROM transactions t WHERE t.id = ANY($1)
"""
_RECEIVING = """
SELECT w.id, p.deleted_at IS NOT NULL OR d.deleted_at IS NOT NULL AS closed,
       (SELECT coalesce(sum(credits), 0)::bigint FROM purchases
        WHERE wallet_id = w.id AND status IN ('PENDING_APPROVAL', 'AWAITING_PAYMENT', 'PROCESSING')) AS reserved
FROM wallets w LEFT JOIN pools p ON p.id = w.owner_id LEFT JOIN departments d ON d.id = w.owner_id
WHERE w.id = ANY($1)
"""
_PRICES = "SELECT code, credits, active FROM staging_types WHERE code = ANY($1)"
_DEBTORS = "SELECT DISTINCT account_id FROM wallets WHERE account_id = ANY($1) AND debt > 0 AND id <> ALL($2)"


async def behind(
    connection: BaseDBAsyncClient, locked: dict[str, WalletState], commands: Sequence[Command]
) -> set[str]:
    """Of the locked wallets from which something is to be taken, those in which so many holds are over that they have
    to be swept first, portion by portion."""
    taking = {command.wallet_id for command in commands if isinstance(command, NEEDS_ROOM)}
    holding = [wallet_id for wallet_id in taking if wallet_id in locked and locked[wallet_id].held]
    if not holding:
        return set()
    return {row["id"] for row in await connection.execute_query_dict(_BACKLOG, [holding, MOST_OVER])}


async def load(
    connection: BaseDBAsyncClient, locked: dict[str, WalletState], units: Sequence[Unit], now: datetime
) -> State:
    """The state that these units are decided on; every wallet that they touch is locked."""
    commands = [command for unit in units for command in commands_of(unit)]
    touched = {wallet_id for command in commands for wallet_id in command.wallet_ids}
    if any(isinstance(command, AboutPayment) for command in commands):
        touched = set(locked)
    wallets = {wallet_id: locked[wallet_id] for wallet_id in sorted(touched)}
    state = State(wallets=wallets, prices=await _prices(connection, commands))
    await _load_spent(connection, state, commands)
    await _load_lots(connection, state, commands)
    await _load_holds(connection, state, commands, now)
    await _load_receiving(connection, state, commands)
    if any(isinstance(command, Deduction | PlaceHold) for command in commands):
        accounts = list({wallet.account_id for wallet in wallets.values()})
        debtors = await connection.execute_query_dict(_DEBTORS, [accounts, list(wallets)])
        state.indebted_elsewhere = frozenset(row["account_id"] for row in debtors)
    return state


async def _prices(connection: BaseDBAsyncClient, commands: Sequence[Command]) -> dict[str, Price]:
    codes = {command.staging_type for command in commands if isinstance(command, Deduction)}
    codes |= {item.staging_type for command in commands if isinstance(command, PlaceHold) for item in command.items}
    if not codes:
        return {}
    found = await connection.execute_query_dict(_PRICES, [list(codes)])
    return {row["code"]: Price(credits=row["credits"], active=row["active"]) for row in found}


async def _load_lots(connection: BaseDBAsyncClient, state: State, commands: Sequence[Command]) -> None:
    found = await connection.execute_query_dict(_LOTS, [list(state.wallets)])
    drawn = [lot_id for spent in state.spent.values() for lot_id in spent.drawn]
    if drawn:
        found += await connection.execute_query_dict(_MORE_LOTS, [drawn])
    giving = [command.wallet_id for command in commands if isinstance(command, Transfer)]
    if giving:
        found += await connection.execute_query_dict(_ANCESTORS, [giving, drawn])
    if purchases := [command.purchase_id for command in commands if isinstance(command, AboutPayment)]:
        found += await connection.execute_query_dict(_DESCENT, [purchases])
    # Lots of wallets that are not locked are kept apart: they are looked at and never changed.
    for row in found:
        if row["id"] in state.lots:
            continue
        lot = state.lots[row["id"]] = rows.lot_state(row)
        if lot.remaining and lot.wallet_id in state.wallets:
            state.wallets[lot.wallet_id].lots.append(lot)
    for wallet in state.wallets.values():
        wallet.lots.sort(key=lambda lot: lot.order)


async def _load_holds(connection: BaseDBAsyncClient, state: State, commands: Sequence[Command], now: datetime) -> None:
    """The holds that are named, and those whose time is over: they promise nothing, whether or not the sweep has been
    there. A sweep takes a portion of them."""
    found: list[dict[str, Any]] = []
    named = [command.hold_id for command in commands if isinstance(command, CaptureHold | ReleaseHold | ExtendHold)]
    if named:
        found += await connection.execute_query_dict(_NAMED_HOLDS, [named])
    if holding := [wallet.id for wallet in state.wallets.values() if wallet.held]:
        limits = [command.limit if isinstance(command, Sweep) else MOST_OVER for command in commands]
        most = max(limits) * len(holding)
        found += await connection.execute_query_dict(_HOLDS_OVER, [holding, now, most])
    state.holds.update((row["id"], rows.hold_state(row)) for row in found)


async def _load_spent(connection: BaseDBAsyncClient, state: State, commands: Sequence[Command]) -> None:
    wanted = [command.deduction_id for command in commands if isinstance(command, Refund)]
    if not wanted:
        return
    for row in await connection.execute_query_dict(_SPENT, [wanted]):
        state.spent[row["id"]] = Spent(
            id=row["id"],
            wallet_id=row["wallet_id"],
            kind=TransactionKind(row["kind"]),
            staging_type=row["staging_type"],
            person_id=row["person_id"],
            credits=row["credits"],
            at=row["created_at"],
            drawn=json.loads(row["drawn"]),
            returned=json.loads(row["returned"]),
        )


async def _load_receiving(connection: BaseDBAsyncClient, state: State, commands: Sequence[Command]) -> None:
    """Under the lock, which whoever makes a purchase or deletes a department takes too: what is promised to come in,
    and whether anything may, cannot change meanwhile."""
    receiving = {
        command.wallet_ids[-1] for command in commands if isinstance(command, Grant | Adjustment | Refund | Transfer)
    }
    if receiving:
        for row in await connection.execute_query_dict(_RECEIVING, [list(receiving)]):
            wallet = state.wallets[row["id"]]
            wallet.reserved, wallet.closed = row["reserved"], row["closed"]
