"""Money: whole minor units with their currency, and the price of one credit derived from them.

No floats anywhere: what is shown with decimals is computed with `Decimal` at the edge.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
# ISO 4217: currencies whose smallest unit is not a hundredth. Stripe calls those of the first group zero-decimal.
_DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "VND": 0, "BHD": 3, "KWD": 3, "TND": 3}
_UNIT_PRICE_STEP = Decimal("0.000001")
_CURRENCY = re.compile("[A-Z]{3}")


def is_currency(text: str) -> bool:
    """Whether it is shaped as ISO 4217's codes are; whether payments in it are taken the provider says."""
    return _CURRENCY.fullmatch(text) is not None


def minor_digits(currency: str) -> int:
    """How many decimals the currency's major unit has (2 for most)."""
    return _DIGITS.get(currency, 2)


def _with_symbol(text: str, currency: str) -> str:
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{text}" if symbol else f"{currency} {text}"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the currency's smallest unit: `Money(19900, "USD")` is $199.00."""

    amount_minor: int
    currency: str

    @property
    def formatted(self) -> str:
        """As people write it: `$1,899.00`, or `CHF 1,899.00` where the currency has no sign of its own here."""
        digits = minor_digits(self.currency)
        return _with_symbol(f"{Decimal(self.amount_minor).scaleb(-digits):,.{digits}f}", self.currency)


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """The price of one credit in the currency's smallest unit, rounded to 6 decimals."""

    amount_minor: Decimal
    currency: str

    @classmethod
    def of(cls, total: Money, credits_count: int) -> "UnitPrice":
        """What one of `credits_count` credits costs when all of them cost `total`."""
        exact = Decimal(total.amount_minor) / credits_count
        return cls.agreed(exact.quantize(_UNIT_PRICE_STEP, rounding=ROUND_HALF_EVEN), total.currency)

    @classmethod
    def agreed(cls, amount_minor: Decimal, currency: str) -> "UnitPrice":
        """A price as it was agreed, with at most 6 decimals."""
        short = amount_minor.normalize()
        return cls(short if short.as_tuple().exponent <= 0 else short.quantize(Decimal(1)), currency)  # type: ignore[operator]

    @property
    def exact(self) -> bool:
        """Whether it has no more decimals than are kept."""
        return self.amount_minor == self.amount_minor.quantize(_UNIT_PRICE_STEP)

    def total(self, credits_count: int) -> Money:
        """What so many credits cost. Rounded once, on the total and never on a credit, and half up: as whoever checks
        an invoice by hand expects it. Exact before that: 18 digits times 10 are no more than Decimal keeps."""
        total = (self.amount_minor * credits_count).quantize(Decimal(1), rounding=ROUND_HALF_UP)
        return Money(int(total), self.currency)

    @property
    def formatted(self) -> str:
        """In major units with no more decimals than it has, and no fewer than money: `$1.99`, `$1.798`."""
        digits = minor_digits(self.currency)
        major = self.amount_minor.scaleb(-digits).normalize()
        decimals = max(digits, -int(major.as_tuple().exponent))
        return _with_symbol(f"{major:,.{decimals}f}", self.currency)
