"""Writing a history: an account's people and places, and then portion by portion what it did, each one commit."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg

from app.history.books import PaidBack, Portion
from app.history.plan import AccountPlan
from app.history.shop import Bought
from credits.accounts.models import AccountRole
from credits.accounts.rules import Scope
from credits.actors import ActorKind
from credits.ledger import rows, usage_rows
from credits.ledger.chain import GENESIS
from credits.ledger.models import OwnerKind
from credits.ledger.usage import by_month, uses_of
from credits.purchases.models import PurchaseStatus, RefundStatus

_PAID_BACK = """
UPDATE purchases SET refunded_minor = refunded_minor + $2, clawed_back = clawed_back + $3 WHERE id = $1
"""
_PURCHASE = """
id account_id wallet_id package_code package_name quantity credits total_minor currency valid_for_days status
requested_by_kind requested_by_id checkout_attempt payment_id transaction_id created_at paid_at
"""
_PAYMENT_REFUND = """
id account_id purchase_id payment_id provider_id amount_minor currency status reason created_at updated_at
"""
_INSERT = re.compile(r"INSERT INTO (\w+) \(([^)]*)\)")
_KEY_SCOPES = json.dumps(sorted(scope.value for scope in (Scope.READ, Scope.SPEND)))


async def open_account(connection: asyncpg.Connection, plan: AccountPlan) -> None:
    """The account with its people, pools, departments and empty wallets."""
    at = plan.created_at
    for table, columns, records in (
        ("users", "id name email created_at", [(who.id, who.name, who.email, at) for who in plan.people]),
        ("accounts", "id name kind time_zone created_at", [(plan.id, plan.name, plan.kind, plan.time_zone, at)]),
        ("memberships", "id account_id user_id role since", _memberships(plan)),
        ("pools", "id account_id name created_at", [(pool.id, plan.id, pool.name, at) for pool in plan.pools]),
        ("pool_administrators", "account_id pool_id user_id", _administrators(plan)),
        ("departments", "id account_id pool_id name created_at", _departments(plan)),
        ("department_members", "account_id department_id user_id", _members(plan)),
        ("api_keys", "id account_id name prefix secret_hash scopes wallet_ids created_at", _api_keys(plan)),
        (
            "wallets",
            "id account_id owner_kind owner_id balance held debt sequence version last_hash created_at",
            [(*wallet, 0, 0, 0, 0, 0, GENESIS, at) for wallet in _wallets(plan)],
        ),
    ):
        await _copy(connection, table, columns.split(), records)


def _memberships(plan: AccountPlan) -> list[tuple[Any, ...]]:
    roles = ((who, AccountRole.OWNER if who == plan.owner else AccountRole.MEMBER) for who in plan.people)
    return [(who.membership_id, plan.id, who.id, role, plan.created_at) for who, role in roles]


def _administrators(plan: AccountPlan) -> list[tuple[Any, ...]]:
    return [(plan.id, pool.id, pool.administrator.id) for pool in plan.pools]


def _departments(plan: AccountPlan) -> list[tuple[Any, ...]]:
    return [(team.id, plan.id, team.pool_id, team.name, plan.created_at) for team in plan.teams if team.pool_id]


def _members(plan: AccountPlan) -> list[tuple[Any, ...]]:
    return [(plan.id, team.id, who.id) for team in plan.teams if team.pool_id for who in team.people]


def _api_keys(plan: AccountPlan) -> list[tuple[Any, ...]]:
    # What nobody has the secret of: no secret has this hash.
    none = f"history:{plan.api_key_id}"
    key = (plan.api_key_id, plan.id, "Uploader", "sck_history", none, _KEY_SCOPES, "[]", plan.created_at)
    return [key] if plan.api_key_id else []


def _wallets(plan: AccountPlan) -> list[tuple[Any, ...]]:
    found = [(plan.wallet_id, plan.id, OwnerKind.ACCOUNT, plan.id)]
    found += [(pool.wallet_id, plan.id, OwnerKind.POOL, pool.id) for pool in plan.pools]
    return found + [(team.path[-1], plan.id, OwnerKind.DEPARTMENT, team.id) for team in plan.teams if team.pool_id]


async def write(connection: asyncpg.Connection, plan: AccountPlan, portion: Portion) -> None:
    """All of a portion, inside the caller's database transaction."""
    changes = portion.changes
    lots = changes.lots.values()
    new, old = ([lot for lot in lots if (lot.id in changes.new_lots) is wanted] for wanted in (True, False))
    await _insert(connection, rows.INSERT_LOTS, rows.lot_columns(new))
    await _execute(connection, rows.UPDATE_LOTS, rows.changed_lot_columns(old))
    await _copy(connection, "purchases", _PURCHASE.split(), _purchases(plan, portion.bought))
    await _insert(connection, rows.INSERT_LINES, rows.line_columns(changes.lines))
    await _insert(connection, rows.INSERT_DRAWS, rows.draw_columns(changes.lines))
    await _insert(connection, rows.INSERT_TEXTS, rows.text_columns(changes.lines))
    await _insert(connection, rows.INSERT_CLAWBACKS, rows.clawback_columns(changes.clawbacks))
    await _write_paid_back(connection, plan, portion.paid_back)
    uses = uses_of(changes.lines, portion.spent)
    await _execute(connection, usage_rows.ADD_DAYS, usage_rows.use_columns(uses))
    await _execute(connection, usage_rows.ADD_MONTHS, usage_rows.use_columns(by_month(uses)))
    await _execute(connection, rows.UPDATE_WALLETS, rows.wallet_columns(list(changes.wallets.values())))


def _purchases(plan: AccountPlan, bought: Sequence[Bought]) -> list[tuple[Any, ...]]:
    return [
        (
            each.id,
            plan.id,
            plan.wallet_id,
            each.offer.package.code,
            each.offer.package.name,
            each.offer.quantity,
            each.offer.credits,
            each.offer.total.amount_minor,
            each.offer.total.currency,
            each.valid_for_days,
            PurchaseStatus.PAID,
            ActorKind.USER,
            plan.owner.id,
            1,
            each.payment_id,
            each.transaction_id,
            each.at,
            each.at,
        )
        for each in bought
    ]


async def _write_paid_back(connection: asyncpg.Connection, plan: AccountPlan, paid_back: Sequence[PaidBack]) -> None:
    await connection.executemany(_PAID_BACK, [(each.bought.id, each.amount_minor, each.credits) for each in paid_back])
    records = [
        (
            each.id,
            plan.id,
            each.bought.id,
            each.bought.payment_id,
            each.provider_id,
            each.amount_minor,
            each.bought.offer.total.currency,
            RefundStatus.SUCCEEDED,
            "Bought too many",
            each.at,
            each.at,
        )
        for each in paid_back
    ]
    await _copy(connection, "payment_refunds", _PAYMENT_REFUND.split(), records)


async def _execute(connection: asyncpg.Connection, statement: str, columns: rows.Columns) -> None:
    if columns:
        await connection.execute(statement, *columns)


async def _insert(connection: asyncpg.Connection, statement: str, columns: rows.Columns) -> None:
    """What an INSERT of `rows` would write, as COPY, which takes half the time."""
    ((table, names),) = _INSERT.findall(statement)
    await _copy(connection, table, names.replace(",", " ").split(), zip(*columns, strict=True))


async def _copy(
    connection: asyncpg.Connection, table: str, columns: Sequence[str], records: Iterable[tuple[Any, ...]]
) -> None:
    await connection.copy_records_to_table(table, columns=columns, records=records)
