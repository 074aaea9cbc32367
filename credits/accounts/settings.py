"""Settings of an account: its name, its time zone, and whether it may spend."""

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits.accounts.audit_log import record
from credits.accounts.models import Account
from credits.accounts.service import check_time_zone, clean_name
from credits.accounts.zones import Zones
from credits.actors import Actor
from credits.errors import NotFound, Refusal, RefusalCode
from credits.faults import trying_again
from credits.ledger.queries import now
from credits.text import clean


async def update_account(actor: Actor, account_id: str, *, name: str | None, time_zone: str | None) -> None:
    """Another name, at once; another time zone, from the next month on. What is None stays. Refused: a name of which
    nothing can be seen, no such time zone."""
    wanted = None if name is None else clean_name(name, field="name")
    if time_zone is not None:
        check_time_zone(time_zone)
    at = await now()

    async def work() -> None:
        async with in_transaction() as connection:
            row = await _locked(connection, account_id)
            before = _told_of(row)
            row.name = row.name if wanted is None else wanted
            if time_zone not in {None, row.time_zone}:
                zones = zones_of(row).changed(time_zone or "", now=at)
                row.time_zone, row.former_time_zone, row.time_zone_from = zones.name, zones.former, zones.since
            after = _told_of(row)
            if before != after:
                await row.save(
                    using_db=connection, update_fields=["name", "time_zone", "former_time_zone", "time_zone_from"]
                )
                await record(
                    connection,
                    actor,
                    "updateAccount",
                    account_id=account_id,
                    target=account_id,
                    before=before,
                    after=after,
                )

    await trying_again(work)


async def suspend_account(actor: Actor, account_id: str, *, suspended: bool, reason: str) -> None:
    """Keep the account from spending, promising, moving and buying, or let it again. Refused: no reason."""
    because = (clean(reason, field="reason", lines=True) or "").strip()
    if not because:
        raise Refusal(RefusalCode.INVALID, "Say why; the account's owners read it in the audit log.", field="reason")
    at = await now()

    async def work() -> None:
        async with in_transaction() as connection:
            row = await _locked(connection, account_id)
            was = row.suspended_at is not None
            before = {"suspended": was, "reason": row.suspended_because}
            if was == suspended and (not was or row.suspended_because == because):
                return
            row.suspended_at = (row.suspended_at or at) if suspended else None
            row.suspended_because = because if suspended else None
            await row.save(using_db=connection, update_fields=["suspended_at", "suspended_because"])
            await record(
                connection,
                actor,
                "suspendAccount",
                account_id=account_id,
                target=account_id,
                before=before,
                after={"suspended": suspended, "reason": because},
            )

    await trying_again(work)


def zones_of(row: Account) -> Zones:
    """The account's local days."""
    return Zones(name=row.time_zone, former=row.former_time_zone, since=row.time_zone_from)


def _told_of(row: Account) -> dict[str, object]:
    since = row.time_zone_from
    return {"name": row.name, "timeZone": row.time_zone, "timeZoneAppliesFrom": since and since.isoformat()}


async def _locked(connection: BaseDBAsyncClient, account_id: str) -> Account:
    found = await Account.filter(id=account_id).using_db(connection).select_for_update(no_key=True).first()
    if found is None:
        raise NotFound
    return found
