"""What the outbox is told of allocations, and the cards that people read of them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from credits.allocations.models import RequestStatus
from credits.allocations.queries import RequestView
from credits.gateways.cards import Button, Card
from credits.outbox import Message, Queue

SHORT_JOB = "allocation.short"
USED_JOB = "allocation.used"
DIGEST_JOB = "allocation.digest"
REQUESTED_JOB = "allocation.requested"
DECIDED_JOB = "allocation.decided"
GIVE_ACTION = "give"
DECLINE_ACTION = "decline"
# A card holds some thousand characters; a longer list says how much it leaves out.
_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a standing order gave of what was ordered, in which period."""

    department: str
    period: str
    credits: int
    ordered: int

    def payload(self) -> dict[str, Any]:
        """As the outbox keeps it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a department has used, and has available."""

    department: str
    used: int
    available: int


def message(job: str, account_id: str, queue: Queue, payload: Mapping[str, Any]) -> Message:
    """Work about allocations."""
    return Message(account_id=account_id, queue=queue, job=job, payload=payload)


def about_request(request_id: str) -> str:
    """What the cards of one request are about."""
    return f"allocation:{request_id}"


def short_card(*, pool: str, short: Sequence[Given], because: str | None) -> Card:
    """A pool could not give what was ordered."""
    return Card(
        summary=f"Standing orders of {pool} could not be run in full",
        title="Standing orders",
        text=_listed(
            f"{pool} could not run its standing orders in full.",
            [f"{each.department}, {each.period}: {each.credits:,} of {each.ordered:,} credits" for each in short],
        ),
        quote=because,
        notes=("They run again at the start of the next period. Until then, allocate what is missing.",),
    )


def used_card(*, department: str, period: str, percent: int, used: int, given: int) -> Card:
    """A department has used so much of what it was given."""
    return Card(
        summary=f"{department} has used {percent} % of its credits of {period}",
        title="Use of an allocation",
        text=f"{department} has used {used:,} of the {given:,} credits that it was given in {period}.",
    )


def digest_card(*, pool: str, monday: date, departments: Sequence[Used]) -> Card:
    """What a pool's departments used in the week before that Monday."""
    begun = monday - timedelta(days=7)
    total = sum(each.used for each in departments)
    in_order = sorted(departments, key=lambda each: -each.used)
    return Card(
        summary=f"{pool} used {total:,} credits in the week of {begun.day} {begun:%B %Y}",
        title="The week in credits",
        text=_listed(
            f"The departments of {pool} used {total:,} credits in the week of {begun.day} {begun:%B %Y}.",
            [f"{each.department}: {each.used:,} used, {each.available:,} available" for each in in_order],
        ),
    )


def _listed(first: str, lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - _LISTED:,} more"] if len(lines) > _LISTED else []
    return "\n".join((first, *lines[:_LISTED], *more))


def request_card(about: RequestView, *, who: str, available: int, pool_available: int) -> Card:
    """The question, while it is open."""
    return Card(
        summary=f"{who} asks for {about.credits:,} credits for {about.department}",
        title="Credits asked for",
        text=f"{who} asks for {about.credits:,} credits for {about.department}.",
        quote=about.reason,
        fields=(
            (f"{about.department} has", f"{available:,} credits"),
            (f"{about.pool} has", f"{pool_available:,} credits"),
        ),
        buttons=(
            Button(
                action=GIVE_ACTION,
                label=f"Give {about.credits:,}",
                value=about.id,
                style="primary",
                confirm=f"Give {about.credits:,} credits of {about.pool} to {about.department}?",
            ),
            Button(action=DECLINE_ACTION, label="Decline", value=about.id),
        ),
        notes=(f"Request {about.id}",),
    )


def decided_card(about: RequestView, *, who: str, by: str) -> Card:
    """What became of it, in one line."""
    summary = f"{about.credits:,} credits for {about.department}, asked for by {who}: {outcome(about, by=by)}"
    return Card(summary=summary, text=f"{summary}.")


def outcome(about: RequestView, *, by: str) -> str:
    """What was decided, by whom and when."""
    at = f"{about.decided_at:%Y-%m-%d %H:%M} UTC" if about.decided_at else ""
    if about.status is RequestStatus.CANCELED:
        return f"canceled, because the department was deleted, {at}"
    return f"{about.status.value.lower()} by {by}, {at}"
