"""Lists of the sandbox's Stripe: pages of rows, newest first, as its API gives them.

https://docs.stripe.com/api/pagination
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from tortoise.expressions import Q
from tortoise.queryset import QuerySet

from app.sandbox.errors import ApiError, no_such
from app.sandbox.ids import is_id
from app.sandbox.models import Dispute, Event, Payment, Refund
from app.sandbox.objects import JsonObject

Row = TypeVar("Row", Dispute, Event, Payment, Refund)

_LIMIT, _MOST = 10, 100
_COMMON = re.compile(r"limit|starting_after|created\[(?:gt|gte|lt|lte)\]|expand\[[0-9]\]")
# Stripe counts whole seconds: what was made within one is not after it.
_CREATED = {
    "gte": ("created_at__gte", 0),
    "gt": ("created_at__gte", 1),
    "lte": ("created_at__lt", 1),
    "lt": ("created_at__lt", 0),
}
_LAST_SECOND = 253_402_300_799


async def page(
    rows: QuerySet[Row], query: Mapping[str, str], *, url: str, shown: Callable[[Row], JsonObject]
) -> JsonObject:
    """The page of these rows that is asked for. Refused, as Stripe does: a limit that is none from 1 to 100, an
    unknown row to start after, instants that are no seconds."""
    limit = _limit(query)
    for name, (condition, later_s) in _CREATED.items():
        if (text := query.get(f"created[{name}]")) is not None:
            rows = rows.filter(**{condition: _instant(text, later_s, param=f"created[{name}]")})
    if (after := query.get("starting_after")) is not None:
        last = await rows.model.get_or_none(id=after) if is_id(after) else None
        if last is None:
            raise no_such("object", after, status=400, param="starting_after")
        rows = rows.filter(Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, id__lt=last.id))
    found = await rows.order_by("-created_at", "-id").limit(limit + 1)
    return {
        "object": "list",
        "data": [shown(row) for row in found[:limit]],
        "has_more": len(found) > limit,
        "url": url,
    }


def check_names(query: Mapping[str, str], *, own: str) -> None:
    """Refuse, as Stripe does, what no list takes and this one does not of its `own` (a pattern)."""
    for name in query:
        if not _COMMON.fullmatch(name) and not re.fullmatch(own, name):
            raise ApiError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(_LIMIT))
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= _MOST:
        told = f"Invalid limit: {text[:20]}. It is a whole number from 1 to {_MOST}."
        raise ApiError(400, told, code="parameter_invalid_integer", param="limit")
    return int(text)


def _instant(text: str, later_s: int, *, param: str) -> datetime:
    if not re.fullmatch("[0-9]{1,12}", text) or int(text) + later_s > _LAST_SECOND:
        raise ApiError(400, f"Invalid integer: {text[:20]}", code="parameter_invalid_integer", param=param)
    return datetime.fromtimestamp(int(text) + later_s, UTC)
