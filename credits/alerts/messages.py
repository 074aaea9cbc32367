"""What the outbox is told of an alert, and the cards that people read of it."""

from datetime import timedelta

from credits.alerts.rules import AlertEvent
from credits.gateways import Button, Card
from credits.ledger.wallet import WalletState
from credits.outbox import Message, Queue

FIRED_JOB = "alert.fired"
RECOVERED_JOB = "alert.recovered"
SNOOZE_ACTION = "snooze"
SNOOZE = timedelta(hours=24)


def subject(wallet_id: str, episode: int) -> str:
    """What the cards of one episode are about."""
    return f"alert:{wallet_id}:{episode}"


def message_of(wallet: WalletState, event: AlertEvent, available: int) -> Message:
    """The event as work for the outbox. A snoozed alert waits for the end of the snooze, and then looks again."""
    return Message(
        account_id=wallet.account_id,
        queue=Queue.ALERTS,
        job=FIRED_JOB if event is AlertEvent.FIRED else RECOVERED_JOB,
        payload={
            "wallet_id": wallet.id,
            "episode": wallet.alert.episode,
            "available": available,
            "threshold": wallet.alert.threshold,
        },
        due_at=wallet.alert.snoozed_until if event is AlertEvent.FIRED else None,
    )


def low_card(*, wallet_name: str, wallet_id: str, episode: int, available: int, threshold: int) -> Card:
    """The balance fell below the threshold."""
    return Card(
        summary=f"Low balance: {wallet_name} has {available:,} credits left",
        title="Low balance",
        text=f"{wallet_name} has {available:,} credits left, below the alert at {threshold:,}.",
        fields=(("Available", f"{available:,} credits"), ("Alert below", f"{threshold:,} credits")),
        buttons=(Button(action=SNOOZE_ACTION, label="Snooze 24 h", value=f"{wallet_id}:{episode}"),),
        notes=("Buy or allocate credits, so that staging does not stop.",),
    )


def recovered_card(*, wallet_name: str, available: int) -> Card:
    """The balance has recovered."""
    summary = f"Recovered: {wallet_name} has {available:,} credits again"
    return Card(summary=summary, text=f"{summary}.")


def changed_card(*, wallet_name: str) -> Card:
    """The balance is as low as it was, but nobody wants to be told any more."""
    summary = f"Low balance of {wallet_name}: the alert was changed or switched off"
    return Card(summary=summary, text=f"{summary}.")


def snoozed_card(*, wallet_name: str, by: str, until: str) -> Card:
    """Somebody wants to hear of it later."""
    summary = f"Low balance of {wallet_name}: snoozed by {by} until {until}"
    return Card(summary=summary, text=f"{summary}.")
