"""What the platform's own staff has to know: a payment that fits no purchase, a price that somebody asks for.

Written in the commit whose news it is and told after it, like all that is told; where there is no channel for it, the
log has it at the level `error` or `warning`, for somebody to be called.
"""

from dataclasses import dataclass

from credits.outbox import Message, Queue

TELL_JOB = "operators.tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told. `occasion` is unique: the same one is told once, however often it is written. `urgent` says that
    money is at stake."""

    occasion: str
    account_id: str
    title: str
    text: str
    fields: tuple[tuple[str, str], ...] = ()
    quote: str | None = None
    urgent: bool = False


def message(notice: Notice) -> Message:
    """The notice as work for the outbox."""
    return Message(
        account_id=notice.account_id,
        queue=Queue.APPROVALS,
        job=TELL_JOB,
        payload={
            "occasion": notice.occasion,
            "account_id": notice.account_id,
            "title": notice.title,
            "text": notice.text,
            "fields": [list(each) for each in notice.fields],
            "quote": notice.quote,
            "urgent": notice.urgent,
        },
    )
