"""What the outbox is told of alerts and warnings, and the cards that people read of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from credits.alerts.rules import AlertEvent, Begun, Outcome, Outlook, WarningKind
from credits.gateways.cards import Button, Card, Form
from credits.gateways.chat import Interaction
from credits.ledger.wallet import WalletState
from credits.outbox import Message, Queue
from credits.text import MAX_TEXT

FIRED_JOB = "alert.fired"
RECOVERED_JOB = "alert.recovered"
WARNED_JOB = "alert.warned"
OVER_JOB = "alert.over"
SNOOZED_JOB = "alert.snoozed"
BUY_ACTION = "buy"
ASK_MORE_ACTION = "ask_more"
SNOOZE_ACTION = "snooze"
SNOOZE = timedelta(hours=24)
_WHAT_TO_DO = "Buy or allocate credits, so that staging does not stop."


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The wallet that a card is about: what its owner is called, and whether that is a department, for which more can
    be asked for."""

    wallet_id: str
    name: str
    department: bool


def subject(wallet_id: str, episode: int) -> str:
    """What the cards of one low balance are about."""
    return f"alert:{wallet_id}:{episode}"


def warning_subject(wallet_id: str, warning_id: int) -> str:
    """What the cards of one warning are about."""
    return f"alert:{wallet_id}:warning:{warning_id}"


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


def warned_message(account_id: str, warning_id: int, begun: Begun, outlook: Outlook) -> Message:
    """A warning that begins, with what the wallet was when it did."""
    payload: dict[str, Any] = {"warning_id": warning_id, "available": outlook.available}
    if begun.lapsing is None:
        payload |= {
            "days_left": int(outlook.days_left or 0),
            "daily_use": float(outlook.daily_use),
            "empty_on": outlook.empty_on and outlook.empty_on.isoformat(),
        }
    else:
        payload |= {
            "lapsing": begun.lapsing.available,
            "at": begun.lapsing.first_at.isoformat(),
            "unused": begun.lapsing.unused,
        }
    return Message(account_id=account_id, queue=Queue.ALERTS, job=WARNED_JOB, payload=payload)


def over_message(account_id: str, warning_id: int) -> Message:
    """A warning that has ended."""
    return Message(account_id=account_id, queue=Queue.ALERTS, job=OVER_JOB, payload={"warning_id": warning_id})


def snoozed_message(wallet: WalletState, *, subjects: Sequence[str], by: str, until: datetime) -> Message:
    """Somebody, whose name is known, wants to hear of these later."""
    payload = {"wallet_id": wallet.id, "subjects": list(subjects), "by": by, "until": until.isoformat()}
    return Message(account_id=wallet.account_id, queue=Queue.ALERTS, job=SNOOZED_JOB, payload=payload)


def low_card(where: Where, *, available: int, threshold: int) -> Card:
    """The balance fell below the threshold."""
    return Card(
        summary=f"Low balance: {where.name} has {available:,} credits left",
        title="Low balance",
        text=f"{where.name} has {available:,} credits left, below the alert at {threshold:,}.",
        fields=(("Available", f"{available:,} credits"), ("Alert below", f"{threshold:,} credits")),
        buttons=_buttons(where),
        notes=(_WHAT_TO_DO,),
    )


def runway_card(where: Where, payload: Mapping[str, Any], *, wanted: int | None) -> Card:
    """The credits will soon be used up."""
    left, pace = in_days(payload["days_left"]), in_credits(payload["daily_use"])
    fields = [("Available", f"{payload['available']:,} credits"), ("Use", f"{pace} a day")]
    if payload["empty_on"]:
        fields.append(("Empty on", in_words(date.fromisoformat(payload["empty_on"]))))
    if wanted is not None:
        fields.append(("Alert below", in_days(wanted)))
    empty = f"; empty on {fields[2][1]}" if payload["empty_on"] else ""
    about = "" if payload["days_left"] < 1 else "about "
    return Card(
        summary=f"Running out: {where.name} has credits for {about}{left}",
        title="Credits are running out",
        text=f"{where.name} has {payload['available']:,} credits: {about}{left} left at {pace} a day{empty}.",
        fields=tuple(fields),
        buttons=_buttons(where),
        notes=(_WHAT_TO_DO,),
    )


