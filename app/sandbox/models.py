"""Rows of the sandbox: Stripe's sessions, keys, events and deliveries, and Slack's messages and planned faults.

They are in the database because several web processes share them, and because they outlive a restart.
"""

from enum import StrEnum
from typing import TypedDict

from tortoise import fields
from tortoise.models import Model

ID_LENGTH = 80
KEY_LENGTH = 255


class State(StrEnum):
    """Where a session is: OPEN → PAID, or OPEN → PROCESSING → PAID or FAILED, or OPEN → EXPIRED."""

    OPEN = "OPEN"
    PROCESSING = "PROCESSING"
    PAID = "PAID"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


class LineItem(TypedDict):
    """What is bought: `quantity` times `unit_amount` (smallest unit of the session's currency)."""

    name: str
    quantity: int
    unit_amount: int


class CheckoutSession(Model):
    """A checkout session as it was asked for, and where it is. The payment intent is made with it and shown once it
    is complete. Times are the service's clock, which can be moved."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    state = fields.CharEnumField(State, max_length=20)
    payment_intent = fields.CharField(ID_LENGTH, unique=True)
    currency = fields.CharField(3)
    line_items = fields.JSONField[list[LineItem]]()
    client_reference_id = fields.CharField(200, null=True)
    metadata = fields.JSONField[dict[str, str]]()
    success_url = fields.TextField()
    cancel_url = fields.TextField(null=True)
    declined_attempts = fields.IntField(default=0)
    created_at = fields.DatetimeField(db_index=True)
    expires_at = fields.DatetimeField()

    class Meta:
        table = "sandbox_sessions"

    @property
    def total_minor(self) -> int:
        """What the payer pays, in the currency's smallest unit."""
        return sum(item["quantity"] * item["unit_amount"] for item in self.line_items)


class IdempotencyKey(Model):
    """The first answer given under a key, to be given again; `body` is the very text that was sent."""

    key = fields.CharField(KEY_LENGTH, primary_key=True)
    endpoint = fields.CharField(500)
    fingerprint = fields.CharField(64)
    body = fields.TextField(null=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "sandbox_idempotency_keys"


class Event(Model):
    """Something that happened to a session; `payload` is the very text that is signed and delivered."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    type = fields.CharField(100)
    session: fields.ForeignKeyRelation[CheckoutSession] = fields.ForeignKeyField(
        "sandbox.CheckoutSession", on_delete=fields.CASCADE, db_index=True
    )
    payload = fields.TextField()
    created_at = fields.DatetimeField(db_index=True)
    deliveries: fields.ReverseRelation["Delivery"]

    class Meta:
        table = "sandbox_events"


class DeliveryState(StrEnum):
    """PENDING until the service took the event (DELIVERED) or the last attempt failed (GIVEN_UP)."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    GIVEN_UP = "GIVEN_UP"


class Delivery(Model):
    """One sending of an event, attempted until it succeeds. Nobody attempts it before `due_at`, which is real time;
    whoever attempts it moves `due_at` on first, so that others leave it alone meanwhile."""

    id = fields.BigIntField(primary_key=True, generated=True)
    event: fields.ForeignKeyRelation[Event] = fields.ForeignKeyField(
        "sandbox.Event", related_name="deliveries", on_delete=fields.CASCADE, db_index=True
    )
    state = fields.CharEnumField(DeliveryState, max_length=20, db_index=True)
    due_at = fields.DatetimeField()
    attempts: fields.ReverseRelation["Attempt"]

    class Meta:
        table = "sandbox_deliveries"


class Attempt(Model):
    """How one attempt ended: the status answered, or null when nobody answered."""

    id = fields.BigIntField(primary_key=True, generated=True)
    delivery: fields.ForeignKeyRelation[Delivery] = fields.ForeignKeyField(
        "sandbox.Delivery", related_name="attempts", on_delete=fields.CASCADE, db_index=True
    )
    status = fields.IntField(null=True)
    at = fields.DatetimeField()

    class Meta:
        table = "sandbox_attempts"


class SlackMessage(Model):
    """A message as it was last edited. `ts` is when it was posted, which Slack takes for its id; `only_for` is the
    person who alone sees it."""

    ts = fields.CharField(20, primary_key=True)
    channel = fields.CharField(ID_LENGTH, db_index=True)
    text = fields.TextField()
    blocks = fields.JSONField[list[dict[str, object]]]()
    metadata = fields.JSONField[dict[str, object] | None](null=True)
    edited_ts = fields.CharField(20, null=True)
    only_for = fields.CharField(ID_LENGTH, null=True)

    class Meta:
        table = "sandbox_slack_messages"


class SlackFault(Model):
    """How the next `remaining` calls of a method fail: with `status`, or with no answer where that is 0; `after` they
    have had their effect, or instead of it."""

    method = fields.CharField(ID_LENGTH, primary_key=True)
    remaining = fields.IntField()
    status = fields.IntField()
    retry_after_s = fields.IntField()
    after = fields.BooleanField()

    class Meta:
        table = "sandbox_slack_faults"
