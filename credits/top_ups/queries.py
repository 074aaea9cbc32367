"""Reads of automatic top-ups: the setting as its owner sees it, and what a look at a wallet is decided on."""

from dataclasses import dataclass
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection

from credits.accounts.zones import Zones
from credits.catalogue.models import Package
from credits.catalogue.service import packages_by_code
from credits.ledger.queries import balances
from credits.ledger.wallet import WalletState
from credits.money import Money
from credits.top_ups.models import AutoTopUp, TopUpAttempt
from credits.top_ups.rules import ATTEMPTS, NO_CARD, SHOWN, Facts, Setting, month_of

_HISTORY = """
SELECT array(SELECT created_at FROM top_up_attempts WHERE wallet_id = $1 AND outcome <> 'SKIPPED'
             ORDER BY created_at DESC LIMIT $2) AS asked_at,
       (SELECT max(ended_at) FROM top_up_attempts WHERE wallet_id = $1 AND outcome = 'FAILED') AS failed_at,
       (SELECT coalesce(sum(credits), 0)::bigint FROM purchases
        WHERE wallet_id = $1 AND status IN ('PENDING_APPROVAL', 'AWAITING_PAYMENT', 'PROCESSING')) AS under_way,
       EXISTS (SELECT 1 FROM top_up_attempts t JOIN purchases p ON p.id = t.purchase_id WHERE t.wallet_id = $1
               AND p.status IN ('PENDING_APPROVAL', 'AWAITING_PAYMENT', 'PROCESSING')) AS one_open,
       (SELECT coalesce(sum(p.total_minor), 0)::bigint FROM top_up_attempts t JOIN purchases p ON p.id = t.purchase_id
        WHERE t.wallet_id = $1 AND p.created_at >= $3 AND p.currency = $4
            AND p.status IN ('PENDING_APPROVAL', 'AWAITING_PAYMENT', 'PROCESSING', 'PAID')) AS spent_minor
"""
_SUSPENDED = """
SELECT t.account_id, a.payment_customer_id AS customer_id,
       array_agg(coalesce(t.suspended_card, '')) AS cards
FROM auto_top_ups t JOIN accounts a ON a.id = t.account_id
WHERE t.enabled AND (t.suspended_card IS NOT NULL OR t.suspended_reason = $3)
    AND a.payment_customer_id IS NOT NULL AND t.account_id > $1
GROUP BY 1, 2 ORDER BY 1 LIMIT $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpView:
    """A wallet's automatic top-up. `suspended_reason` says why nothing is bought at present, and what to do."""

    threshold: int
    package_code: str
    quantity: int
    monthly_limit: Money | None
    enabled: bool
    suspended_reason: str | None


async def auto_top_up(wallet_id: str) -> TopUpView | None:
    """The wallet's automatic top-up, if one was ever set."""
    row = await AutoTopUp.get_or_none(wallet_id=wallet_id)
    if row is None:
        return None
    package = await Package.get(code=row.package_code)
    limit = row.monthly_limit_minor
    return TopUpView(
        threshold=row.threshold,
        package_code=row.package_code,
        quantity=row.quantity,
        monthly_limit=None if limit is None else Money(limit, package.currency),
        enabled=row.enabled,
        suspended_reason=row.suspended_reason or await _standing_in_the_way(row),
    )


async def _standing_in_the_way(row: AutoTopUp) -> str | None:
    """Why the latest look bought nothing, where the next one waits for that to pass."""
    if row.look_at is None:
        return None
    latest = await TopUpAttempt.filter(wallet_id=row.wallet_id).order_by("-id").first()
    return latest.reason if latest and latest.reason in SHOWN else None


def setting_of(row: AutoTopUp) -> Setting:
    """What the owner wants, as the rules take it."""
    return Setting(
        threshold=row.threshold,
        quantity=row.quantity,
        monthly_limit_minor=row.monthly_limit_minor,
        enabled=row.enabled,
        suspended=row.suspended_reason is not None,
    )


async def facts_of(connection: BaseDBAsyncClient, row: AutoTopUp, wallet: WalletState, now: datetime) -> Facts:
    """What is so now, of a wallet that is locked."""
    package = (await packages_by_code()).get(row.package_code)
    zones = Zones(name=wallet.time_zone, former=wallet.former_time_zone, since=wallet.time_zone_from)
    month, next_month = month_of(zones, now)
    currency = package.price.currency if package and package.price else ""
    (history,) = await connection.execute_query_dict(_HISTORY, [row.wallet_id, ATTEMPTS, month, currency])
    return Facts(
        now=now,
        package=package,
        account_suspended=wallet.suspended,
        available=(await balances([row.wallet_id]))[row.wallet_id].available,
        balance=wallet.balance,
        debt=wallet.debt,
        under_way=history["under_way"],
        one_open=history["one_open"],
        asked_at=tuple(history["asked_at"]),
        failed_at=history["failed_at"],
        spent_minor=history["spent_minor"],
        next_month=next_month,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """An account with top-ups that are suspended because of a card, and which those were (empty: there was none)."""

    account_id: str
    customer_id: str
    cards: frozenset[str]


async def suspended_accounts(*, after: str, limit: int) -> list[Suspended]:
    """The next `limit` accounts after that id, which may get going again with another card."""
    found = await get_connection("default").execute_query_dict(_SUSPENDED, [after, limit, NO_CARD])
    return [
        Suspended(account_id=row["account_id"], customer_id=row["customer_id"], cards=frozenset(row["cards"]))
        for row in found
    ]
