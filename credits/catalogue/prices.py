"""What an account pays: its price agreement, set and ended by operators, and the price of a purchase by it."""

from datetime import datetime

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits.accounts.audit_log import record
from credits.accounts.models import Account
from credits.actors import Actor
from credits.catalogue.checks import checked_agreement
from credits.catalogue.models import PriceAgreement
from credits.catalogue.rules import Agreement, Quote, quote
from credits.catalogue.service import packages_by_code
from credits.errors import NotFound
from credits.faults import trying_again
from credits.ledger.queries import now as present
from credits.money import UnitPrice


async def quoted(
    account_id: str, package_code: str, *, quantity: int, credits_wanted: int | None, now: datetime
) -> Quote:
    """What a purchase of the account costs now, read in the database transaction of whoever asks, if they have one.
    Refused as `quote` says."""
    package = (await packages_by_code()).get(package_code)
    by_agreement = package is not None and package.price is None
    agreement = await agreement_of(account_id, now=now) if by_agreement else None
    return quote(package, quantity=quantity, credits_wanted=credits_wanted, agreement=agreement)


async def agreement_of(account_id: str, *, now: datetime) -> Agreement | None:
    """The account's agreement, if there is one; also one that has lapsed."""
    row = await PriceAgreement.get_or_none(account_id=account_id)
    return _agreement(row, now) if row else None


def _agreement(row: PriceAgreement, now: datetime) -> Agreement:
    return Agreement(
        minimum_credits=row.minimum_credits,
        unit=UnitPrice.agreed(row.unit_price_minor, row.currency),
        valid_until=row.valid_until,
        lapsed=_has_lapsed(row.valid_until, now),
    )


def _has_lapsed(valid_until: datetime | None, now: datetime) -> bool:
    return valid_until is not None and valid_until <= now


async def set_agreement(
    actor: Actor, account_id: str, *, minimum_credits: int, unit: UnitPrice, valid_until: datetime | None
) -> None:
    """From the next purchase on the account pays this for a credit of a package whose price is agreed; what it bought
    before keeps its price. Refused as `checked_agreement` says."""

    async def work() -> None:
        async with in_transaction() as connection:
            await _lock(connection, account_id)
            at = await present()
            wanted = checked_agreement(
                Agreement(
                    minimum_credits=minimum_credits,
                    unit=unit,
                    valid_until=valid_until,
                    lapsed=_has_lapsed(valid_until, at),
                )
            )
            row = await PriceAgreement.get_or_none(account_id=account_id, using_db=connection)
            before = _told_of(_agreement(row, at)) if row else None
            if before == _told_of(wanted):
                return
            values = {
                "minimum_credits": minimum_credits,
                "unit_price_minor": wanted.unit.amount_minor,
                "currency": wanted.unit.currency,
                "valid_until": valid_until,
                "agreed_at": at,
            }
            await PriceAgreement.update_or_create(values, using_db=connection, account_id=account_id)
            await _record(connection, actor, account_id, before, _told_of(wanted))

    await trying_again(work)


async def end_agreement(actor: Actor, account_id: str) -> None:
    """From now on the account has no price for packages whose price is agreed. Without an agreement nothing is done."""

    async def work() -> None:
        async with in_transaction() as connection:
            await _lock(connection, account_id)
            row = await PriceAgreement.get_or_none(account_id=account_id, using_db=connection)
            if row:
                before = _told_of(_agreement(row, await present()))
                await row.delete(using_db=connection)
                await _record(connection, actor, account_id, before, None)

    await trying_again(work)


async def _lock(connection: BaseDBAsyncClient, account_id: str) -> None:
    """One change of an account's agreement at a time."""
    account = Account.filter(id=account_id).using_db(connection).select_for_update(no_key=True)
    if await account.first() is None:
        raise NotFound


async def _record(
    connection: BaseDBAsyncClient,
    actor: Actor,
    account_id: str,
    before: dict[str, object] | None,
    after: dict[str, object] | None,
) -> None:
    await record(
        connection,
        actor,
        "setPriceAgreement",
        account_id=account_id,
        target=account_id,
        before=before,
        after=after,
    )


def _told_of(agreement: Agreement) -> dict[str, object]:
    return {
        "minimumCredits": agreement.minimum_credits,
        "unitPriceMinor": f"{agreement.unit.amount_minor:f}",
        "currency": agreement.unit.currency,
        "validUntil": agreement.valid_until and agreement.valid_until.isoformat(),
    }
