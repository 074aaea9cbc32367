"""Alerts as people meet them: their settings, the cards, and the snooze."""

from dataclasses import replace
from datetime import datetime, timedelta

from tortoise.transactions import in_transaction

from credits import outbox
from credits.accounts.audit_log import record
from credits.accounts.models import User
from credits.accounts.places import names_of
from credits.actors import Actor
from credits.alerts.messages import changed_card, low_card, message_of, recovered_card, snoozed_card, subject
from credits.alerts.rules import MAX_THRESHOLD, AlertEvent, AlertPhase, after_settings
from credits.chat.audiences import of_wallet
from credits.chat.messenger import About, Messenger
from credits.errors import Refusal, RefusalCode
from credits.gateways import Publisher
from credits.ledger.feed import BalanceChange, tell
from credits.ledger.models import Wallet
from credits.ledger.queries import balances, now
from credits.ledger.store import lock_wallet
from credits.text import clean

MAX_SNOOZE_HOURS = 24 * 30


async def set_alert(
    publisher: Publisher, actor: Actor, wallet_id: str, *, threshold: int, enabled: bool, channel: str | None
) -> None:
    """Other settings for the wallet's alert. Moving the threshold above the balance fires nothing."""
    if not 0 <= threshold <= MAX_THRESHOLD:
        raise Refusal(RefusalCode.INVALID, f"Between 0 and {MAX_THRESHOLD:,} credits.", field="threshold")
    where = clean(channel, field="slackChannel", limit=80)
    async with in_transaction() as connection:
        wallet = await lock_wallet(connection, wallet_id)
        row = await Wallet.get(id=wallet_id, using_db=connection)
        before = {"threshold": row.alert_threshold, "enabled": row.alert_enabled, "slackChannel": row.alert_channel}
        available = (await balances([wallet_id]))[wallet_id].available
        wallet.alert, event = after_settings(wallet.alert, threshold=threshold, enabled=enabled, available=available)
        await (
            Wallet.filter(id=wallet_id)
            .using_db(connection)
            .update(
                alert_threshold=threshold,
                alert_enabled=enabled,
                alert_channel=where,
                alert_phase=wallet.alert.phase,
                version=wallet.version + 1,
            )
        )
        if event is not None:
            await outbox.add(connection, [message_of(wallet, event, available)])
        after = {"threshold": threshold, "enabled": enabled, "slackChannel": where}
        if before != after:
            await record(
                connection,
                actor,
                "setBalanceAlert",
                account_id=wallet.account_id,
                target=wallet_id,
                before=before,
                after=after,
            )
    view = (await balances([wallet_id]))[wallet_id]
    change = BalanceChange(account_id=wallet.account_id, balance=view, causes=("SETTINGS",), last_transaction_id=None)
    await tell(publisher, [change])


async def snooze(wallet_id: str, *, hours: int) -> datetime:
    """Say nothing until then; if the balance is still low by then, tell anew. Returns when that is."""
    if not 1 <= hours <= MAX_SNOOZE_HOURS:
        raise Refusal(RefusalCode.INVALID, f"Between 1 and {MAX_SNOOZE_HOURS} hours.", field="hours")
    until = await now() + timedelta(hours=hours)
    async with in_transaction() as connection:
        wallet = await lock_wallet(connection, wallet_id)
        available = (await balances([wallet_id]))[wallet_id].available
        await Wallet.filter(id=wallet_id).using_db(connection).update(alert_snoozed_until=until)
        if wallet.alert.phase is AlertPhase.FIRED:
            wallet.alert = replace(wallet.alert, snoozed_until=until)
            await outbox.add(connection, [message_of(wallet, AlertEvent.FIRED, available)])
    return until


async def tell_fired(messenger: Messenger, *, wallet_id: str, episode: int, available: int, threshold: int) -> None:
    """Show the card, once for each time the alert fires and for each end of a snooze. One that has recovered since,
    or that was snoozed since, is not told any more."""
    wallet = await Wallet.get(id=wallet_id)
    at = await now()
    snoozed = wallet.alert_snoozed_until
    if wallet.alert_phase is not AlertPhase.FIRED or wallet.alert_episode != episode or (snoozed and snoozed > at):
        return
    about = subject(wallet_id, episode)
    occasion = _occasion(about, wallet)
    if occasion != about:
        # The end of a snooze, a day after the press: what is so now counts.
        available, threshold = (await balances([wallet_id]))[wallet_id].available, wallet.alert_threshold
    card = low_card(
        wallet_name=(await names_of([wallet_id]))[wallet_id],
        wallet_id=wallet_id,
        episode=episode,
        available=available,
        threshold=threshold,
    )
    await messenger.tell(
        await of_wallet(wallet_id, channel=wallet.alert_channel),
        card,
        About(account_id=str(wallet.__dict__["account_id"]), subject=about, occasion=occasion),
    )
    # Recovered while it was being posted: the edit came before there was a card to edit.
    wallet = await Wallet.get(id=wallet_id)
    if wallet.alert_phase is not AlertPhase.FIRED or wallet.alert_episode != episode:
        left = (await balances([wallet_id]))[wallet_id].available
        await tell_recovered(messenger, wallet_id=wallet_id, episode=episode, available=left)


def _occasion(about: str, wallet: Wallet) -> str:
    """The firing itself, or the end of a snooze since."""
    fired, snoozed = wallet.alert_fired_at, wallet.alert_snoozed_until
    return f"{about}:{snoozed:%Y%m%dT%H%M%S}" if fired and snoozed and snoozed > fired else about


async def tell_recovered(messenger: Messenger, *, wallet_id: str, episode: int, available: int) -> None:
    """Edit the cards of that time to say that the balance has recovered."""
    name = (await names_of([wallet_id]))[wallet_id]
    wallet = await Wallet.get(id=wallet_id)
    still_low = available < wallet.alert_threshold
    card = changed_card(wallet_name=name) if still_low else recovered_card(wallet_name=name, available=available)
    await messenger.edit(subject(wallet_id, episode), card)


async def tell_snoozed(messenger: Messenger, *, wallet_id: str, episode: int, by: str, until: datetime) -> None:
    """Edit the cards of that time to say who wants to hear of it later."""
    name = (await names_of([wallet_id]))[wallet_id]
    person = await User.get(id=by)
    card = snoozed_card(wallet_name=name, by=person.name, until=f"{until:%Y-%m-%d %H:%M} UTC")
    await messenger.edit(subject(wallet_id, episode), card)
