"""Prices: what a purchase costs, and the smallest purchase that covers a shortfall. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from credits.errors import Refusal, RefusalCode
from credits.ledger.wallet import MAX_OPERATION
from credits.money import Money

MAX_QUANTITY = 10_000
# What Stripe takes in one payment: 99,999,999 of the smallest unit.
MAX_TOTAL_MINOR = 99_999_999


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTier:
    """From `minimum_quantity` packages on, each costs `price`."""

    minimum_quantity: int
    price: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageView:
    """Credits for sale. Without `credits` and `price` the price is agreed with each account, for at least
    `minimum_credits`. The credits bought are good for `valid_for_days` (None: for ever)."""

    code: str
    name: str
    credits: int | None
    price: Money | None
    minimum_credits: int | None
    valid_for_days: int | None
    tiers: tuple[PriceTier, ...]
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a purchase brings and costs: `quantity` times `unit`."""

    package: PackageView
    quantity: int
    credits: int
    unit: Money

    @property
    def total(self) -> Money:
        """What is to be paid."""
        return Money(self.unit.amount_minor * self.quantity, self.unit.currency)


def quote(package: PackageView | None, *, quantity: int, credits_wanted: int | None) -> Quote:
    """The price of a purchase, or the refusal that says why there is none."""
    if package is None or not package.active:
        raise Refusal(
            RefusalCode.UNKNOWN_PACKAGE,
            "There is no such package for sale. The query packages lists those there are.",
            field="packageCode",
        )
    if not 1 <= quantity <= MAX_QUANTITY:
        raise Refusal(RefusalCode.INVALID, f"Between 1 and {MAX_QUANTITY:,} packages at once.", field="quantity")
    if package.credits is None or package.price is None:
        raise _no_agreement(package, quantity, credits_wanted)
    if credits_wanted is not None:
        raise Refusal(
            RefusalCode.INVALID,
            f"{package.name} has {package.credits} credits; give a quantity instead.",
            field="credits",
        )
    found = Quote(
        package=package, quantity=quantity, credits=package.credits * quantity, unit=_unit_price(package, quantity)
    )
    if found.total.amount_minor > MAX_TOTAL_MINOR or found.credits > MAX_OPERATION:
        raise Refusal(
            RefusalCode.INVALID,
            f"One payment takes at most {Money(MAX_TOTAL_MINOR, found.unit.currency).formatted}. Buy fewer at once.",
            field="quantity",
        )
    return found


def _no_agreement(package: PackageView, quantity: int, credits_wanted: int | None) -> Refusal:
    minimum = package.minimum_credits or 1
    if quantity != 1:
        return Refusal(RefusalCode.INVALID, "Give the number of credits; the quantity is then 1.", field="quantity")
    if credits_wanted is None:
        return Refusal(RefusalCode.INVALID, f"Say how many credits, {minimum:,} or more.", field="credits")
    if credits_wanted < minimum:
        return Refusal(
            RefusalCode.BELOW_MINIMUM,
            f"{package.name} starts at {minimum:,} credits. Ask for more, or buy another package.",
            field="credits",
        )
    return Refusal(
        RefusalCode.CUSTOM_PRICE_REQUIRED,
        f"{package.name} has a price agreed with each account, and yours has none yet. Write to the platform's sales.",
        field="packageCode",
    )


def _unit_price(package: PackageView, quantity: int) -> Money:
    assert package.price is not None  # noqa: S101 for mypy: a fixed price was asked for
    reached = [tier for tier in package.tiers if tier.minimum_quantity <= quantity]
    return max(reached, key=lambda tier: tier.minimum_quantity).price if reached else package.price


def smallest_purchase(packages: Iterable[PackageView], missing: int) -> tuple[PackageView, int] | None:
    """The package and quantity that bring at least `missing` credits: the lowest price, then the fewest credits. None
    where nothing with a fixed price does."""
    choices = []
    for package in packages:
        if not package.active or package.credits is None or package.price is None:
            continue
        quantity = -(-missing // package.credits)
        if quantity <= MAX_QUANTITY:
            total = _unit_price(package, quantity).amount_minor * quantity
            choices.append((total, package.credits * quantity, package.code, package, quantity))
    if not choices:
        return None
    *_, package, quantity = min(choices, key=lambda choice: choice[:3])
    return package, quantity
