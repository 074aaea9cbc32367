"""Telling of alerts and warnings: the cards, wherever who is concerned reads them, and what becomes of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tortoise.transactions import in_transaction

from credits.accounts.places import names_of
from credits.accounts.queries import wallet_places
from credits.alerts.messages import (
    Where,
    changed_card,
    in_days,
    lapsing_card,
    low_card,
    over_card,
    recovered_card,
    runway_card,
    snoozed_card,
    subject,
    warning_subject,
)
from credits.alerts.models import WalletWarning, WalletWatch
from credits.alerts.rules import AlertPhase, Outcome, WarningKind
from credits.alerts.watching import end
from credits.chat.audiences import of_wallet
from credits.chat.messenger import About, Messenger
from credits.gateways.cards import Card
from credits.ledger.models import Wallet
from credits.ledger.queries import balances, now
from credits.reports.forecast import paces


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
    card = low_card(await _where(wallet_id), available=available, threshold=threshold)
    await _tell(messenger, wallet, card, about=about, occasion=occasion)
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


async def tell_warned(messenger: Messenger, payload: Mapping[str, Any]) -> None:
    """Show the card of a warning, once. One that has ended since is not told any more; nor is one of a wallet whose low
    balance was told since: it begins anew when that is over."""
    warning = await WalletWarning.get(id=payload["warning_id"])
    if warning.ended_at is not None:
        return
    wallet = await Wallet.get(id=warning.wallet_id)
    if wallet.alert_phase is AlertPhase.FIRED:
        async with in_transaction() as connection:
            await end(connection, warning.id, Outcome.WITHDRAWN)
        return
    where = await _where(warning.wallet_id)
    if warning.lapses_on is None:
        watch = await WalletWatch.get_or_none(wallet_id=warning.wallet_id)
        card = runway_card(where, payload, wanted=watch.runway_days if watch else None)
    else:
        card = lapsing_card(where, payload, on=warning.lapses_on)
    about = warning_subject(warning.wallet_id, warning.id)
    await _tell(messenger, wallet, card, about=about, occasion=about)
    # Ended while it was being posted: the edit came before there was a card to edit.
    await tell_over(messenger, warning.id)


async def tell_over(messenger: Messenger, warning_id: int) -> None:
    """Edit the cards of a warning to say how it ended, if it has."""
    warning = await WalletWarning.get(id=warning_id)
    if warning.outcome is None:
        return
    card = over_card(
        wallet_name=(await names_of([warning.wallet_id]))[warning.wallet_id],
        kind=warning.kind,
        lapses_on=warning.lapses_on,
        outcome=warning.outcome,
        forecast=await _forecast(warning.wallet_id) if warning.kind is WarningKind.RUNWAY else "",
    )
    await messenger.edit(warning_subject(warning.wallet_id, warning.id), card)


async def _forecast(wallet_id: str) -> str:
    left = (await paces([wallet_id]))[wallet_id].ahead.empty_in
    return "longer than it uses any" if left is None else f"about {in_days(int(left))}"


async def tell_snoozed(
    messenger: Messenger, *, wallet_id: str, subjects: Sequence[str], by: str, until: datetime
) -> None:
    """Edit the cards about these to say who wants to hear of it later."""
    card = snoozed_card(wallet_name=(await names_of([wallet_id]))[wallet_id], by=by, until=until)
    for about in subjects:
        await messenger.edit(about, card)


async def _where(wallet_id: str) -> Where:
    place = (await wallet_places([wallet_id]))[wallet_id]
    name = (await names_of([wallet_id]))[wallet_id]
    return Where(wallet_id=wallet_id, name=name, department=place.department_id is not None)


async def _tell(messenger: Messenger, wallet: Wallet, card: Card, *, about: str, occasion: str) -> None:
    account_id = str(wallet.__dict__["account_id"])
    audience = await of_wallet(wallet.id, channel=wallet.alert_channel)
    await messenger.tell(audience, card, About(account_id=account_id, subject=about, occasion=occasion))
