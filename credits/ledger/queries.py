"""Reads of the ledger: balances, open lots, and history on keyset pages. Nothing here locks or writes."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tortoise.connection import get_connection

from credits.accounts.queries import wallets_of
from credits.actors import Actor, ActorKind
from credits.ledger import rows
from credits.ledger.holds import HoldState
from credits.ledger.lots import Draw, LotState
from credits.ledger.models import TransactionKind
from credits.ledger.text import Text
from credits.ledger.wallet import BalanceView, Line, WalletState

# What holds still keep in a lot that are over, but which no sweep has been to: it is promised to nobody.
_OVER = """
CASE WHEN l.held = 0 THEN 0 ELSE (
    SELECT coalesce(sum(r.credits), 0)::bigint FROM reservations r JOIN holds h ON h.id = r.hold_id
    WHERE r.lot_id = l.id AND h.status = 'OPEN' AND h.expires_at <= now.now
) END AS over
"""
# Wallet and lots in one statement: read in two, a commit between them would show one of each.
_BALANCES = f"""
SELECT w.*, a.time_zone, a.former_time_zone, a.time_zone_from,
       a.suspended_at IS NOT NULL AS suspended, now.now, l AS lot, {_OVER}
FROM (SELECT credits_now() AS now) now, wallets w JOIN accounts a ON a.id = w.account_id
LEFT JOIN lots l ON l.wallet_id = w.id AND l.remaining > 0 WHERE w.id = ANY($1)
"""
_LOTS = f"SELECT l.*, {_OVER} FROM (SELECT credits_now() AS now) now, lots l "
_OPEN_LOTS = _LOTS + "WHERE l.wallet_id = ANY($1) AND l.remaining > 0"
_MEANS = """
SELECT a.suspended_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM wallets o WHERE o.account_id = w.account_id AND o.debt > 0) AS may_spend
FROM wallets w JOIN accounts a ON a.id = w.account_id WHERE w.id = $1
"""
_REFUNDED = "SELECT refunds_id, sum(change)::bigint AS credits FROM transactions WHERE refunds_id = ANY($1) GROUP BY 1"
_STEP = """
SELECT s.hold_id, s.transaction_id FROM hold_steps s LEFT JOIN transactions t ON t.id = s.transaction_id
WHERE s.id = $1 ORDER BY t.sequence
"""
_DRAWS = """(
    SELECT json_agg(json_build_array(d.lot_id, d.credits) ORDER BY d.lot_id COLLATE "C")
    FROM transaction_lots d WHERE d.transaction_id = t.id
)"""
_LINE = f"""
SELECT t.*, x.transaction_id AS text_id, x.salt, x.reference, x.description, x.metadata, {_DRAWS} AS draws
FROM transactions t LEFT JOIN transaction_texts x ON x.transaction_id = t.id
"""


async def _read(sql: str, *values: Any) -> list[dict[str, Any]]:
    return await get_connection("default").execute_query_dict(sql, list(values))


async def now() -> datetime:
    """The service's time: the database's clock plus what the sandbox's clock was advanced by."""
    (row,) = await _read("SELECT credits_now() AS now")
    at: datetime = row["now"]
    return at


async def balances(wallet_ids: Iterable[str]) -> dict[str, BalanceView]:
    """The balances of those of the wallets that there are, all as of one instant each read."""
    wallets: dict[str, WalletState] = {}
    at: dict[str, datetime] = {}
    for row in await _read(_BALANCES, list(wallet_ids)):
        wallet = wallets.setdefault(row["id"], rows.wallet_state(row))
        at[wallet.id] = wallet.posting_time(row["now"])
        if row["lot"] is not None:
            wallet.lots.append(_as_promised(rows.lot_state(row["lot"]), row["over"]))
            wallet.held -= row["over"]
    return {wallet_id: wallet.balance_view(at[wallet_id]) for wallet_id, wallet in wallets.items()}


async def open_lots(wallet_ids: Sequence[str]) -> Mapping[str, list[LotState]]:
    """The lots with credits left in them, by wallet, in the order in which they will be spent."""
    found: dict[str, list[LotState]] = defaultdict(list)
    for row in await _read(_OPEN_LOTS, list(wallet_ids)):
        found[row["wallet_id"]].append(_as_promised(rows.lot_state(row), row["over"]))
    for lots in found.values():
        lots.sort(key=lambda lot: lot.order)
    return found


