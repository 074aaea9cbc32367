"""Money: whole minor units with their currency, and the price of one credit derived from them.

No floats anywhere: what is shown with decimals is computed with `Decimal` at the edge.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
# ISO 4217: currencies whose smallest unit is not a hundredth. Stripe calls those of the first group zero-decimal.
_DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "VND": 0, "BHD": 3, "KWD": 3, "TND": 3}
_UNIT_PRICE_STEP = Decimal("0.000001")


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
        rounded = exact.quantize(_UNIT_PRICE_STEP, rounding=ROUND_HALF_EVEN).normalize()
        return cls(rounded if rounded.as_tuple().exponent <= 0 else rounded.quantize(Decimal(1)), total.currency)  # type: ignore[operator]

    @property
    def formatted(self) -> str:
        """In major units with no more decimals than it has, and no fewer than money: `$1.99`, `$1.798`."""
        digits = minor_digits(self.currency)
        major = self.amount_minor.scaleb(-digits).normalize()
        decimals = max(digits, -int(major.as_tuple().exponent))
        return _with_symbol(f"{major:,.{decimals}f}", self.currency)
