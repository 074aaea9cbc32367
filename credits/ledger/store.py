"""Posting: the rules applied to locked wallets, inside the database transaction of whoever calls.

The order is fixed and the same everywhere, so that nobody can wait for each other in a circle: wallets in id order,
then idempotency keys in order, and only then, in later statements, what READ COMMITTED sees of lots, prices and the
clock. Wallets go before keys so that no one waits for a key whose holder waits for a busy wallet. A fixed handful of
statements, whatever the number of commands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient

from credits import outbox
from credits.alerts.messages import message_of
from credits.alerts.rules import after_change
from credits.errors import NotFound, RefusalCode
from credits.idempotency import Key, Used, claim, difference, give_back
from credits.ids import Kind, make_id
from credits.ledger import rows
from credits.ledger.chain import GENESIS
from credits.ledger.commands import Command, Deduction, Grant
from credits.ledger.models import OwnerKind
from credits.ledger.rules import Changes, Posted, Price, Refused, State, apply
from credits.ledger.wallet import WalletState


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The same call was done before; `result_id` names its transaction."""

    result_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Somebody else holds the wallet's lock, or there is no such wallet. Nothing was changed."""


Outcome = Posted | Refused | Replayed | Busy

_LOCK = """
SELECT w.*, a.time_zone, a.suspended_at IS NOT NULL AS suspended
FROM wallets w JOIN accounts a ON a.id = w.account_id
WHERE w.id = ANY($1) ORDER BY w.id FOR NO KEY UPDATE OF w
"""
_LOTS = "SELECT * FROM lots WHERE wallet_id = ANY($1) AND remaining > 0"
_RESERVED = """
SELECT wallet_id, sum(credits)::bigint AS credits FROM purchases
WHERE wallet_id = ANY($1) AND status IN ('PENDING_APPROVAL', 'AWAITING_PAYMENT', 'PROCESSING') GROUP BY wallet_id
"""
_PRICES = "SELECT code, credits, active FROM staging_types WHERE code = ANY($1)"
_DEBTORS = "SELECT DISTINCT account_id FROM wallets WHERE account_id = ANY($1) AND debt > 0"


async def post(connection: BaseDBAsyncClient, commands: Sequence[Command], *, wait: bool = True) -> list[Outcome]:
    """Do the commands in order and say what became of each; the caller commits.

    With `wait`, a wallet that is locked elsewhere is waited for (the database's `lock_timeout` bounds it); without,
    its commands come back Busy. Commands that share a key are done in turns: the second sees what the first did.
    """
    first, repeats = _split_repeats(commands)
    outcomes = await _post_distinct(connection, [commands[index] for index in first], wait=wait)
    by_index: dict[int, Outcome] = dict(zip(first, outcomes, strict=True))
    if repeats:
        later = await post(connection, [commands[index] for index in repeats], wait=wait)
        by_index.update(zip(repeats, later, strict=True))
    return [by_index[index] for index in range(len(commands))]


def _split_repeats(commands: Sequence[Command]) -> tuple[list[int], list[int]]:
    seen: set[tuple[str, str]] = set()
    first: list[int] = []
    repeats: list[int] = []
    for index, command in enumerate(commands):
        identity = command.key.identity if command.key else None
        (repeats if identity in seen else first).append(index)
        if identity:
            seen.add(identity)
    return first, repeats


async def _post_distinct(connection: BaseDBAsyncClient, commands: list[Command], *, wait: bool) -> list[Outcome]:
    wallets = await _lock(connection, {command.wallet_id for command in commands}, wait=wait)
    outcomes: dict[int, Outcome] = {}
    reachable = []
    for index, command in enumerate(commands):
        if command.wallet_id in wallets:
            reachable.append(index)
        else:
            outcomes[index] = Busy()
    keyed = [(key, commands[index].transaction_id) for index in reachable if (key := commands[index].key)]
    now, taken = await claim(connection, keyed)
    fresh = []
    for index in reachable:
        if (key := commands[index].key) and (used := taken.get(key.identity)):
            outcomes[index] = _answer(key, used)
        else:
            fresh.append(index)
    posted = await _decide_and_write(connection, wallets, [commands[index] for index in fresh], now)
    outcomes.update(zip(fresh, posted, strict=True))
    return [outcomes[index] for index in range(len(commands))]