async def lots_by_id(ids: Iterable[str]) -> dict[str, LotState]:
    """The lots with these ids, spent ones too."""
    found = await _read(_LOTS + "WHERE l.id = ANY($1)", list(ids))
    return {row["id"]: _as_promised(rows.lot_state(row), row["over"]) for row in found}


def _as_promised(lot: LotState, over: int) -> LotState:
    lot.held -= over
    return lot


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What can be spent from a wallet, and whether its account may spend at all."""

    available: int
    may_spend: bool


async def means_of(wallet_id: str) -> Means:
    """What the wallet, which there is, could pay now."""
    (row,) = await _read(_MEANS, wallet_id)
    return Means(available=(await balances([wallet_id]))[wallet_id].available, may_spend=row["may_spend"])


async def hold(hold_id: str) -> HoldState | None:
    """The hold as it counts now."""
    return (await holds_by_id([hold_id])).get(hold_id)


async def holds_by_id(ids: Iterable[str]) -> dict[str, HoldState]:
    """The holds with these ids, as they count now."""
    at = await now()
    found = await _read(rows.HOLDS + "WHERE h.id = ANY($1)", list(ids))
    return {row["id"]: rows.hold_state(row).as_of(at) for row in found}


async def wallet_holds(
    wallet_id: str, *, only_open: bool, limit: int, before: tuple[datetime, str] | None = None
) -> list[HoldState]:
    """The newest `limit` holds of a wallet before that (time, id), newest first."""
    at = await now()
    values: list[Any] = [wallet_id, at if only_open else None]
    where = "WHERE h.wallet_id = $1 AND ($2::timestamptz IS NULL OR (h.status = 'OPEN' AND h.expires_at > $2))"
    if before is not None:
        values.extend(before)
        where += " AND (h.created_at, h.id) < ($3, $4)"
    values.append(limit)
    found = await _read(f"{rows.HOLDS} {where} ORDER BY h.created_at DESC, h.id DESC LIMIT ${len(values)}", *values)
    return [rows.hold_state(row).as_of(at) for row in found]


async def step(step_id: str) -> tuple[list[Line], HoldState | None]:
    """What a step captured, in the order in which it did, and the hold as it counts now."""
    found = await _read(_STEP, step_id)
    lines = await lines_by_id(row["transaction_id"] for row in found if row["transaction_id"])
    in_order = [lines[row["transaction_id"]] for row in found if row["transaction_id"]]
    return in_order, await hold(found[0]["hold_id"]) if found else None


async def refunded(ids: Iterable[str]) -> dict[str, int]:
    """How many credits of these transactions have come back, for those of which any have."""
    return {row["refunds_id"]: row["credits"] for row in await _read(_REFUNDED, list(ids))}


async def total_available(account_id: str) -> int:
    """Every wallet of the account added up."""
    views = await balances(await wallets_of(account_id))
    return sum(view.available for view in views.values())


async def lines_by_id(ids: Iterable[str]) -> dict[str, Line]:
    """The transactions with these ids."""
    return {row["id"]: _line(row) for row in await _read(_LINE + "WHERE t.id = ANY($1)", list(ids))}


async def lines_of_transfer(transfer_id: str) -> list[Line]:
    """Both sides of a movement, the giving wallet's first."""
    found = await _read(_LINE + "WHERE t.transfer_id = $1 ORDER BY t.change", transfer_id)
    return [_line(row) for row in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFilter:
    """Which transactions: all conditions that are given hold. `start` is included, `end` is not."""

    kinds: tuple[TransactionKind, ...] | None = None
    start: datetime | None = None
    end: datetime | None = None
    staging_types: tuple[str, ...] | None = None
    reference: str | None = None
    actor_id: str | None = None
    search: str | None = None


# A page's length stands in the statement itself: as a parameter it could be anything, so the plan for any wallet would
# look dear to PostgreSQL, and each page would be planned anew, which on a long history takes longer than to read it.
async def wallet_lines(
    wallet_id: str, chosen: LineFilter, *, limit: int, before_sequence: int | None = None
) -> list[Line]:
    """The newest `limit` of a wallet's transactions below that sequence number, newest first."""
    where, values = _conditions(chosen, ["t.wallet_id = $1"], [wallet_id])
    if before_sequence is not None:
        values.append(before_sequence)
        where += f" AND t.sequence < ${len(values)}"
    sql = f"{_LINE} WHERE {where} ORDER BY t.sequence DESC LIMIT {limit:d}"
    return [_line(row) for row in await _read(sql, *values)]


async def account_lines(
    account_id: str, chosen: LineFilter, *, limit: int, before: tuple[datetime, str] | None = None
) -> list[Line]:
    """The newest `limit` transactions of all the account's wallets before that (time, id), newest first."""
    where, values = _conditions(chosen, ["t.account_id = $1"], [account_id])
    if before is not None:
        values.extend(before)
        where += f" AND (t.created_at, t.id) < (${len(values) - 1}, ${len(values)})"
    sql = f"{_LINE} WHERE {where} ORDER BY t.created_at DESC, t.id DESC LIMIT {limit:d}"
    return [_line(row) for row in await _read(sql, *values)]


# A search for a part of a text has no index: one of trigrams would cost each deduction more than all else of it, and
# not every server has it. It goes from the newest to the oldest instead, so many transactions in one statement, and
# for one page no further than to the most: whatever the size of the ledger, a page costs no more than that.
WINDOW = 20_000
MOST_SEARCHED = 100_000
Where = tuple[Any, ...]


async def search_wallet(
    wallet_id: str,
    chosen: LineFilter,
    *,
    limit: int,
    before_sequence: int | None = None,
    window: int = WINDOW,
    most: int = MOST_SEARCHED,
) -> tuple[list[Line], int | None]:
    """As wallet_lines, and the sequence number to go on below where it came to the most before it had found so many."""
    before = None if before_sequence is None else (before_sequence,)
    newest = _Newest("t.wallet_id = $1", wallet_id, ("sequence",), window, most)
    lines, read_to = await newest.search(chosen, limit=limit, before=before)
    return lines, read_to[0] if read_to else None


async def search_account(
    account_id: str,
    chosen: LineFilter,
    *,
    limit: int,
    before: tuple[datetime, str] | None = None,
    window: int = WINDOW,
    most: int = MOST_SEARCHED,
) -> tuple[list[Line], tuple[datetime, str] | None]:
    """As account_lines, and the (time, id) to go on before where it came to the most before it had found so many."""
    newest = _Newest("t.account_id = $1", account_id, ("created_at", "id"), window, most)
    if chosen.end is not None:
        before = min(before or (chosen.end, ""), (chosen.end, ""))
    lines, read_to = await newest.search(chosen, limit=limit, before=before)
    return lines, (read_to[0], read_to[1]) if read_to else None


@dataclass(frozen=True, slots=True)
class _Newest:
    """Transactions of a wallet or an account, from the newest on in the order of these columns, window by window."""

    whose: str
    owner_id: str
    columns: tuple[str, ...]
    window: int
    most: int

    async def search(self, chosen: LineFilter, *, limit: int, before: Where | None) -> tuple[list[Line], Where | None]:
        found: list[Line] = []
        searched = 0
        while len(found) < limit:
            found += await self._found(chosen, limit - len(found), before)
            end = await self._end(before)
            searched += self.window
            if len(found) >= limit or end is None or (chosen.start and end["created_at"] < chosen.start):
                break
            before = tuple(end[column] for column in self.columns)
            if searched >= self.most:
                return found, before
        return found, None

    async def _found(self, chosen: LineFilter, limit: int, before: Where | None) -> list[Line]:
        lines, values = self._lines(before)
        where, values = _conditions(chosen, [], values)
        # (OFFSET 0: each text is looked up by its transaction, however many there are of others.)
        sql = f"""
        SELECT t.*, x.transaction_id AS text_id, x.salt, x.reference, x.description, x.metadata, {_DRAWS} AS draws
        FROM (SELECT t.* {lines} LIMIT {self.window}) t
        CROSS JOIN LATERAL (SELECT * FROM transaction_texts x WHERE x.transaction_id = t.id OFFSET 0) x
        WHERE {where} {self._order} LIMIT {limit}
        """
        return [_line(row) for row in await _read(sql, *values)]

    async def _end(self, before: Where | None) -> dict[str, Any] | None:
        """The last one of a window; None where it is the last window."""
        lines, values = self._lines(before)
        columns = ", ".join({f"t.{column}": None for column in (*self.columns, "created_at")})
        rows = await _read(f"SELECT {columns} {lines} OFFSET {self.window - 1} LIMIT 1", *values)
        return rows[0] if rows else None

    def _lines(self, before: Where | None) -> tuple[str, list[Any]]:
        below = ""
        if before is not None:
            columns = ", ".join(f"t.{column}" for column in self.columns)
            below = f"AND ({columns}) < ({', '.join(f'${number}' for number in range(2, 2 + len(before)))})"
        return f"FROM transactions t WHERE {self.whose} {below} {self._order}", [self.owner_id, *(before or ())]

    @property
    def _order(self) -> str:
        return "ORDER BY " + ", ".join(f"t.{column} DESC" for column in self.columns)


def matching(chosen: LineFilter, *, account_id: str, wallet_id: str | None) -> tuple[str, list[Any]]:
    """The filter as SQL on `transactions t` and `transaction_texts x`, for one wallet or all of an account."""
    if wallet_id is not None:
        return _conditions(chosen, ["t.wallet_id = $1"], [wallet_id])
    return _conditions(chosen, ["t.account_id = $1"], [account_id])


def _conditions(chosen: LineFilter, conditions: list[str], values: list[Any]) -> tuple[str, list[Any]]:
    def add(condition: str, value: object) -> None:
        values.append(value)
        conditions.append(condition.replace("?", f"${len(values)}"))

    if chosen.kinds is not None:
        add("t.kind = ANY(?)", [kind.value for kind in chosen.kinds])
        if TransactionKind.DEDUCTION not in chosen.kinds:
            # In so many words: they are what the indexes of the rarer kinds are for.
            conditions.append("t.kind <> 'DEDUCTION'")
    if chosen.start is not None:
        add("t.created_at >= ?", chosen.start)
    if chosen.end is not None:
        add("t.created_at < ?", chosen.end)
    if chosen.staging_types is not None:
        add("t.staging_type = ANY(?)", list(chosen.staging_types))
    if chosen.reference is not None:
        add("x.reference = ?", chosen.reference)
    if chosen.actor_id is not None:
        add("t.actor_id = ?", chosen.actor_id)
    if chosen.search is not None:
        add("(x.reference ILIKE ? OR x.description ILIKE ?)", f"%{_escape_like(chosen.search)}%")
    return " AND ".join(conditions), values


def _escape_like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _line(row: rows.Row) -> Line:
    return Line(
        id=row["id"],
        account_id=row["account_id"],
        wallet_id=row["wallet_id"],
        sequence=row["sequence"],
        kind=TransactionKind(row["kind"]),
        change=row["change"],
        balance_after=row["balance_after"],
        version=row["version"],
        actor=Actor(kind=ActorKind(row["actor_kind"]), id=row["actor_id"], on_behalf_of=row["on_behalf_of"]),
        created_at=row["created_at"],
        local_day=row["local_day"],
        staging_type=row["staging_type"],
        quantity=row["quantity"],
        transfer_id=row["transfer_id"],
        counterpart_wallet_id=row["counterpart_wallet_id"],
        purchase_id=row["purchase_id"],
        payment_id=row["payment_id"],
        hold_id=row["hold_id"],
        refunds_id=row["refunds_id"],
        text=_text(row) if row["text_id"] else None,
        draws=tuple(Draw(lot_id, change) for lot_id, change in json.loads(row["draws"])),
        hash=row["hash"],
    )


def _text(row: rows.Row) -> Text:
    metadata = None if row["metadata"] is None else tuple(sorted(json.loads(row["metadata"]).items()))
    return Text(salt=row["salt"], reference=row["reference"], description=row["description"], metadata=metadata)
