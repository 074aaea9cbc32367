"""The provider's records against our books: payments, refunds and credits of the last days. It reads and changes
nothing; what it finds is for a person, and healing (`healing.py`) is asked for apart.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tortoise.connection import get_connection

from credits import operators, outbox
from credits.gateways.payments import Payment, PaymentRecords
from credits.ledger.queries import now
from credits.money import Money
from credits.operators import Notice
from credits.progress import Progress, untold
from credits.purchases import differences as rules
from credits.purchases.differences import Booked, Difference
from credits.purchases.healing import pages
from credits.purchases.models import PurchaseStatus
from credits.purchases.quarantine import unsettled

# The provider keeps events for so long.
LONGEST_DAYS = 30
# Two clocks: a purchase's payment is never older than the purchase by more than they differ.
_CLOCKS_DIFFER_BY = timedelta(minutes=5)
_PORTION = 500
_TOLD = 10
# The bar's length for what the provider is asked, and for the rest.
_STEPS = 1_000

_BOOKED = """
SELECT p.id, p.status, p.payment_id, p.total_minor, p.currency, p.credits, p.refunded_minor, p.clawed_back,
    r.minor AS refunds_minor, d.minor AS lost_minor, t.posted, t.credits AS posted_credits, c.credits AS taken_back
FROM purchases p
CROSS JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0)::bigint AS minor FROM payment_refunds
    WHERE purchase_id = p.id AND status IN ('PENDING', 'SUCCEEDED')) r
CROSS JOIN LATERAL (SELECT coalesce(sum(amount_minor), 0)::bigint AS minor FROM payment_disputes
    WHERE purchase_id = p.id AND status = 'LOST') d
CROSS JOIN LATERAL (SELECT count(*)::int AS posted, coalesce(sum(change), 0)::bigint AS credits FROM transactions
    WHERE purchase_id = p.id AND kind = 'PURCHASE') t
CROSS JOIN LATERAL (SELECT coalesce(sum(credits), 0)::bigint AS credits FROM clawbacks WHERE purchase_id = p.id) c
"""
_OF_PAYMENTS = f"{_BOOKED} WHERE p.payment_id = ANY($1)"
# Of those paid in these days, and of all whose money went back.
_PAID = f"""
{_BOOKED} WHERE p.id > $1 AND p.status = 'PAID' AND p.paid_at <= $2
    AND (p.paid_at >= $3 OR p.refunded_minor <> 0 OR p.clawed_back <> 0) ORDER BY p.id LIMIT {_PORTION}
"""
_UNLISTED = f"""
{_BOOKED} WHERE p.id > $1 AND p.status = 'PAID' AND p.paid_at <= $2 AND p.created_at >= $3
    AND NOT p.payment_id = ANY($4) ORDER BY p.id LIMIT {_PORTION}
"""
_PUT_ASIDE = "SELECT reference FROM quarantined_payments WHERE reference = ANY($1)"


async def differences(
    records: PaymentRecords, *, days: int, live: bool, progress: Progress = untold
) -> list[Difference]:
    """What does not agree in the last so many days (1 to 30). What was only under way when it was looked at is gone at
    the second look, and not told. Raises GatewayUnavailable, GatewayRefused."""
    found = await _look(records, days=days, live=live, progress=progress)
    if not found:
        return []
    still = set(await _look(records, days=days, live=live, progress=untold))
    return [each for each in found if each in still]


async def _look(records: PaymentRecords, *, days: int, live: bool, progress: Progress) -> list[Difference]:
    began = await now()
    since = began - timedelta(days=days)
    found: list[Difference] = []
    listed: list[str] = []
    async for page in pages(records.payments_since(since)):
        found += await _of_payments([payment for payment in page if payment.livemode == live])
        listed += [payment.id for payment in page]
        progress(int(_STEPS * (began - page[-1].created_at) / timedelta(days=days)), 2 * _STEPS)
    progress(_STEPS, 2 * _STEPS)
    async for booked in _booked(_UNLISTED, began, since + _CLOCKS_DIFFER_BY, listed):
        found.append(rules.without_payment(booked))
    async for booked in _booked(_PAID, began, since):
        found += rules.of_purchase(booked)
    found += [
        rules.quarantined(each.reference, row_id=each.id, reason=each.reason, amount=each.amount)
        for each in await unsettled()
    ]
    progress(2 * _STEPS, 2 * _STEPS)
    return found


async def _of_payments(payments: Sequence[Payment]) -> list[Difference]:
    connection = get_connection("default")
    ids = [payment.id for payment in payments]
    credited = {row["payment_id"]: _of_row(row) for row in await connection.execute_query_dict(_OF_PAYMENTS, [ids])}
    put_aside = {row["reference"] for row in await connection.execute_query_dict(_PUT_ASIDE, [ids])}
    return [
        difference
        for payment in payments
        for difference in rules.of_payment(payment, credited.get(payment.id), put_aside=payment.id in put_aside)
    ]


async def _booked(query: str, *fixed: object) -> AsyncIterator[Booked]:
    """All rows of a query that goes along the ids, portion by portion, none of which takes long."""
    after = ""
    while rows := await get_connection("default").execute_query_dict(query, [after, *fixed]):
        for row in rows:
            yield _of_row(row)
        after = rows[-1]["id"]


def _of_row(row: Mapping[str, Any]) -> Booked:
    return Booked(
        purchase_id=row["id"],
        status=PurchaseStatus(row["status"]),
        payment_id=row["payment_id"],
        total=Money(row["total_minor"], row["currency"]),
        credits=row["credits"],
        refunds_minor=row["refunds_minor"],
        lost_minor=row["lost_minor"],
        refunded_minor=row["refunded_minor"],
        clawed_back=row["clawed_back"],
        posted=row["posted"],
        posted_credits=row["posted_credits"],
        taken_back=row["taken_back"],
    )


async def tell_operators(found: Sequence[Difference], *, at: datetime) -> None:
    """Tell the platform's staff what does not agree, once a day for the same set."""
    if not found:
        return
    lines = sorted(f"{each.kind}, {each.reference}: {each.text}" for each in found)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    more = f"\n… and {len(lines) - _TOLD} more: credits reconcile" if len(lines) > _TOLD else ""
    notice = Notice(
        occasion=f"reconciliation:{at:%Y-%m-%d}:{digest}",
        account_id="",
        title="Payments and credits do not agree",
        text="\n".join(lines[:_TOLD]) + more,
        urgent=True,
    )
    await outbox.add(get_connection("default"), [operators.message(notice)])