async def _lock(connection: BaseDBAsyncClient, ids: set[str], *, wait: bool) -> dict[str, WalletState]:
    found = await connection.execute_query_dict(_LOCK if wait else _LOCK + " SKIP LOCKED", [sorted(ids)])
    return {row["id"]: rows.wallet_state(row) for row in found}


def _answer(key: Key, used: Used) -> Replayed | Refused:
    reason = difference(key, used)
    if reason is None:
        return Replayed(result_id=used.result_id)
    return Refused(code=RefusalCode.IDEMPOTENCY_KEY_REUSED, message=reason, field="idempotencyKey")


async def _decide_and_write(
    connection: BaseDBAsyncClient, wallets: dict[str, WalletState], commands: list[Command], now: datetime
) -> list[Posted | Refused]:
    if not commands:
        return []
    state = await _load(connection, wallets, commands)
    outcomes, changes = apply(state, commands, now)
    refused = [
        command.key
        for command, outcome in zip(commands, outcomes, strict=True)
        if isinstance(outcome, Refused) and command.key
    ]
    if refused:
        await give_back(connection, refused)
    if changes.lines:
        await _write(connection, wallets, changes, now)
    return outcomes


async def _load(connection: BaseDBAsyncClient, wallets: dict[str, WalletState], commands: list[Command]) -> State:
    touched = {wallet_id: wallets[wallet_id] for wallet_id in {command.wallet_id for command in commands}}
    for row in await connection.execute_query_dict(_LOTS, [list(touched)]):
        touched[row["wallet_id"]].lots.append(rows.lot_state(row))
    for wallet in touched.values():
        wallet.lots.sort(key=lambda lot: lot.order)
    await _reserve(connection, [touched[each.wallet_id] for each in commands if isinstance(each, Grant)])
    codes = {command.staging_type for command in commands if isinstance(command, Deduction)}
    if not codes:
        return State(wallets=touched, prices={})
    accounts = list({wallet.account_id for wallet in touched.values()})
    debtors = {row["account_id"] for row in await connection.execute_query_dict(_DEBTORS, [accounts])}
    for wallet in touched.values():
        wallet.account_in_debt = wallet.account_id in debtors
    prices = await connection.execute_query_dict(_PRICES, [list(codes)])
    return State(
        wallets=touched, prices={row["code"]: Price(credits=row["credits"], active=row["active"]) for row in prices}
    )


async def _reserve(connection: BaseDBAsyncClient, receiving: list[WalletState]) -> None:
    """Under the lock, which whoever makes a purchase takes too: what is promised to come in cannot change meanwhile."""
    if receiving:
        wallets = {wallet.id: wallet for wallet in receiving}
        for row in await connection.execute_query_dict(_RESERVED, [list(wallets)]):
            wallets[row["wallet_id"]].reserved = row["credits"]


async def _write(
    connection: BaseDBAsyncClient, wallets: dict[str, WalletState], changes: Changes, now: datetime
) -> None:
    """Everything that changed, set-wise, in the order in which the foreign keys want it."""
    new = [lot for lot in changes.lots.values() if lot.id in changes.new_lots]
    old = [lot for lot in changes.lots.values() if lot.id not in changes.new_lots]
    if new:
        await connection.execute_query(rows.INSERT_LOTS, rows.lot_columns(new))
    if old:
        await connection.execute_query(rows.UPDATE_LOTS, [[lot.id for lot in old], [lot.remaining for lot in old]])
    await connection.execute_query(rows.INSERT_LINES, rows.line_columns(changes.lines))
    await connection.execute_query(rows.INSERT_DRAWS, rows.draw_columns(changes.lines))
    texts = [line for line in changes.lines if line.text]
    if texts:
        await connection.execute_query(rows.INSERT_TEXTS, rows.text_columns(texts))
    moved = [wallets[wallet_id] for wallet_id in sorted({line.wallet_id for line in changes.lines})]
    told = [message for wallet in moved if (message := alert_message(wallet, now))]
    await connection.execute_query(rows.UPDATE_WALLETS, rows.wallet_columns(moved))
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


async def lock_wallet(connection: BaseDBAsyncClient, wallet_id: str) -> WalletState:
    """The wallet without its lots, locked until the caller's database transaction ends. Raises NotFound."""
    wallets = await _lock(connection, {wallet_id}, wait=True)
    if wallet_id not in wallets:
        raise NotFound
    return wallets[wallet_id]
