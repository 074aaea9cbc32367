"""Posting: the rules applied to locked wallets, inside the database transaction of whoever calls.

The order is fixed and the same everywhere, so that nobody can wait for each other in a circle: wallets in id order,
then idempotency keys in order, and only then, in later statements, what READ COMMITTED sees of lots, prices and the
clock. Wallets go before keys so that no one waits for a key whose holder waits for a busy wallet. A fixed handful of
statements, whatever the number of commands.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient

from credits import outbox
from credits.alerts.messages import message_of
from credits.alerts.rules import after_change
from credits.errors import NotFound, RefusalCode, Unavailable
from credits.idempotency import Identity, Key, Used, claim, difference, give_back
from credits.ids import Kind, make_id
from credits.ledger import rows, usage_rows
from credits.ledger.chain import GENESIS
from credits.ledger.commands import AboutPayment, Bulk, Command, Unit, commands_of
from credits.ledger.feed import BalanceChange, changed
from credits.ledger.loading import behind, load
from credits.ledger.models import OwnerKind
from credits.ledger.posting import Changes, Posted, Refused, not_posted
from credits.ledger.rules import apply
from credits.ledger.usage import Use, by_month, uses_of
from credits.ledger.wallet import WalletState


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The same call was done before; `result_id` names what it made."""

    result_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Somebody else holds a wallet's lock, or there is no such wallet. Nothing was changed."""


Outcome = Posted | Refused | Replayed | Busy


