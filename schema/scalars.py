"""The API's own scalars: instants with a Z, whole numbers beyond 32 bits, exact decimals, flat metadata."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from credits.ledger.wallet import MAX_BALANCE

Long = NewType("Long", int)
Metadata = NewType("Metadata", dict[str, str])
_MAX_SAFE = 2**53 - 1


def _write_instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _read_instant(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise GraphQLError("An instant is written like 2026-11-22T09:30:00Z.") from None
    if at.tzinfo is None or not 1 < at.year < 9999:
        raise GraphQLError("An instant has a time zone, like 2026-11-22T09:30:00Z, and a year from 2 to 9998.")
    return at.astimezone(UTC)


def _read_date(value: Any) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise GraphQLError("A date is written like 2026-11-22.") from None


def _write_long(value: int) -> int:
    if abs(value) > _MAX_SAFE:
        raise GraphQLError("This number is too large to be told exactly.")
    return value


def _read_long(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MAX_SAFE:
        raise GraphQLError(f"A whole number from -{_MAX_SAFE} to {_MAX_SAFE}.")
    return value


def _read_metadata(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(entry, str) for entry in value.values()):
        raise GraphQLError('A flat object of strings, like {"listing": "A-17"}.')
    return dict(value)


def _write_metadata(value: Mapping[str, str]) -> dict[str, str]:
    return dict(value)


def _read_decimal(value: Any) -> Decimal:
    try:
        number = Decimal(value) if isinstance(value, str) else None
    except ArithmeticError:
        number = None
    if number is None or not number.is_finite() or abs(number) > MAX_BALANCE:
        raise GraphQLError('An exact decimal number as a string, like "179.8".')
    return number


def _write_decimal(value: Decimal) -> str:
    return f"{value:f}"


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="ISO 8601 instant, UTC, with a trailing Z.",
        serialize=_write_instant,
        parse_value=_read_instant,
    ),
    date: strawberry.scalar(
        name="Date", description="Calendar date, YYYY-MM-DD.", serialize=date.isoformat, parse_value=_read_date
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description="An exact decimal number, sent as a string.",
        serialize=_write_decimal,
        parse_value=_read_decimal,
    ),
    Long: strawberry.scalar(
        name="Long",
        description="A whole number up to 2^53 - 1, sent as a JSON number.",
        serialize=_write_long,
        parse_value=_read_long,
    ),
    Metadata: strawberry.scalar(
        name="Metadata",
        description="A flat object of at most 20 string values of at most 500 characters; keys of at most 40.",
        serialize=_write_metadata,
        parse_value=_read_metadata,
    ),
}
