"""Old events of the sandbox's Stripe, found to be delivered again."""

from datetime import UTC, datetime

from app.sandbox.errors import ApiError, no_such
from app.sandbox.ids import is_id, is_name
from app.sandbox.models import Event

# Each is delivered while the caller waits.
_MOST = 200


async def events_of(*, event_id: str | None, purchase_id: str | None, since: str | None) -> list[Event]:
    """One event, or those of a purchase, or all from an instant on (ISO 8601; both together narrow down), oldest
    first. Refused: an unknown event (404), neither of the three, more than 200 events (400)."""
    if event_id is not None:
        event = await Event.get_or_none(id=event_id) if is_id(event_id) else None
        if event is None:
            raise no_such("event", event_id, param="event_id")
        return [event]
    if purchase_id is None and since is None:
        raise ApiError(400, "Name an event_id, a purchase_id, or since when.", param="event_id")
    found = Event.all()
    if purchase_id is not None:
        found = found.filter(purchase_id=purchase_id if is_name(purchase_id) else "")
    if since is not None:
        found = found.filter(created_at__gte=_instant(since))
    events = await found.order_by("created_at", "id").limit(_MOST + 1)
    if len(events) > _MOST:
        raise ApiError(400, f"These are more than {_MOST} events. Narrow them down by purchase_id or since.")
    return events


def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ApiError(400, "since wants an instant, as in 2026-01-31T12:00:00Z.", param="since") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
