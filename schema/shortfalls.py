"""Why credits were refused, and what would help."""

from collections.abc import Sequence

import strawberry

from credits.accounts.rules import Action, Place, Standing, may
from credits.catalogue.rules import PackageView, smallest_purchase
from credits.catalogue.service import packages
from credits.ledger import posting
from credits.ledger.posting import Refused
from schema.catalogue import Package


@strawberry.type(description="Why credits were refused and what would help.")
class Shortfall:
    required: int
    available: int
    missing: int
    held: int
    frozen: int
    suggested_package: Package | None = strawberry.field(description="The smallest purchase that covers it.")
    suggested_quantity: int | None
    can_request_allocation: bool = strawberry.field(description="Whether requestAllocation is open to the caller.")


async def shortfall_of(standing: Standing, outcome: object, place: Place) -> Shortfall | None:
    """For a refusal at that place for want of credits; None for any other outcome."""
    (shortfall,) = await shortfalls_of(standing, [(outcome, place)])
    return shortfall


async def shortfalls_of(standing: Standing, outcomes: Sequence[tuple[object, Place | None]]) -> list[Shortfall | None]:
    """The same for many outcomes; what is for sale is read once, and only where somebody needs it."""
    short = [(each.shortfall if isinstance(each, Refused) else None, place) for each, place in outcomes]
    offered = await packages() if any(found for found, _ in short) else []
    return [_helping(found, offered, standing, place) if found else None for found, place in short]


def _helping(
    found: posting.Shortfall, offered: Sequence[PackageView], standing: Standing, place: Place | None
) -> Shortfall:
    suggestion = smallest_purchase(offered, found.missing)
    return Shortfall(
        required=found.required,
        available=found.available,
        missing=found.missing,
        held=found.held,
        frozen=found.frozen,
        suggested_package=Package.of(suggestion[0]) if suggestion else None,
        suggested_quantity=suggestion[1] if suggestion else None,
        can_request_allocation=_can_ask(standing, place),
    )


def _can_ask(standing: Standing, place: Place | None) -> bool:
    return place is not None and place.department_id is not None and may(standing, Action.REQUEST_ALLOCATION, place)
