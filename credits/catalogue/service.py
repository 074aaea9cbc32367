"""The catalogue as data: read from the database, loaded into it from a TOML file."""

import tomllib
from dataclasses import dataclass
from typing import Any

from tortoise.transactions import in_transaction

from credits.catalogue.models import Package, StagingType
from credits.catalogue.rules import PackageView, PriceTier
from credits.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class StagingTypeView:
    """A kind of staging job and what one of it costs, in credits."""

    code: str
    name: str
    credits: int
    active: bool


async def packages() -> list[PackageView]:
    """What is for sale, in the catalogue's order."""
    return [_package(row) for row in await Package.filter(active=True).order_by("position")]


async def packages_by_code() -> dict[str, PackageView]:
    """Every package there ever was, by code."""
    return {row.code: _package(row) for row in await Package.all()}


async def staging_types() -> list[StagingTypeView]:
    """What can be staged, in the catalogue's order."""
    return [_staging_type(row) for row in await StagingType.filter(active=True).order_by("position")]


async def staging_types_by_code() -> dict[str, StagingTypeView]:
    """Every staging type there ever was, by code."""
    return {row.code: _staging_type(row) for row in await StagingType.all()}


def _package(row: Package) -> PackageView:
    tiers = (
        PriceTier(minimum_quantity=tier["minimum_quantity"], price=Money(tier["price_minor"], row.currency))
        for tier in row.tiers
    )
    return PackageView(
        code=row.code,
        name=row.name,
        credits=row.credits,
        price=None if row.price_minor is None else Money(row.price_minor, row.currency),
        minimum_credits=row.minimum_credits,
        valid_for_days=row.valid_for_days,
        tiers=tuple(sorted(tiers, key=lambda tier: tier.minimum_quantity)),
        active=row.active,
    )


def _staging_type(row: StagingType) -> StagingTypeView:
    return StagingTypeView(code=row.code, name=row.name, credits=row.credits, active=row.active)


async def load(document: str) -> None:
    """Make the catalogue what the TOML document says: new entries are added, changed ones changed, and those that it no
    longer has are no longer offered. Raises ValueError, naming the entry, for one that is not complete."""
    data = tomllib.loads(document)
    async with in_transaction() as connection:
        await Package.all().using_db(connection).update(active=False)
        await StagingType.all().using_db(connection).update(active=False)
        for position, entry in enumerate(_entries(data, "packages", {"code", "name", "currency"})):
            await Package.update_or_create(
                {
                    "name": entry["name"],
                    "credits": entry.get("credits"),
                    "price_minor": entry.get("price_minor"),
                    "currency": entry["currency"],
                    "minimum_credits": entry.get("minimum_credits"),
                    "valid_for_days": entry.get("valid_for_days"),
                    "tiers": entry.get("tiers", []),
                    "active": True,
                    "position": position,
                },
                using_db=connection,
                code=entry["code"],
            )
        for position, entry in enumerate(_entries(data, "staging_types", {"code", "name", "credits"})):
            await StagingType.update_or_create(
                {"name": entry["name"], "credits": entry["credits"], "active": True, "position": position},
                using_db=connection,
                code=entry["code"],
            )


def _entries(data: dict[str, Any], section: str, required: set[str]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = data.get(section, [])
    for entry in entries:
        if missing := required - entry.keys():
            raise ValueError(f"{section}: {entry.get('code', entry)} lacks {', '.join(sorted(missing))}")
    return entries