class Behind(Unavailable):
    """In these wallets so many holds are over that they have to be swept before anything is taken."""

    def __init__(self, wallet_ids: frozenset[str]) -> None:
        super().__init__("Many holds of this wallet have just ended. Send the same call again in a moment.")
        self.wallet_ids = wallet_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of each command of each unit, and which balances are to be told, once it is committed."""

    outcomes: list[list[Outcome]]
    told: list[BalanceChange]


_LOCK = """
SELECT w.*, a.time_zone, a.former_time_zone, a.time_zone_from, a.suspended_at IS NOT NULL AS suspended
FROM wallets w JOIN accounts a ON a.id = w.account_id
WHERE w.id = ANY($1) ORDER BY w.id FOR NO KEY UPDATE OF w
"""
_WALLETS_OF_PURCHASES = "SELECT DISTINCT wallet_id FROM lots WHERE purchase_id = ANY($1)"


async def post(connection: BaseDBAsyncClient, units: Sequence[Unit], *, wait: bool = True) -> Result:
    """Do what is asked for, in order, and say what became of it; the caller commits, and then tells the balances.

    With `wait`, a wallet that is locked elsewhere is waited for (the database's `lock_timeout` bounds it); without,
    a unit that needs it comes back Busy. Raises Behind where a wallet has to be swept first. Units that share a key are
    done in turns: the second sees what the first did.
    """
    first, repeats = _split_repeats(units)
    if repeats:
        # All at once, and so in order: those of the second turn may need wallets that come before those of the first.
        await _lock(connection, [command for unit in units for command in commands_of(unit)], wait=wait)
    result = await _post_distinct(connection, [units[index] for index in first], wait=wait)
    outcomes = dict(zip(first, result.outcomes, strict=True))
    told = result.told
    if repeats:
        later = await post(connection, [units[index] for index in repeats], wait=wait)
        outcomes.update(zip(repeats, later.outcomes, strict=True))
        told = told + later.told
    return Result(outcomes=[outcomes[index] for index in range(len(units))], told=told)


def _split_repeats(units: Sequence[Unit]) -> tuple[list[int], list[int]]:
    seen: set[Identity] = set()
    first: list[int] = []
    repeats: list[int] = []
    for index, unit in enumerate(units):
        identities = {command.key.identity for command in commands_of(unit) if command.key}
        (first if seen.isdisjoint(identities) else repeats).append(index)
        seen |= identities
    return first, repeats


async def _post_distinct(connection: BaseDBAsyncClient, units: list[Unit], *, wait: bool) -> Result:
    commands = [command for unit in units for command in commands_of(unit)]
    wallets = await _lock(connection, commands, wait=wait)
    if late := await behind(connection, wallets, commands):
        if wait:
            raise Behind(frozenset(late))
        wallets = {wallet_id: wallet for wallet_id, wallet in wallets.items() if wallet_id not in late}
    reachable = [
        unit for unit in units if all(each in wallets for command in commands_of(unit) for each in command.wallet_ids)
    ]
    keyed = [(command.key, command.result_id) for unit in reachable for command in commands_of(unit) if command.key]
    now, taken = await claim(connection, keyed)
    outcomes, fresh = _answer_repeated(reachable, taken)
    told: list[BalanceChange] = []
    if fresh:
        state = await load(connection, wallets, fresh, now)
        decided, changes = apply(state, fresh, now)
        outcomes.update(
            (command.id, outcome)
            for unit, each in zip(fresh, decided, strict=True)
            for command, outcome in zip(commands_of(unit), each, strict=True)
        )
        await _write(connection, changes, uses_of(changes.lines, state.spent), now)
        told = changed(changes, now)
    claimed = [
        command.key
        for unit in reachable
        for command in commands_of(unit)
        if command.key and command.key.identity not in taken and isinstance(outcomes[command.id], Refused)
    ]
    if claimed:
        await give_back(connection, claimed)
    return Result(
        outcomes=[[outcomes.get(command.id, Busy()) for command in commands_of(unit)] for unit in units], told=told
    )


def _answer_repeated(units: Sequence[Unit], taken: dict[Identity, Used]) -> tuple[dict[str, Outcome], list[Unit]]:
    """Outcomes, by command, of those whose key was used before, and what is left to be done."""
    outcomes: dict[str, Outcome] = {}
    fresh: list[Unit] = []
    for unit in units:
        commands = commands_of(unit)
        repeated = {
            command.id: _answer(command.key, taken[command.key.identity])
            for command in commands
            if command.key and command.key.identity in taken
        }
        outcomes.update(repeated)
        left = tuple(command for command in commands if command.id not in repeated)
        if len(left) == len(commands):
            fresh.append(unit)
        elif left and isinstance(unit, Bulk):
            refused = next((each for each in repeated.values() if isinstance(each, Refused)), None)
            if unit.atomic and refused:
                outcomes.update((command.id, not_posted(refused)) for command in left)
            else:
                fresh.append(replace(unit, commands=left))
    return outcomes, fresh


def _answer(key: Key, used: Used) -> Replayed | Refused:
    reason = difference(key, used)
    if reason is None:
        return Replayed(result_id=used.result_id)
    return Refused(code=RefusalCode.IDEMPOTENCY_KEY_REUSED, message=reason, field="idempotencyKey")


async def _lock(connection: BaseDBAsyncClient, commands: Sequence[Command], *, wait: bool) -> dict[str, WalletState]:
    """The wallets that the commands name and, where a payment is at stake, all in which its credits lie by now."""
    wanted = {wallet_id for command in commands for wallet_id in command.wallet_ids}
    purchases = [command.purchase_id for command in commands if isinstance(command, AboutPayment)]
    if purchases and not wait:
        raise ValueError("what is about a payment waits for all of its wallets")
    locked: dict[str, WalletState] = {}
    asked: set[str] = set()
    while True:
        if purchases:
            found = await connection.execute_query_dict(_WALLETS_OF_PURCHASES, [purchases])
            wanted |= {row["wallet_id"] for row in found}
        # Credits that were moved on while we waited: then once more, for their new wallet too.
        if not wanted - asked:
            return locked
        found = await connection.execute_query_dict(_LOCK if wait else _LOCK + " SKIP LOCKED", [sorted(wanted - asked)])
        locked.update((row["id"], rows.wallet_state(row)) for row in found)
        asked |= wanted


async def _write(connection: BaseDBAsyncClient, changes: Changes, uses: Sequence[Use], now: datetime) -> None:
    """Everything that changed, set-wise and at once, and what was used."""
    lots, holds = changes.lots.values(), list(changes.holds.values())
    new_holds = [hold for hold in holds if hold.id in changes.new_holds]
    old_holds = [hold for hold in holds if hold.id not in changes.new_holds]
    if old_holds:
        await connection.execute_query(rows.DELETE_RESERVATIONS, [[hold.id for hold in old_holds]])
    wallets = [changes.wallets[wallet_id] for wallet_id in sorted(changes.wallets)]
    told = [message for wallet in wallets if (message := alert_message(wallet, now))]
    parts = [
        (rows.INSERT_LOTS, rows.lot_columns([lot for lot in lots if lot.id in changes.new_lots])),
        (rows.UPDATE_LOTS, rows.changed_lot_columns([lot for lot in lots if lot.id not in changes.new_lots])),
        (rows.INSERT_HOLDS, rows.hold_columns(new_holds)),
        (rows.INSERT_HOLD_ITEMS, rows.hold_item_columns(new_holds)),
        (rows.UPDATE_HOLDS, rows.changed_hold_columns(old_holds)),
        (rows.UPDATE_HOLD_ITEMS, rows.changed_hold_item_columns(old_holds)),
        (rows.INSERT_RESERVATIONS, rows.reservation_columns(holds)),
        (rows.INSERT_LINES, rows.line_columns(changes.lines)),
        (rows.INSERT_DRAWS, rows.draw_columns(changes.lines)),
        (rows.INSERT_TEXTS, rows.text_columns(changes.lines)),
        (rows.INSERT_STEPS, rows.step_columns(changes.steps)),
        (rows.INSERT_CLAWBACKS, rows.clawback_columns(changes.clawbacks)),
        (usage_rows.ADD_DAYS, usage_rows.use_columns(uses)),
        (usage_rows.ADD_MONTHS, usage_rows.use_columns(by_month(uses))),
        (rows.UPDATE_WALLETS, rows.wallet_columns(wallets)),
    ]
    if changed_rows := [part for part in parts if part[1]]:
        await connection.execute_query(*rows.together(changed_rows))
    await outbox.add(connection, told)


def alert_message(wallet: WalletState, now: datetime) -> outbox.Message | None:
    """Move the wallet's alert on to what its balance is now; what is to be told of it, if anything."""
    available = wallet.available(wallet.posting_time(now))
    wallet.alert, event = after_change(wallet.alert, available=available, version=wallet.version, at=now)
    return None if event is None else message_of(wallet, event, available)


_OPEN_WALLET = """
INSERT INTO wallets (id, account_id, owner_kind, owner_id, balance, held, debt, sequence, version, last_hash,
                     created_at)
VALUES ($1, $2, $3, $4, 0, 0, 0, 0, 0, $5, $6)
"""


async def open_wallet(
    connection: BaseDBAsyncClient, *, account_id: str, owner_kind: OwnerKind, owner_id: str, at: datetime
) -> str:
    """Make the wallet of an account, pool or department that was just made; returns its id."""
    wallet_id = make_id(Kind.WALLET)
    await connection.execute_query(_OPEN_WALLET, [wallet_id, account_id, owner_kind.value, owner_id, GENESIS, at])
    return wallet_id


_CLOSED = """
SELECT 1 FROM wallets w LEFT JOIN pools p ON p.id = w.owner_id LEFT JOIN departments d ON d.id = w.owner_id
WHERE w.id = $1 AND (p.deleted_at IS NOT NULL OR d.deleted_at IS NOT NULL)
"""


async def lock_wallets(connection: BaseDBAsyncClient, wallet_ids: Iterable[str]) -> dict[str, WalletState]:
    """Those of the wallets that there are, without their lots, locked until the caller's database transaction ends."""
    found = await connection.execute_query_dict(_LOCK, [sorted(wallet_ids)])
    return {row["id"]: rows.wallet_state(row) for row in found}


async def lock_wallet(connection: BaseDBAsyncClient, wallet_id: str) -> WalletState:
    """The wallet without its lots, locked until the caller's database transaction ends. Raises NotFound, also where the
    pool or department was deleted, be it while the lock was waited for."""
    found = await lock_wallets(connection, [wallet_id])
    if not found or await connection.execute_query_dict(_CLOSED, [wallet_id]):
        raise NotFound
    return found[wallet_id]
