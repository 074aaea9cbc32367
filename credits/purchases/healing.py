"""What no webhook and no return page brought: purchases that are open here are looked up at the provider, and events
that never came are handled as if they had.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from tortoise.connection import get_connection

from credits.gateways.errors import GatewayRefused, GatewayUnavailable
from credits.gateways.payments import PaymentEvent, PaymentRecords
from credits.ledger.queries import now
from credits.purchases.checkouts import Checkouts
from credits.purchases.fulfilment import fulfil, handle_event
from credits.purchases.refunds import read_returns

T = TypeVar("T")

# The provider is asked about so many at once, and about so many in one run.
AT_ONCE = 8
AT_MOST = 1_000
_ALL = 1_000_000
_PAGE = 100
_log = structlog.get_logger()

# Also what ended unpaid a short while ago: money that was under way may have arrived after all.
_DUE = """
SELECT id, checkout_id FROM purchases
WHERE checkout_id IS NOT NULL AND (status IN ('AWAITING_PAYMENT', 'PROCESSING')
        OR status IN ('CANCELED', 'EXPIRED', 'FAILED') AND moved_at > (SELECT credits_now()) - interval '3 days')
    AND (looked_at IS NULL OR looked_at < $1)
ORDER BY looked_at NULLS FIRST, id LIMIT $2
"""
_LOOKED = "UPDATE purchases SET looked_at = credits_now() WHERE id = ANY($1)"
_REFUNDED = """
SELECT p.payment_id, coalesce(sum(r.amount_minor), 0)::bigint AS minor FROM purchases p
LEFT JOIN payment_refunds r ON r.purchase_id = p.id AND r.status IN ('PENDING', 'SUCCEEDED')
WHERE p.payment_id = ANY($1) GROUP BY p.payment_id
"""
_KNOWN = "SELECT event_id FROM inbox_events WHERE source = 'stripe' AND event_id = ANY($1)"


async def look_at_open(checkouts: Checkouts, *, at_most: int = AT_MOST) -> int:
    """Bring open purchases to where their checkouts stand, those not looked at for longest first; returns how many
    were looked at. Ends early where the provider is out of reach; the next run begins with those that are left."""
    connection = get_connection("default")
    began = await now()
    looked = 0
    while looked < at_most:
        due = await connection.execute_query_dict(_DUE, [began, min(AT_ONCE, at_most - looked)])
        answered = await asyncio.gather(*(_look(checkouts, row["checkout_id"]) for row in due))
        # Those without an answer too: one that never gets any must not stand before all others for ever.
        await connection.execute_query(_LOOKED, [[row["id"] for row in due]])
        looked += len(due)
        if not due or not all(answered):
            break
    return looked


async def heal(checkouts: Checkouts, records: PaymentRecords, *, days: int) -> None:
    """Everything that the provider can tell of the last so many days (1 to 30), also what is not yet due to be looked
    at. Raises GatewayUnavailable, GatewayRefused."""
    since = await now() - timedelta(days=days)
    await handle_missed(checkouts, records, since=since)
    await look_at_open(checkouts, at_most=_ALL)
    await read_unknown_refunds(checkouts, records, since=since)


async def _look(checkouts: Checkouts, checkout_id: str) -> bool:
    """Whether the provider had an answer."""
    try:
        await fulfil(checkouts, await checkouts.gateway.checkout(checkout_id))
    except GatewayUnavailable as error:
        _log.warning("checkout_not_looked_at", checkout=checkout_id, reason=str(error))
        return False
    except GatewayRefused as error:
        _log.error("checkout_unknown", checkout=checkout_id, reason=str(error))
    return True


async def handle_missed(checkouts: Checkouts, records: PaymentRecords, *, since: datetime) -> int:
    """Handle the events since then that the inbox does not have, in the order in which they happened; returns how many
    they were. Raises GatewayUnavailable, GatewayRefused; what was handled until then stays so."""
    missed: list[PaymentEvent] = []
    async for page in pages(records.events_since(since)):
        rows = await get_connection("default").execute_query_dict(_KNOWN, [[event.id for event in page]])
        known = {row["event_id"] for row in rows}
        missed += [each for each in page if each.id not in known and _is_ours(checkouts, each)]
    for event in reversed(missed):
        outcome = await handle_event(checkouts, event, {"id": event.id, "type": event.type, "found": "reconciliation"})
        _log.warning("event_was_missed", event_id=event.id, type=event.type, outcome=outcome)
    return len(missed)


async def read_unknown_refunds(checkouts: Checkouts, records: PaymentRecords, *, since: datetime) -> int:
    """Record the refunds of payments since then of which another sum went back at the provider than we know of; returns
    how many payments they were. The provider forgets events after 30 days, and refunds never. Raises
    GatewayUnavailable, GatewayRefused."""
    read = 0
    async for page in pages(records.payments_since(since)):
        rows = await get_connection("default").execute_query_dict(_REFUNDED, [[payment.id for payment in page]])
        known = {row["payment_id"]: row["minor"] for row in rows}
        for payment in page:
            if known.get(payment.id, payment.refunded.amount_minor) != payment.refunded.amount_minor:
                await read_returns(checkouts, records, payment.id)
                read += 1
    return read


def _is_ours(checkouts: Checkouts, event: PaymentEvent) -> bool:
    return event.account is None and event.livemode == checkouts.live


async def pages(items: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    """The same, a hundred at a time, so that the database is asked once for each page."""
    page: list[T] = []
    async for item in items:
        page.append(item)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page
