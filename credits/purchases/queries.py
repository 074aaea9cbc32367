"""Reads of purchases."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection
from tortoise.expressions import Q

from credits.actors import Actor, ActorKind
from credits.errors import NotFound
from credits.ids import Kind, kind_of
from credits.money import Money
from credits.purchases.models import DisputeStatus, PaymentMethod, Purchase, PurchaseStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseView:
    """A purchase as it is now."""

    id: str
    account_id: str
    wallet_id: str
    package_code: str
    package_name: str
    quantity: int
    credits: int
    total: Money
    valid_for_days: int | None
    status: PurchaseStatus
    failure_reason: str | None
    requested_by: Actor
    justification: str | None
    return_url: str | None
    checkout_id: str | None
    checkout_url: str | None
    checkout_attempt: int
    customer_id: str | None
    charged_card: str | None
    charge_began_at: datetime | None
    checkout_ids: tuple[str, ...]
    payment_id: str | None
    transaction_id: str | None
    created_at: datetime
    paid_at: datetime | None
    method: PaymentMethod
    refunded: Money
    clawed_back: int
    dispute: DisputeStatus | None
    receipt_url: str | None
    invoice_url: str | None


async def purchase(purchase_id: str) -> PurchaseView:
    """The purchase with this id. Raises NotFound."""
    found = await find(purchase_id)
    if found is None:
        raise NotFound
    return found


async def find(purchase_id: str) -> PurchaseView | None:
    """The purchase with this id; anything that is no such id has none."""
    # Asked first: Tortoise raises for a text that is longer than the column.
    row = await Purchase.get_or_none(id=purchase_id) if kind_of(purchase_id) is Kind.PURCHASE else None
    return view(row) if row else None


async def locked(connection: BaseDBAsyncClient, purchase_id: str) -> PurchaseView | None:
    """As `find`, and nobody else changes it until the caller's database transaction ends."""
    if kind_of(purchase_id) is not Kind.PURCHASE:
        return None
    row = await Purchase.filter(id=purchase_id).using_db(connection).select_for_update().first()
    return view(row) if row else None


async def locked_by_payment(connection: BaseDBAsyncClient, payment_id: str) -> PurchaseView | None:
    """The purchase that this payment has paid, locked as by `locked`."""
    row = await Purchase.filter(payment_id=payment_id).using_db(connection).select_for_update().first()
    return view(row) if row else None


async def purchases_by_id(ids: Iterable[str]) -> dict[str, PurchaseView]:
    """The purchases with these ids."""
    return {row.id: view(row) for row in await Purchase.filter(id__in=list(ids))}


async def account_purchases(
    account_id: str,
    *,
    limit: int,
    statuses: Sequence[PurchaseStatus] | None = None,
    requested_by: str | None = None,
    wallet_ids: Sequence[str] = (),
    before: tuple[datetime, str] | None = None,
) -> list[PurchaseView]:
    """The newest `limit` of an account's purchases before that (time, id), newest first. With `requested_by`, only
    those of that caller and of the wallets named."""
    found = Purchase.filter(account_id=account_id)
    if statuses is not None:
        found = found.filter(status__in=list(statuses))
    if requested_by is not None:
        found = found.filter(Q(requested_by_id=requested_by) | Q(wallet_id__in=list(wallet_ids)))
    if before is not None:
        at, purchase_id = before
        found = found.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=purchase_id))
    return [view(row) for row in await found.order_by("-created_at", "-id").limit(limit)]


async def reserved(wallet_id: str) -> int:
    """The credits that open purchases may still bring into the wallet."""
    (row,) = await get_connection("default").execute_query_dict(
        "SELECT coalesce(sum(credits), 0)::bigint AS credits FROM purchases"
        " WHERE wallet_id = $1 AND status IN ('PENDING_APPROVAL', 'AWAITING_PAYMENT', 'PROCESSING')",
        [wallet_id],
    )
    return int(row["credits"])


async def without_checkout(*, older_than_s: float, limit: int = 20) -> list[str]:
    """Purchases that await payment and have waited that long, in seconds, for the address where to pay."""
    rows = await get_connection("default").execute_query_dict(
        "SELECT id FROM purchases WHERE status = 'AWAITING_PAYMENT' AND method = 'CHECKOUT' AND checkout_id IS NULL"
        " AND coalesce(moved_at, created_at) < credits_now() - make_interval(secs => $1) ORDER BY created_at LIMIT $2",
        [older_than_s, limit],
    )
    return [row["id"] for row in rows]


async def to_be_charged(*, older_than_s: float, limit: int = 20) -> list[str]:
    """Purchases that have waited that long, in seconds, for the saved card to be charged."""
    rows = await get_connection("default").execute_query_dict(
        "SELECT id FROM purchases WHERE status = 'AWAITING_PAYMENT' AND method = 'SAVED_CARD'"
        " AND coalesce(moved_at, created_at) < credits_now() - make_interval(secs => $1) ORDER BY created_at LIMIT $2",
        [older_than_s, limit],
    )
    return [row["id"] for row in rows]


def view(row: Purchase) -> PurchaseView:
    """A row as the rest of the service sees it."""
    columns = row.__dict__
    return PurchaseView(
        id=row.id,
        account_id=columns["account_id"],
        wallet_id=columns["wallet_id"],
        package_code=row.package_code,
        package_name=row.package_name,
        quantity=row.quantity,
        credits=row.credits,
        total=Money(row.total_minor, row.currency),
        valid_for_days=row.valid_for_days,
        status=row.status,
        failure_reason=row.failure_reason,
        requested_by=Actor(kind=ActorKind(row.requested_by_kind), id=row.requested_by_id),
        justification=row.justification,
        return_url=row.return_url,
        checkout_id=row.checkout_id,
        checkout_url=row.checkout_url,
        checkout_attempt=row.checkout_attempt,
        customer_id=row.customer_id,
        charged_card=row.charged_card,
        charge_began_at=row.charge_began_at,
        checkout_ids=(*([row.checkout_id] if row.checkout_id else []), *(row.former_checkouts or [])),
        payment_id=row.payment_id,
        transaction_id=row.transaction_id,
        created_at=row.created_at,
        paid_at=row.paid_at,
        method=row.method,
        refunded=Money(row.refunded_minor, row.currency),
        clawed_back=row.clawed_back,
        dispute=row.dispute,
        receipt_url=row.receipt_url,
        invoice_url=row.invoice_url,
    )
