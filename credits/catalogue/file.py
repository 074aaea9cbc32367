"""The catalogue as a TOML document: read, and what is wrong with it told by section and entry. Pure."""

import re
import tomllib
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any, TypeVar

from credits.catalogue.checks import checked_package, checked_staging_type
from credits.catalogue.rules import PackageView, PriceTier, StagingTypeView
from credits.errors import Refusal
from credits.money import Money

Entry = TypeVar("Entry", PackageView, StagingTypeView)
Fields = dict[str, Any]

_STAGING_TYPE = {"code": str, "name": str, "credits": int}
_PACKAGE = {
    "code": str,
    "name": str,
    "currency": str,
    "credits": int,
    "price_minor": int,
    "minimum_credits": int,
    "valid_for_days": int,
    "tiers": list,
}
_TIER = {"minimum_quantity": int, "price_minor": int}
_WORDS = {str: "a text", int: "a whole number", list: "a list"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What is for sale and what staging costs, in the document's order."""

    packages: tuple[PackageView, ...]
    staging_types: tuple[StagingTypeView, ...]


def read(document: str) -> Catalogue:
    """What the document says. Raises ValueError, naming section and entry, for one that is incomplete or wrong."""
    data = tomllib.loads(document)
    if unknown := data.keys() - {"packages", "staging_types"}:
        raise ValueError(f"there is no section {', '.join(sorted(unknown))}")
    return Catalogue(
        packages=_section(data, "packages", _package), staging_types=_section(data, "staging_types", _staging_type)
    )


def _section(data: Fields, section: str, made: Callable[[Fields], Entry]) -> tuple[Entry, ...]:
    entries = data.get(section, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{section}: a list of entries is wanted, each headed [[{section}]]")
    found: dict[str, Entry] = {}
    for number, entry in enumerate(entries, start=1):
        name = entry.get("code", f"entry {number}")
        try:
            view = made(entry)
        except Refusal as refusal:
            raise ValueError(f"{section}: {name}: {_as_in_files(refusal.field)}: {refusal.message}") from refusal
        except ValueError as error:
            raise ValueError(f"{section}: {name}: {error}") from error
        if view.code in found:
            raise ValueError(f"{section}: {name} is there twice")
        found[view.code] = view
    return tuple(found.values())


def _as_in_files(field: str | None) -> str:
    return re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", field or "")


def _package(entry: Fields) -> PackageView:
    _check_types(entry, _PACKAGE, required={"code", "name", "currency"})
    currency = entry["currency"]
    price = entry.get("price_minor")
    return checked_package(
        PackageView(
            code=entry["code"],
            name=entry["name"],
            credits=entry.get("credits"),
            price=None if price is None else Money(price, currency),
            currency=currency,
            minimum_credits=entry.get("minimum_credits"),
            valid_for_days=entry.get("valid_for_days"),
            tiers=tuple(_tier(tier, currency) for tier in entry.get("tiers", [])),
            active=True,
        )
    )


def _tier(entry: Any, currency: str) -> PriceTier:
    if not isinstance(entry, dict):
        raise ValueError("a tier is written as { minimum_quantity = 10, price_minor = 17900 }")  # noqa: TRY004 of the file
    _check_types(entry, _TIER, required=_TIER.keys())
    return PriceTier(minimum_quantity=entry["minimum_quantity"], price=Money(entry["price_minor"], currency))


def _staging_type(entry: Fields) -> StagingTypeView:
    _check_types(entry, _STAGING_TYPE, required=_STAGING_TYPE.keys())
    return checked_staging_type(
        StagingTypeView(code=entry["code"], name=entry["name"], credits=entry["credits"], active=True)
    )


def _check_types(entry: Fields, types: Mapping[str, type], *, required: Set[str]) -> None:
    if missing := required - entry.keys():
        raise ValueError(f"lacks {', '.join(sorted(missing))}")
    if unknown := entry.keys() - types.keys():
        raise ValueError(f"has no {', '.join(sorted(unknown))}")
    for name, value in entry.items():
        # Of TOML's values a truth is a number too.
        if type(value) is not types[name]:
            raise ValueError(f"{name} is {_WORDS[types[name]]}")
