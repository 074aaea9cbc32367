"""Why credits were refused, and what would help."""

from collections.abc import Sequence

import strawberry

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


async def shortfall_of(refused: Refused) -> Shortfall | None:
    """For a refusal for want of credits; None for any other."""
    (shortfall,) = await shortfalls_of([refused])
    return shortfall


async def shortfalls_of(outcomes: Sequence[object]) -> list[Shortfall | None]:
    """The same for many outcomes; what is for sale is read once, and only where somebody needs it."""
    short = [each.shortfall if isinstance(each, Refused) else None for each in outcomes]
    offered = await packages() if any(short) else []
    return [_suggesting(each, offered) if each else None for each in short]


def _suggesting(found: posting.Shortfall, offered: Sequence[PackageView]) -> Shortfall:
    suggestion = smallest_purchase(offered, found.missing)
    return Shortfall(
        required=found.required,
        available=found.available,
        missing=found.missing,
        held=found.held,
        frozen=found.frozen,
        suggested_package=Package.of(suggestion[0]) if suggestion else None,
        suggested_quantity=suggestion[1] if suggestion else None,
    )
