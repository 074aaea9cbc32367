"""What a package, a staging type and a price agreement must be, whether they come by the API or in a file. Pure.

Refused is what nobody could buy or what would not be what it says; the field is the API's name for it.
"""

import re
from dataclasses import replace
from itertools import pairwise

from credits.accounts.service import clean_name
from credits.catalogue.models import CODE_LENGTH
from credits.catalogue.rules import (
    MAX_QUANTITY,
    MAX_TOTAL_MINOR,
    Agreement,
    PackageView,
    StagingTypeView,
)
from credits.errors import Refusal, RefusalCode
from credits.ledger.wallet import MAX_OPERATION
from credits.money import Money, UnitPrice, is_currency

MAX_TIERS = 20
MAX_DAYS = 36_500
MAX_JOB_CREDITS = 1_000_000
_CODE = re.compile("[A-Z][A-Z0-9_]*")


def checked_package(package: PackageView) -> PackageView:
    """The package, its name without spaces around it. Refused: a code that is none, no name, a price without credits or
    the other way round, a price that is agreed without its fewest credits, and tiers that do not fall."""
    _check_code(package.code)
    name = clean_name(package.name, field="name")
    _check_currency(package.currency)
    _check_range(package.valid_for_days, MAX_DAYS, "days, or nothing: for ever", field="validForDays")
    if package.price is None and package.credits is None:
        _check_agreed(package)
    else:
        _check_fixed(package)
    return replace(package, name=name)


def _check_agreed(package: PackageView) -> None:
    if package.minimum_credits is None:
        raise _invalid(
            "A package has credits and a price, or minimumCredits where the price is agreed with each account.",
            field="credits",
        )
    _check_range(package.minimum_credits, MAX_OPERATION, "credits", field="minimumCredits")
    if package.tiers:
        raise _invalid("Where the price is agreed there are no tiers.", field="tiers")


def _check_fixed(package: PackageView) -> None:
    if package.price is None:
        raise _invalid("A package with credits has a price.", field="priceMinor")
    if package.credits is None:
        raise _invalid("A package with a price has credits.", field="credits")
    if package.minimum_credits is not None:
        raise _invalid("Only a package whose price is agreed has fewest credits.", field="minimumCredits")
    _check_range(package.credits, MAX_OPERATION, "credits", field="credits")
    _check_range(package.price.amount_minor, MAX_TOTAL_MINOR, "of the currency's smallest unit", field="priceMinor")
    _check_tiers(package, package.price)


def _check_tiers(package: PackageView, price: Money) -> None:
    if len(package.tiers) > MAX_TIERS:
        raise _invalid(f"At most {MAX_TIERS} tiers.", field="tiers")
    steps = [(1, price.amount_minor)]
    steps += [(tier.minimum_quantity, tier.price.amount_minor) for tier in package.tiers]
    for (fewer, dearer), (more, cheaper) in pairwise(steps):
        if not fewer < more <= MAX_QUANTITY:
            raise _invalid(
                f"The quantities of tiers rise, from 2 to at most {MAX_QUANTITY:,}; {more:,} comes after {fewer:,}.",
                field="tiers",
            )
        if not 1 <= cheaper <= dearer:
            raise _invalid(
                f"From tier to tier the price falls or stays, and is at least 1; {cheaper:,} comes after {dearer:,}.",
                field="tiers",
            )


def checked_staging_type(staging_type: StagingTypeView) -> StagingTypeView:
    """The staging type, its name without spaces around it. Refused: a code that is none, no name, and other than 1 to
    1,000,000 credits."""
    _check_code(staging_type.code)
    name = clean_name(staging_type.name, field="name")
    _check_range(staging_type.credits, MAX_JOB_CREDITS, "credits", field="credits")
    return replace(staging_type, name=name)


def checked_agreement(agreement: Agreement) -> Agreement:
    """The agreement, its price without zeros at the end. Refused is one by which nothing could be bought: it has lapsed
    already, or its fewest credits cost less than the smallest unit of money, or more than one payment takes."""
    _check_range(agreement.minimum_credits, MAX_OPERATION, "credits", field="minimumCredits")
    unit = agreement.unit
    if not 0 < unit.amount_minor <= MAX_TOTAL_MINOR or not unit.exact:
        raise _invalid(
            f"Above 0, at most {MAX_TOTAL_MINOR:,}, and with at most 6 decimals, in the currency's smallest unit.",
            field="unitPriceMinor",
        )
    _check_currency(unit.currency)
    if agreement.lapsed:
        raise _invalid("Give an instant to come, or none: until the agreement is ended.", field="validUntil")
    fewest = unit.total(agreement.minimum_credits)
    if not 1 <= fewest.amount_minor <= MAX_TOTAL_MINOR:
        most = Money(MAX_TOTAL_MINOR, fewest.currency).formatted
        raise _invalid(
            f"So many credits would cost {fewest.formatted}; one payment takes from 1 of the smallest unit to {most}. "
            "Change their number or the price.",
            field="minimumCredits",
        )
    return replace(agreement, unit=UnitPrice.agreed(unit.amount_minor, unit.currency))


def _check_code(code: str) -> None:
    if len(code) > CODE_LENGTH or not _CODE.fullmatch(code):
        raise _invalid(
            f"A code has capital letters, digits and underscores, a letter first, and at most {CODE_LENGTH} of them: "
            "BASIC_ROOM.",
            field="code",
        )


def _check_currency(currency: str) -> None:
    if not is_currency(currency):
        raise _invalid("A currency is written in three capital letters: USD.", field="currency")


def _check_range(value: int | None, most: int, what: str, *, field: str) -> None:
    if value is not None and not 1 <= value <= most:
        raise _invalid(f"Between 1 and {most:,} {what}; this is {value:,}.", field=field)


def _invalid(message: str, *, field: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field=field)