def lapsing_card(where: Where, payload: Mapping[str, Any], *, on: date) -> Card:
    """Credits are about to lapse. Nobody is asked to buy more of what goes unused; where all is used before, it runs
    out."""
    lapsing, unused = payload["lapsing"], payload["unused"]
    if not unused:
        outlook = "At the present pace all of them are used before."
    elif unused >= lapsing:
        outlook = "At the present pace all of them stay unused."
    else:
        outlook = f"At the present pace {unused:,} of them stay unused."
    return Card(
        summary=f"About to lapse: {lapsing:,} credits of {where.name}, on {in_words(on)}",
        title="Credits are about to lapse",
        text=(
            f"{lapsing:,} credits of {where.name} lapse on ",
            datetime.fromisoformat(payload["at"]),
            f". {outlook}",
        ),
        fields=(("Lapse", f"{lapsing:,} of {payload['available']:,} credits"), ("At risk", f"{unused:,} credits")),
        buttons=(_snooze_button(where),) if unused else _buttons(where),
    )


def _buttons(where: Where) -> tuple[Button, ...]:
    buy = Button(action=BUY_ACTION, label="Buy credits", value=where.wallet_id)
    if not where.department:
        return buy, _snooze_button(where)
    return Button(action=ASK_MORE_ACTION, label="Ask for more", value=where.wallet_id), buy, _snooze_button(where)


def _snooze_button(where: Where) -> Button:
    return Button(action=SNOOZE_ACTION, label="Snooze 24 h", value=where.wallet_id)


def ask_more_form(pressed: Interaction) -> Form:
    """Asks how much more the department wants. It is made of the press alone, so that it opens whatever the database
    does."""
    return Form(
        action=ASK_MORE_ACTION,
        value=pressed.value,
        channel=pressed.channel,
        title="Ask for more",
        text="The administrators of the pool are asked. For example: 50 for the open house in Harbour Street",
        label="How many credits, and what for?",
        submit="Ask",
        longest=MAX_TEXT,
    )


def recovered_card(*, wallet_name: str, available: int) -> Card:
    """The balance has recovered."""
    return _line(f"Recovered: {wallet_name} has {available:,} credits again")


def changed_card(*, wallet_name: str) -> Card:
    """The balance is as low as it was, but nobody wants to be told any more."""
    return _line(f"Low balance of {wallet_name}: the alert was changed or switched off")


def over_card(*, wallet_name: str, kind: WarningKind, lapses_on: date | None, outcome: Outcome, forecast: str) -> Card:
    """A warning has ended; `forecast` is how long the credits last by now."""
    if kind is WarningKind.RUNWAY:
        about = f"Credits of {wallet_name} running out"
        recovered = f"Recovered: {wallet_name} has credits for {forecast}"
    else:
        day = in_words(lapses_on) if lapses_on else ""
        about = f"Credits of {wallet_name} that lapse on {day}"
        recovered = f"Recovered: no credits of {wallet_name} are left that lapse on {day}"
    match outcome:
        case Outcome.RECOVERED:
            return _line(recovered)
        case Outcome.LAPSED:
            return _line(f"{about}: what was left of them has lapsed")
        case Outcome.SNOOZED:
            return _line(f"{about}: snoozed")
        case _:
            return _line(f"{about}: the alert was changed or switched off")


def snoozed_card(*, wallet_name: str, by: str, until: datetime) -> Card:
    """Somebody wants to hear of it later."""
    what = f"Alert of {wallet_name}: snoozed by {by} until "
    return Card(summary=f"{what}{until:%Y-%m-%d %H:%M} UTC", text=(what, until, "."))


def _line(summary: str) -> Card:
    return Card(summary=summary, text=f"{summary}.")


def in_days(days: int) -> str:
    """So many whole days."""
    if days < 1:
        return "less than a day"
    return "1 day" if days == 1 else f"{days:,} days"


def in_credits(number: float) -> str:
    """Whole credits, but for a few: there the first decimal counts."""
    if number >= 10:
        return f"{round(number):,}"
    return f"{number:.1f}".removesuffix(".0") if number >= 0.1 else "less than 0.1"


def in_words(day: date) -> str:
    """A day, for people to read."""
    return f"{day.day} {day:%B %Y}"
