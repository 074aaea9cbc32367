"""Transactions as lists show them to people: with names instead of ids, and the local time. SQL, so that the database
can write a CSV by itself, however long.

In a CSV, text that a spreadsheet would run as a formula begins with an apostrophe; numbers stay numbers.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tortoise.connection import get_connection

from credits.accounts.zones import Zones
from credits.ledger.models import TransactionKind
from credits.ledger.queries import LineFilter, matching
from credits.reports.months import Statement

# What https://owasp.org/www-community/attacks/CSV_Injection names, and its wide forms.
FORMULA_SIGNS = ("=", "+", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "-")
_FORMULA = f"^[{''.join(FORMULA_SIGNS)}]"
_BY = """CASE t.actor_kind WHEN 'USER' THEN coalesce(u.name, 'Somebody who has left')
    WHEN 'API_KEY' THEN coalesce(k.name, 'A key that is gone') WHEN 'SERVICE' THEN 'Staging engine' ELSE 'System' END"""
_FROM = """
FROM transactions t LEFT JOIN transaction_texts x ON x.transaction_id = t.id LEFT JOIN users u ON u.id = t.actor_id
LEFT JOIN api_keys k ON k.id = t.actor_id LEFT JOIN users f ON f.id = t.on_behalf_of
"""
_LISTED = f"""
SELECT t.created_at, t.kind, t.change, t.balance_after, coalesce(s.name, t.staging_type) AS staging_type, t.quantity,
       x.reference, x.description, {_BY} AS by, f.name AS on_behalf_of
{_FROM} LEFT JOIN staging_types s ON s.code = t.staging_type
WHERE t.wallet_id = $1 AND t.sequence > $2 AND t.sequence <= $3 ORDER BY t.sequence LIMIT $4
"""
# The lines before and after these are written in the same columns.
STATEMENT_COLUMNS = (
    "line", "time_local", "time_utc", "id", "kind", "credits", "balance_after", "staging_type", "quantity",
    "reference", "description", "by", "on_behalf_of", "transactions",
)  # fmt: skip


def _safe(text: str) -> str:
    return f"CASE WHEN {text} ~ '{_FORMULA}' THEN '''' || {text} ELSE {text} END"


def _zone(zones: Zones) -> str:
    """The zone of a transaction's time. Names of zones are checked when they are set, and hold no quotes."""
    if zones.former is None or zones.since is None:
        return f"'{zones.name}'"
    return f"CASE WHEN t.created_at < '{zones.since.isoformat()}' THEN '{zones.former}' ELSE '{zones.name}' END"


def _times(zones: Zones) -> str:
    return f"""to_char(t.created_at AT TIME ZONE {_zone(zones)}, 'YYYY-MM-DD HH24:MI:SS') AS time_local,
    to_char(t.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS time_utc"""


_TEXTS = f"""{_safe("x.reference")} AS reference, {_safe("x.description")} AS description,
    {_safe(f"({_BY})")} AS by, {_safe("f.name")} AS on_behalf_of"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A transaction as it stands in a list."""

    at: datetime
    kind: TransactionKind
    credits: int
    balance_after: int
    staging_type: str | None
    quantity: int | None
    reference: str | None
    description: str | None
    by: str
    on_behalf_of: str | None


async def entries(statement: Statement, *, limit: int) -> list[Entry]:
    """The first `limit` transactions of a statement, oldest first."""
    values = [statement.wallet_id, statement.after_sequence, statement.last_sequence, limit]
    return [_entry(row) for row in await get_connection("default").execute_query_dict(_LISTED, values)]


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(
        at=row["created_at"],
        kind=TransactionKind(row["kind"]),
        credits=row["change"],
        balance_after=row["balance_after"],
        staging_type=row["staging_type"],
        quantity=row["quantity"],
        reference=row["reference"],
        description=row["description"],
        by=row["by"],
        on_behalf_of=row["on_behalf_of"],
    )


def of_statement(statement: Statement, zones: Zones) -> tuple[str, list[Any]]:
    """The transactions of a statement in the columns of its CSV, oldest first."""
    sql = f"""SELECT 'transaction' AS line, {_times(zones)}, t.id, t.kind, t.change AS credits, t.balance_after,
    t.staging_type, t.quantity, {_TEXTS}, NULL AS transactions
{_FROM} WHERE t.wallet_id = $1 AND t.sequence > $2 AND t.sequence <= $3 ORDER BY t.wallet_id, t.sequence"""
    return sql, [statement.wallet_id, statement.after_sequence, statement.last_sequence]


def of_filter(account_id: str, wallet_id: str | None, chosen: LineFilter, zones: Zones) -> tuple[str, list[Any]]:
    """The transactions that a filter finds in an account, or one of its wallets, oldest first."""
    where, values = matching(chosen, account_id=account_id, wallet_id=wallet_id)
    order = "t.account_id, t.created_at, t.id" if wallet_id is None else "t.wallet_id, t.sequence"
    sql = f"""SELECT {_times(zones)}, t.wallet_id, {_safe("coalesce(od.name, op.name, oa.name)")} AS wallet, t.sequence,
    t.id, t.kind, t.change AS credits, t.balance_after, t.staging_type, t.quantity, {_TEXTS},
    x.metadata::text AS metadata, t.transfer_id, t.purchase_id, t.hold_id, t.refunds_id
{_FROM} JOIN wallets w ON w.id = t.wallet_id JOIN accounts oa ON oa.id = w.account_id
LEFT JOIN pools op ON op.id = w.owner_id LEFT JOIN departments od ON od.id = w.owner_id
WHERE {where} ORDER BY {order}"""
    return sql, values
