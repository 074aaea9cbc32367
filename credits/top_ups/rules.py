"""When an automatic top-up buys, how much, and why it does not; what suspends it. Pure.

Whoever looks gives what is so now; the conditions are asked in one order, and the first that stands in the way is told.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from credits.accounts.zones import Zones
from credits.catalogue.rules import MAX_QUANTITY, PackageView, Quote, quote
from credits.errors import Refusal, RefusalCode
from credits.ledger.wallet import MAX_BALANCE

MAX_THRESHOLD = 1_000_000_000
MAX_FAILURES = 3
ATTEMPTS = 2
ATTEMPTS_WITHIN = timedelta(minutes=10)
AFTER_FAILURE = timedelta(hours=1)
# What is under way is asked for again so often; what only its owner can change, so rarely.
WHILE_UNDER_WAY = timedelta(minutes=10)
WHILE_IMPOSSIBLE = timedelta(days=1)

NO_CARD = "No card is saved yet. Buy credits once through the checkout: that saves one, and automatic top-ups begin."


class Why(StrEnum):
    """Why nothing was bought."""

    DISABLED = "The automatic top-up is off."
    SUSPENDED = "The automatic top-up is suspended."
    ACCOUNT_SUSPENDED = "The account is suspended."
    BACK_ABOVE = "The balance is no longer below the threshold."
    UNDER_WAY = "Purchases under way bring enough."
    ONE_AT_A_TIME = "An automatic purchase is under way."
    TOO_OFTEN = "Two automatic purchases were made within 10 minutes. The next look comes when that is over."
    FAILED_LATELY = "An automatic purchase failed less than an hour ago. The next look comes when that is over."
    NOT_FOR_SALE = "The package is no longer for sale. Set the automatic top-up to another one."
    TOO_MUCH = "One payment cannot buy as much as is missing. Choose a larger package or a lower threshold."
    MONTHLY_LIMIT = "The month's limit is reached. Raise it, buy by hand, or wait for the next month."
    NO_ROOM = "The wallet could not hold the credits. Choose a smaller package or quantity."


# What people have to know of, because nothing is bought until they act or time has passed.
SHOWN = frozenset({Why.TOO_OFTEN, Why.FAILED_LATELY, Why.NOT_FOR_SALE, Why.TOO_MUCH, Why.MONTHLY_LIMIT, Why.NO_ROOM})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Buy this."""

    offer: Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Buy nothing; look again then (None: when the balance next falls)."""

    why: Why
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the owner wants: `quantity` packages, or as many more as it takes, when fewer than `threshold` credits are
    available, for no more than the limit in a month."""

    threshold: int
    quantity: int
    monthly_limit_minor: int | None = None
    enabled: bool = True
    suspended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is so at the time of the look. `under_way` are the credits of all open purchases of the wallet; `asked_at`,
    newest first, when automatic purchases were made lately, `failed_at` when one last failed; `spent_minor` what those
    of this month that are paid or open cost, `next_month` when the next begins where the account is."""

    now: datetime
    package: PackageView | None
    account_suspended: bool = False
    available: int
    balance: int
    debt: int = 0
    under_way: int = 0
    one_open: bool = False
    asked_at: tuple[datetime, ...] = ()
    failed_at: datetime | None = None
    spent_minor: int = 0
    next_month: datetime


def has_fallen(*, below: int | None, asked: bool, before: int, available: int) -> bool:
    """Whether a commit calls for a look: it took something, what it left is below the threshold, and nobody was asked
    to look yet."""
    return below is not None and not asked and available < before and available < below


def decide(setting: Setting, facts: Facts) -> Ask | Skip:
    """What to do about a wallet that had fallen below its threshold."""
    return _unwanted(setting, facts) or _not_now(setting, facts) or _order(setting, facts)


def _unwanted(setting: Setting, facts: Facts) -> Skip | None:
    if not setting.enabled:
        return Skip(why=Why.DISABLED)
    if setting.suspended:
        return Skip(why=Why.SUSPENDED)
    if facts.account_suspended:
        return Skip(why=Why.ACCOUNT_SUSPENDED)
    if facts.available >= setting.threshold:
        return Skip(why=Why.BACK_ABOVE)
    return None


def _not_now(setting: Setting, facts: Facts) -> Skip | None:
    if _expected(facts) > setting.threshold:
        return Skip(why=Why.UNDER_WAY, again_at=facts.now + WHILE_UNDER_WAY)
    if facts.one_open:
        return Skip(why=Why.ONE_AT_A_TIME, again_at=facts.now + WHILE_UNDER_WAY)
    lately = [at for at in facts.asked_at if at > facts.now - ATTEMPTS_WITHIN]
    if len(lately) >= ATTEMPTS:
        return Skip(why=Why.TOO_OFTEN, again_at=lately[ATTEMPTS - 1] + ATTEMPTS_WITHIN)
    if facts.failed_at is not None and facts.failed_at > facts.now - AFTER_FAILURE:
        return Skip(why=Why.FAILED_LATELY, again_at=facts.failed_at + AFTER_FAILURE)
    return None


def _order(setting: Setting, facts: Facts) -> Ask | Skip:
    tomorrow = facts.now + WHILE_IMPOSSIBLE
    package = facts.package
    if package is None or not package.active or package.credits is None or package.price is None:
        return Skip(why=Why.NOT_FOR_SALE, again_at=tomorrow)
    quantity = max(setting.quantity, packages_for(setting.threshold, _expected(facts), package.credits))
    try:
        offer = quote(package, quantity=quantity, credits_wanted=None)
    except Refusal:
        return Skip(why=Why.TOO_MUCH, again_at=tomorrow)
    limit = setting.monthly_limit_minor
    if limit is not None and facts.spent_minor + offer.total.amount_minor > limit:
        return Skip(why=Why.MONTHLY_LIMIT, again_at=facts.next_month)
    if facts.balance + facts.under_way + offer.credits > MAX_BALANCE:
        return Skip(why=Why.NO_ROOM, again_at=tomorrow)
    return Ask(offer=offer)


def _expected(facts: Facts) -> int:
    """What will be available when all that is open is paid: what is owed is repaid first."""
    return facts.available + facts.under_way - facts.debt


def packages_for(threshold: int, expected: int, credits_each: int) -> int:
    """How many packages bring what is expected strictly above the threshold."""
    return -(-(threshold + 1 - expected) // credits_each)


def check(package: PackageView | None, *, threshold: int, quantity: int, monthly_limit: int | None) -> PackageView:
    """The package, where such a top-up can be; refused is what never could buy anything, with what to change."""
    if not 1 <= threshold <= MAX_THRESHOLD:
        raise Refusal(RefusalCode.INVALID, f"Between 1 and {MAX_THRESHOLD:,} credits.", field="threshold")
    if package is not None and package.active and package.price is None:
        raise Refusal(
            RefusalCode.CUSTOM_PRICE_REQUIRED,
            f"{package.name} has a price agreed for each purchase. Choose a package with a fixed price.",
            field="packageCode",
        )
    offer = quote(package, quantity=quantity, credits_wanted=None)
    assert offer.package.credits is not None  # noqa: S101 for mypy: a fixed price has fixed credits
    needed = max(quantity, packages_for(threshold, 0, offer.package.credits))
    try:
        quote(package, quantity=min(needed, MAX_QUANTITY + 1), credits_wanted=None)
    except Refusal as error:
        raise Refusal(
            RefusalCode.INVALID,
            f"One payment could not bring an empty wallet above it with {offer.package.name}. Choose a larger package "
            "or a lower threshold.",
            field="threshold",
        ) from error
    if monthly_limit is not None and monthly_limit < offer.total.amount_minor:
        raise Refusal(
            RefusalCode.INVALID,
            f"One top-up costs {offer.total.formatted}, so the month's limit is at least that.",
            field="monthlyLimitMinor",
        )
    return offer.package


def suspension(failures: int, *, reason: str) -> str | None:
    """Why nothing is bought any more after so many failures in a row, for the owner to read; None: it goes on."""
    if failures < MAX_FAILURES:
        return None
    advice = "Pay for a purchase through the checkout, change the card, or set the automatic top-up anew."
    return f"{failures} automatic purchases in a row failed, the last one so: {reason[:300]} {advice}"


def month_of(zones: Zones, now: datetime) -> tuple[datetime, datetime]:
    """When the present month began where the account is, and when the next one does."""
    first = zones.day(now).replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return zones.start_of(first), zones.start_of(following)


def justification(available: int, threshold: int) -> str:
    """What approvers read of an automatic purchase."""
    return f"Automatic top-up: {available:,} credits are available, fewer than {threshold:,}."
