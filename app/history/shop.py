"""What the accounts of a history buy: the catalogue's packages, and credits at a price that was agreed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from app.history.plan import AccountPlan
from credits.money import Money

_ROUND_LOT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package of the catalogue; without `credits` its price is agreed, from `minimum_credits` on."""

    code: str
    name: str
    credits: int | None
    price_minor: int | None
    currency: str
    minimum_credits: int | None
    valid_for_days: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """So many of a package, what they bring and what they cost."""

    package: Package
    quantity: int
    credits: int
    total: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """A purchase that was paid."""

    id: str
    offer: Offer
    valid_for_days: int | None
    payment_id: str
    transaction_id: str
    at: datetime


def offer(plan: AccountPlan, packages: Sequence[Package], at_least: int) -> Offer:
    """The best for so many credits. Enterprises with a large need, or in another currency than the packages', have
    agreed on a price."""
    agreed = [package for package in packages if package.minimum_credits is not None]
    listed = [package for package in packages if package.credits and package.currency == plan.currency]
    if agreed and plan.pools and (at_least >= (agreed[0].minimum_credits or 0) or not listed):
        wanted = max(at_least, agreed[0].minimum_credits or 0)
        amount = -(-wanted // _ROUND_LOT) * _ROUND_LOT
        total = (plan.unit_price_minor * amount).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
        return Offer(package=agreed[0], quantity=1, credits=amount, total=Money(int(total), plan.currency))
    package = min(listed or packages, key=lambda each: (abs((each.credits or 1) - at_least), each.code))
    size = package.credits or 1
    quantity = -(-at_least // size)
    total_minor = (package.price_minor or 1) * quantity
    return Offer(
        package=package, quantity=quantity, credits=size * quantity, total=Money(total_minor, package.currency)
    )
