"""The settings of alerts, and the snooze."""

from dataclasses import dataclass, replace
from datetime import timedelta

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits import outbox
from credits.access.queries import name_of
from credits.accounts.audit_log import record
from credits.actors import Actor
from credits.alerts.messages import message_of, snoozed_message, subject, warning_subject
from credits.alerts.models import WalletWatch
from credits.alerts.outlooks import outlooks
from credits.alerts.rules import (
    MAX_DAYS_AHEAD,
    MAX_THRESHOLD,
    AlertEvent,
    AlertPhase,
    Outcome,
    Wanted,
    after_other_settings,
    after_settings,
)
from credits.alerts.watching import end, watched_wallets, write
from credits.errors import Refusal, RefusalCode
from credits.gateways.publisher import Publisher
from credits.ledger.feed import BalanceChange, tell
from credits.ledger.models import Wallet
from credits.ledger.queries import balances, now
from credits.ledger.store import lock_wallet
from credits.text import clean

MAX_SNOOZE_HOURS = 24 * 30

_WATCH = """
INSERT INTO wallet_watches AS k (wallet_id, account_id, runway_days, expiry_days, look_at)
VALUES ($1, $2, $3, $4, credits_now())
ON CONFLICT (wallet_id) DO UPDATE SET runway_days = $3, expiry_days = $4, look_at = credits_now()
"""
_WATCH_NOT = "DELETE FROM wallet_watches WHERE wallet_id = $1"
_LOOK_AT = "UPDATE wallet_watches SET look_at = least(look_at, $2) WHERE wallet_id = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """When to be told of a wallet, and where: below how many credits; in how many days before they are used up, and
    before some lapse (None: not of that). None of it where it is not `enabled`."""

    threshold: int
    enabled: bool = True
    channel: str | None = None
    runway_days: int | None = None
    expiry_days: int | None = None

    def checked(self) -> "Settings":
        """Refused: a threshold below 0 or above MAX_THRESHOLD, other than 1 to MAX_DAYS_AHEAD days, and a channel's
        name of over 80 characters."""
        if not 0 <= self.threshold <= MAX_THRESHOLD:
            raise Refusal(RefusalCode.INVALID, f"Between 0 and {MAX_THRESHOLD:,} credits.", field="threshold")
        for days, field in ((self.runway_days, "runwayDays"), (self.expiry_days, "expiryDays")):
            if days is not None and not 1 <= days <= MAX_DAYS_AHEAD:
                raise Refusal(RefusalCode.INVALID, f"Between 1 and {MAX_DAYS_AHEAD} days.", field=field)
        return replace(self, channel=clean(self.channel, field="slackChannel", limit=80))

    @property
    def wanted(self) -> Wanted:
        """What is to be warned of."""
        if not self.enabled:
            return Wanted()
        return Wanted(runway_days=self.runway_days, expiry_days=self.expiry_days)

    def audited(self) -> dict[str, object]:
        """As the audit log keeps them."""
        return {
            "threshold": self.threshold,
            "enabled": self.enabled,
            "slackChannel": self.channel,
            "runwayDays": self.runway_days,
            "expiryDays": self.expiry_days,
        }


async def settings_of(wallet: Wallet) -> Settings:
    """What is set for a wallet."""
    watch = await WalletWatch.get_or_none(wallet_id=wallet.id)
    return Settings(
        threshold=wallet.alert_threshold,
        enabled=wallet.alert_enabled,
        channel=wallet.alert_channel,
        runway_days=watch.runway_days if watch else None,
        expiry_days=watch.expiry_days if watch else None,
    )


async def set_alert(publisher: Publisher, actor: Actor, wallet_id: str, settings: Settings) -> None:
    """Other settings for the wallet's alert. Moving the threshold above the balance fires nothing, nor does asking to
    be told of a runway that is short already. Refused as `Settings.checked` says."""
    settings = settings.checked()
    async with in_transaction() as connection:
        wallet = await lock_wallet(connection, wallet_id)
        row = await Wallet.get(id=wallet_id, using_db=connection)
        before = await settings_of(row)
        available = (await balances([wallet_id]))[wallet_id].available
        wallet.alert, event = after_settings(
            wallet.alert, threshold=settings.threshold, enabled=settings.enabled, available=available
        )
        await (
            Wallet.filter(id=wallet_id)
            .using_db(connection)
            .update(
                alert_threshold=settings.threshold,
                alert_enabled=settings.enabled,
                alert_channel=settings.channel,
                alert_phase=wallet.alert.phase,
                version=wallet.version + 1,
            )
        )
        if event is not None:
            await outbox.add(connection, [message_of(wallet, event, available)])
        if before != settings:
            await _watch(connection, wallet_id, wallet.account_id, before, settings)
            await record(
                connection,
                actor,
                "setBalanceAlert",
                account_id=wallet.account_id,
                target=wallet_id,
                before=before.audited(),
                after=settings.audited(),
            )
    view = (await balances([wallet_id]))[wallet_id]
    change = BalanceChange(account_id=wallet.account_id, balance=view, causes=("SETTINGS",), last_transaction_id=None)
    await tell(publisher, [change])


async def _watch(
    connection: BaseDBAsyncClient, wallet_id: str, account_id: str, before: Settings, settings: Settings
) -> None:
    if settings.runway_days is None and settings.expiry_days is None:
        await connection.execute_query(_WATCH_NOT, [wallet_id])
    else:
        await connection.execute_query(_WATCH, [wallet_id, account_id, settings.runway_days, settings.expiry_days])
    wallet = (await watched_wallets([wallet_id]))[wallet_id]
    outlook, _ = (await outlooks([wallet_id]))[wallet_id]
    step = after_other_settings(before.wanted, settings.wanted, outlook, wallet.warned)
    await write(connection, wallet, step, outlook)


async def snooze(actor: Actor, wallet_id: str, *, hours: int) -> None:
    """Say nothing of the wallet until then; what is still so by then is told anew. Cards that were told of say who
    wanted that."""
    if not 1 <= hours <= MAX_SNOOZE_HOURS:
        raise Refusal(RefusalCode.INVALID, f"Between 1 and {MAX_SNOOZE_HOURS} hours.", field="hours")
    until = await now() + timedelta(hours=hours)
    by = await name_of(actor)
    async with in_transaction() as connection:
        wallet = await lock_wallet(connection, wallet_id)
        available = (await balances([wallet_id]))[wallet_id].available
        await Wallet.filter(id=wallet_id).using_db(connection).update(alert_snoozed_until=until)
        await connection.execute_query(_LOOK_AT, [wallet_id, until])
        subjects = []
        episode = wallet.alert.episode
        if wallet.alert.phase is AlertPhase.FIRED and episode is not None:
            wallet.alert = replace(wallet.alert, snoozed_until=until)
            await outbox.add(connection, [message_of(wallet, AlertEvent.FIRED, available)])
            subjects.append(subject(wallet_id, episode))
        for warned in (await watched_wallets([wallet_id]))[wallet_id].warned:
            if not warned.quiet and await end(connection, warned.id, Outcome.SNOOZED):
                subjects.append(warning_subject(wallet_id, warned.id))
        if subjects:
            await outbox.add(connection, [snoozed_message(wallet, subjects=subjects, by=by, until=until)])
