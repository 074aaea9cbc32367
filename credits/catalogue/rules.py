"""Prices: what a purchase costs, and the smallest purchase that covers a shortfall. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from credits.errors import Refusal, RefusalCode
from credits.ledger.wallet import MAX_OPERATION
from credits.money import Money, UnitPrice

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
    """Credits for sale. Without `credits` and `price` the price is agreed with each account, in `currency`, for at
    least `minimum_credits`. The credits bought are good for `valid_for_days` (None: for ever)."""

    code: str
    name: str
    credits: int | None
    price: Money | None
    currency: str
    minimum_credits: int | None
    valid_for_days: int | None
    tiers: tuple[PriceTier, ...]
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StagingTypeView:
    """A kind of staging job and what one of it costs, in credits."""

    code: str
    name: str
    credits: int
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What an account pays for a credit of a package whose price is agreed, for at least `minimum_credits` at once,
    until `valid_until` (None: until it is ended). One that has `lapsed` buys nothing."""

    minimum_credits: int
    unit: UnitPrice
    valid_until: datetime | None
    lapsed: bool


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


def quote(
    package: PackageView | None, *, quantity: int, credits_wanted: int | None, agreement: Agreement | None = None
) -> Quote:
    """The price of a purchase, or the refusal that says why there is none. The account's agreement is for packages
    without a price of their own."""
    if package is None or not package.active:
        raise Refusal(
            RefusalCode.UNKNOWN_PACKAGE,
            "There is no such package for sale. The query packages lists those there are.",
            field="packageCode",
        )
    if not 1 <= quantity <= MAX_QUANTITY:
        raise Refusal(RefusalCode.INVALID, f"Between 1 and {MAX_QUANTITY:,} packages at once.", field="quantity")
    if package.credits is None or package.price is None:
        return _agreed(package, quantity, credits_wanted, agreement)
    if credits_wanted is not None:
        raise Refusal(
            RefusalCode.INVALID,
            f"{package.name} has {package.credits} credits; give a quantity instead.",
            field="credits",
        )
    found = Quote(
        package=package, quantity=quantity, credits=package.credits * quantity, unit=_unit_price(package, quantity)
    )
    return _payable(found, field="quantity")


def _agreed(package: PackageView, quantity: int, credits_wanted: int | None, agreement: Agreement | None) -> Quote:
    """All of it as one: the payer sees one line with the whole price, which no price of a single credit can show."""
    unagreed = _why_unagreed(package, agreement)
    minimum = package.minimum_credits or 1
    if agreement is not None and unagreed is None:
        minimum = max(minimum, agreement.minimum_credits)
    if quantity != 1:
        raise Refusal(RefusalCode.INVALID, "Give the number of credits; the quantity is then 1.", field="quantity")
    if credits_wanted is None:
        raise Refusal(RefusalCode.INVALID, f"Say how many credits, {minimum:,} or more.", field="credits")
    if credits_wanted < minimum:
        raise Refusal(
            RefusalCode.BELOW_MINIMUM,
            f"{package.name} starts at {minimum:,} credits. Buy more at once, or another package.",
            field="credits",
        )
    if agreement is None or unagreed is not None:
        raise Refusal(
            RefusalCode.CUSTOM_PRICE_REQUIRED, f"{unagreed} Ask for a price with requestQuote.", field="packageCode"
        )
    found = Quote(package=package, quantity=1, credits=credits_wanted, unit=agreement.unit.total(credits_wanted))
    return _payable(found, field="credits")


def _why_unagreed(package: PackageView, agreement: Agreement | None) -> str | None:
    if agreement is None:
        return f"{package.name} has a price agreed with each account, and yours has none yet."
    if agreement.lapsed:
        return "The price agreed with your account has lapsed."
    if agreement.unit.currency != package.currency:
        return f"The price agreed with your account is in {agreement.unit.currency}, not in {package.currency}."
    return None


def _payable(found: Quote, *, field: str) -> Quote:
    """The quote, if one payment can be made of it."""
    if found.total.amount_minor > MAX_TOTAL_MINOR:
        most = Money(MAX_TOTAL_MINOR, found.unit.currency).formatted
        raise Refusal(RefusalCode.INVALID, f"One payment takes at most {most}. Buy fewer at once.", field=field)
    if found.credits > MAX_OPERATION:
        raise Refusal(RefusalCode.INVALID, f"At most {MAX_OPERATION:,} credits at once. Buy fewer.", field=field)
    if found.total.amount_minor < 1:
        raise Refusal(RefusalCode.INVALID, "So few credits would cost nothing. Buy more at once.", field=field)
    return found


def _unit_price(package: PackageView, quantity: int) -> Money:
    assert package.price is not None  # noqa: S101 for mypy: a fixed price was asked for
    reached = [tier for tier in package.tiers if tier.minimum_quantity <= quantity]
    return max(reached, key=lambda tier: tier.minimum_quantity).price if reached else package.price


def fewest_agreed(packages: Iterable[PackageView]) -> int:
    """How many credits one has to take at least for a price to be agreed on."""
    return min((each.minimum_credits or 1 for each in packages if each.active and each.price is None), default=1)


def smallest_purchase(packages: Iterable[PackageView], missing: int) -> tuple[PackageView, int] | None:
    """The package and quantity that bring at least `missing` credits: the lowest price, then the fewest credits. None
    where nothing with a fixed price does."""
    choices = []
    for package in packages:
        if not package.active or package.credits is None or package.price is None:
            continue
        quantity = -(-missing // package.credits)
        total = _unit_price(package, quantity).amount_minor * quantity
        if quantity <= MAX_QUANTITY and total <= MAX_TOTAL_MINOR:
            choices.append((total, package.credits * quantity, package.code, package, quantity))
    if not choices:
        return None
    *_, package, quantity = min(choices, key=lambda choice: choice[:3])
    return package, quantity
