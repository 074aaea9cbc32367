"""What the outbox is told of automatic top-ups, and the cards that people read of them."""

from collections.abc import Mapping
from datetime import datetime

from credits.gateways.cards import Button, Card
from credits.money import Money
from credits.outbox import Message, Queue

LOOK_JOB = "top_up.look"
RESUME_JOB = "top_up.resume"
CONFIRM_JOB = "top_up.confirm"
SUSPENDED_JOB = "top_up.suspended"
# Opens an address and does nothing here; the chat tells of the press all the same.
CONFIRM_ACTION = "confirm_payment"


def look_message(account_id: str, wallet_id: str, *, at: datetime | None = None) -> Message:
    """Look at the wallet: now, or when the time has come; of those that wait only the one planned last counts."""
    planned_for = at.isoformat() if at else None
    return _message(LOOK_JOB, account_id, {"wallet_id": wallet_id, "planned_for": planned_for}, due_at=at)


def resume_message(account_id: str) -> Message:
    """A purchase of the account was paid, so what had failed may go on."""
    return _message(RESUME_JOB, account_id, {"account_id": account_id})


def confirm_message(account_id: str, purchase_id: str) -> Message:
    """Somebody has to confirm the payment."""
    return _message(CONFIRM_JOB, account_id, {"purchase_id": purchase_id})


def suspended_message(account_id: str, wallet_id: str, *, occasion: str, reason: str) -> Message:
    """Nothing is bought for the wallet any more; told once for the occasion."""
    payload = {"account_id": account_id, "wallet_id": wallet_id, "occasion": occasion, "reason": reason}
    return _message(SUSPENDED_JOB, account_id, payload)


def _message(
    job: str, account_id: str, payload: Mapping[str, str | None], *, due_at: datetime | None = None
) -> Message:
    return Message(account_id=account_id, queue=Queue.PAYMENTS, job=job, payload=payload, due_at=due_at)


def confirm_card(*, wallet_name: str, total: Money, credits_bought: int, purchase_id: str, url: str) -> Card:
    """The bank wants the payer to confirm."""
    return Card(
        summary=f"Your bank wants you to confirm {total.formatted} for {wallet_name}",
        title="Your bank wants you to confirm",
        text=f"The automatic top-up of {wallet_name} was not paid yet: the bank asks whoever pays to confirm it.",
        fields=(("To pay", total.formatted), ("Brings", f"{credits_bought:,} credits")),
        buttons=(Button(action=CONFIRM_ACTION, label="Confirm and pay", value=purchase_id, url=url),),
        notes=("Nothing was charged so far.",),
    )


def suspended_card(*, wallet_name: str, reason: str) -> Card:
    """Nothing is bought any more."""
    return Card(
        summary=f"Automatic top-up of {wallet_name} is suspended",
        title="Automatic top-up suspended",
        text=f"Nothing is bought for {wallet_name} any more. {reason}",
    )
