"""The catalogue as data: read from the database, changed in it by operators, loaded into it from a TOML file."""

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits.accounts.audit_log import record
from credits.actors import Actor
from credits.catalogue.checks import checked_package, checked_staging_type
from credits.catalogue.file import read
from credits.catalogue.models import Package, StagingType
from credits.catalogue.rules import PackageView, PriceTier, StagingTypeView
from credits.faults import trying_again
from credits.money import Money

# One writer at a time, so that two new entries do not get one place; whoever reads is not held up.
_LOCK_PACKAGES = "LOCK TABLE packages IN SHARE ROW EXCLUSIVE MODE"
_LOCK_STAGING_TYPES = "LOCK TABLE staging_types IN SHARE ROW EXCLUSIVE MODE"


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
        currency=row.currency,
        minimum_credits=row.minimum_credits,
        valid_for_days=row.valid_for_days,
        tiers=tuple(sorted(tiers, key=lambda tier: tier.minimum_quantity)),
        active=row.active,
    )


def _staging_type(row: StagingType) -> StagingTypeView:
    return StagingTypeView(code=row.code, name=row.name, credits=row.credits, active=row.active)


async def set_package(actor: Actor, wanted: PackageView) -> PackageView:
    """Sell it like this from the next purchase on, or sell something new, last in the list; what was bought keeps its
    price. One that is no longer active stays, for the sake of what was bought. Refused as `checked_package` says."""
    package = checked_package(wanted)

    async def work() -> None:
        async with in_transaction() as connection:
            await connection.execute_query(_LOCK_PACKAGES)
            row = await Package.get_or_none(code=package.code, using_db=connection)
            before = _told_of_package(_package(row)) if row else None
            position = row.position if row else await Package.all().using_db(connection).count()
            await _write_package(connection, package, position)
            await _record(connection, actor, "setPackage", package.code, before, _told_of_package(package))

    await trying_again(work)
    return package


async def set_staging_type(actor: Actor, wanted: StagingTypeView) -> StagingTypeView:
    """Let it cost this from the next deduction or hold on, or offer a new kind, last in the list; open holds keep their
    price. One that is no longer active stays. Refused as `checked_staging_type` says."""
    staging_type = checked_staging_type(wanted)

    async def work() -> None:
        async with in_transaction() as connection:
            await connection.execute_query(_LOCK_STAGING_TYPES)
            row = await StagingType.get_or_none(code=staging_type.code, using_db=connection)
            before = _told_of_staging_type(_staging_type(row)) if row else None
            position = row.position if row else await StagingType.all().using_db(connection).count()
            await _write_staging_type(connection, staging_type, position)
            after = _told_of_staging_type(staging_type)
            await _record(connection, actor, "setStagingType", staging_type.code, before, after)

    await trying_again(work)
    return staging_type


async def load(document: str) -> None:
    """Make the catalogue what the TOML document says: new entries are added, changed ones changed, and those that it no
    longer has are no longer offered. Raises ValueError, naming the entry, for one that is not complete or not right;
    then nothing is changed."""
    catalogue = read(document)
    async with in_transaction() as connection:
        await connection.execute_query(_LOCK_PACKAGES)
        await connection.execute_query(_LOCK_STAGING_TYPES)
        await Package.all().using_db(connection).update(active=False)
        await StagingType.all().using_db(connection).update(active=False)
        for position, package in enumerate(catalogue.packages):
            await _write_package(connection, package, position)
        for position, staging_type in enumerate(catalogue.staging_types):
            await _write_staging_type(connection, staging_type, position)


async def _write_package(connection: BaseDBAsyncClient, package: PackageView, position: int) -> None:
    await Package.update_or_create(
        {
            "name": package.name,
            "credits": package.credits,
            "price_minor": package.price and package.price.amount_minor,
            "currency": package.currency,
            "minimum_credits": package.minimum_credits,
            "valid_for_days": package.valid_for_days,
            "tiers": [
                {"minimum_quantity": tier.minimum_quantity, "price_minor": tier.price.amount_minor}
                for tier in package.tiers
            ],
            "active": package.active,
            "position": position,
        },
        using_db=connection,
        code=package.code,
    )


async def _write_staging_type(connection: BaseDBAsyncClient, staging_type: StagingTypeView, position: int) -> None:
    await StagingType.update_or_create(
        {
            "name": staging_type.name,
            "credits": staging_type.credits,
            "active": staging_type.active,
            "position": position,
        },
        using_db=connection,
        code=staging_type.code,
    )


async def _record(
    connection: BaseDBAsyncClient,
    actor: Actor,
    action: str,
    code: str,
    before: dict[str, object] | None,
    after: dict[str, object],
) -> None:
    """The catalogue concerns all, so its changes are of no account."""
    if before != after:
        await record(connection, actor, action, account_id=None, target=code, before=before, after=after)


def _told_of_package(package: PackageView) -> dict[str, object]:
    return {
        "name": package.name,
        "credits": package.credits,
        "priceMinor": package.price and package.price.amount_minor,
        "currency": package.currency,
        "minimumCredits": package.minimum_credits,
        "validForDays": package.valid_for_days,
        "tiers": ", ".join(f"{tier.minimum_quantity}: {tier.price.amount_minor}" for tier in package.tiers) or None,
        "active": package.active,
    }


def _told_of_staging_type(staging_type: StagingTypeView) -> dict[str, object]:
    return {"name": staging_type.name, "credits": staging_type.credits, "active": staging_type.active}
