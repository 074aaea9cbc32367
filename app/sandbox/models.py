"""Rows of the sandbox: all that its Stripe keeps, with deliveries and planned faults, and its Slack's messages.

They are in the database because several web processes share them, and because they outlive a restart.
"""

from enum import StrEnum
from typing import TypedDict

from tortoise import fields
from tortoise.models import Model

from app.sandbox.ids import METADATA_LENGTH

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
    """A checkout session as it was asked for, and where it is. The payment intent is named with it, and there once
    somebody tried to pay; `customer` is the one who was named, or made by paying. Times are the service's clock, which
    can be moved."""

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
    customer = fields.CharField(ID_LENGTH, null=True)
    makes_customer = fields.BooleanField(db_default=False)
    saves_card = fields.BooleanField(db_default=False)
    makes_invoice = fields.BooleanField(db_default=False)
    payment_metadata = fields.JSONField[dict[str, str] | None](null=True)

    class Meta:
        table = "sandbox_sessions"

    @property
    def total_minor(self) -> int:
        """What the payer pays, in the currency's smallest unit."""
        return sum(item["quantity"] * item["unit_amount"] for item in self.line_items)


class Customer(Model):
    """Who paid at a checkout; the account is that of the purchase which was paid."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account_id = fields.CharField(METADATA_LENGTH, null=True, db_index=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "sandbox_customers"


class Behaviour(StrEnum):
    """What the bank says when the card is charged without its holder being there."""

    OK = "ok"
    DECLINED = "declined"
    NEEDS_PAYER = "needs_payer"


class Card(Model):
    """A customer's saved card; one that is `detached` was replaced by another."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    customer: fields.ForeignKeyRelation[Customer] = fields.ForeignKeyField(
        "sandbox.Customer", on_delete=fields.CASCADE, db_index=True
    )
    customer_id: str
    behaviour = fields.CharEnumField(Behaviour, max_length=20)
    detached = fields.BooleanField(db_default=False)
    created_at = fields.DatetimeField()

    class Meta:
        table = "sandbox_cards"


class PaymentState(StrEnum):
    """Where a payment is: PROCESSING → SUCCEEDED or FAILED; one that FAILED may be tried again, until CANCELED."""

    PROCESSING = "PROCESSING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class Payment(Model):
    """A payment intent with its latest charge: of a checkout, or of a saved card where there is no session.
    `refunded_minor` counts what is on its way back too, `disputed` stays once it was; `failure_code` is the bank's
    word for why it FAILED."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    charge_id = fields.CharField(ID_LENGTH, unique=True)
    session: fields.ForeignKeyNullableRelation[CheckoutSession] = fields.ForeignKeyField(
        "sandbox.CheckoutSession", on_delete=fields.CASCADE, null=True, db_index=True
    )
    session_id: str | None
    customer = fields.CharField(ID_LENGTH, null=True)
    card = fields.CharField(ID_LENGTH, null=True)
    purchase_id = fields.CharField(METADATA_LENGTH, null=True, db_index=True)
    amount_minor = fields.IntField()
    currency = fields.CharField(3)
    state = fields.CharEnumField(PaymentState, max_length=20)
    refunded_minor = fields.IntField(db_default=0)
    disputed = fields.BooleanField(db_default=False)
    failure_code = fields.CharField(ID_LENGTH, null=True)
    refunds: fields.ReverseRelation["Refund"]
    disputes: fields.ReverseRelation["Dispute"]
    description = fields.TextField(null=True)
    metadata = fields.JSONField[dict[str, str]]()
    created_at = fields.DatetimeField(db_index=True)

    class Meta:
        table = "sandbox_payments"


class RefundState(StrEnum):
    """PENDING → SUCCEEDED; both may come back as FAILED."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Refund(Model):
    """Money of a payment that goes back."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    payment: fields.ForeignKeyRelation[Payment] = fields.ForeignKeyField(
        "sandbox.Payment", related_name="refunds", on_delete=fields.CASCADE, db_index=True
    )
    amount_minor = fields.IntField()
    state = fields.CharEnumField(RefundState, max_length=20)
    reason = fields.CharField(ID_LENGTH, null=True)
    metadata = fields.JSONField[dict[str, str]]()
    created_at = fields.DatetimeField()

    class Meta:
        table = "sandbox_refunds"


class DisputeState(StrEnum):
    """INQUIRY takes nothing, and is CLOSED or becomes OPEN; OPEN ends as WON or LOST."""

    INQUIRY = "warning_needs_response"
    CLOSED = "warning_closed"
    OPEN = "needs_response"
    WON = "won"
    LOST = "lost"


class Dispute(Model):
    """A payer's bank disputes a payment, or so much of it."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    payment: fields.ForeignKeyRelation[Payment] = fields.ForeignKeyField(
        "sandbox.Payment", related_name="disputes", on_delete=fields.CASCADE, db_index=True
    )
    amount_minor = fields.IntField()
    state = fields.CharEnumField(DisputeState, max_length=30)
    reason = fields.CharField(ID_LENGTH)
    created_at = fields.DatetimeField()

    class Meta:
        table = "sandbox_disputes"


class IdempotencyKey(Model):
    """The first answer given under a key, to be given again; `body` is the very text that was sent."""

    key = fields.CharField(KEY_LENGTH, primary_key=True)
    endpoint = fields.CharField(500)
    fingerprint = fields.CharField(64)
    status = fields.IntField(db_default=200)
    body = fields.TextField(null=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "sandbox_idempotency_keys"


class Event(Model):
    """Something that happened, for a purchase and at its checkout where there is one; `payload` is the very text that
    is signed and delivered."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    type = fields.CharField(100)
    session: fields.ForeignKeyNullableRelation[CheckoutSession] = fields.ForeignKeyField(
        "sandbox.CheckoutSession", on_delete=fields.CASCADE, null=True, db_index=True
    )
    session_id: str | None
    purchase_id = fields.CharField(METADATA_LENGTH, null=True, db_index=True)
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
    person who alone sees it, `thread_ts` the message that it answers."""

    ts = fields.CharField(20, primary_key=True)
    channel = fields.CharField(ID_LENGTH, db_index=True)
    text = fields.TextField()
    blocks = fields.JSONField[list[dict[str, object]]]()
    metadata = fields.JSONField[dict[str, object] | None](null=True)
    edited_ts = fields.CharField(20, null=True)
    only_for = fields.CharField(ID_LENGTH, null=True)
    thread_ts = fields.CharField(20, null=True)

    class Meta:
        table = "sandbox_slack_messages"


class SlackView(Model):
    """A modal that is open before somebody, or the app's home as they see it; `errors` are what the service said of
    what was typed, by the block's id."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    user = fields.CharField(ID_LENGTH, db_index=True)
    home = fields.BooleanField()
    view = fields.JSONField[dict[str, object]]()
    errors = fields.JSONField[dict[str, str]]()
    opened_at = fields.DatetimeField()

    class Meta:
        table = "sandbox_slack_views"


class SlackTicket(Model):
    """What was handed out with a press or command, for a while and so often: a trigger that opens a form, an address
    to answer at, or a code of somebody who installs the app. Real time."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    user = fields.CharField(ID_LENGTH)
    channel = fields.CharField(ID_LENGTH, null=True)
    message_ts = fields.CharField(20, null=True)
    uses_left = fields.IntField()
    until = fields.DatetimeField()

    class Meta:
        table = "sandbox_slack_tickets"


class SlackTrouble(Model):
    """What is wrong with a channel (archived, left, deleted), a person (deactivated) or a workspace (uninstalled)."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    word = fields.CharField(40)

    class Meta:
        table = "sandbox_slack_troubles"


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


class StripeFault(Model):
    """How the next `remaining` calls (`POST /v1/refunds`, or `*` for all) go wrong, after `delay_s`; `after` they have
    had their effect, or instead of it."""

    call = fields.CharField(ID_LENGTH, primary_key=True)
    remaining = fields.IntField()
    answer = fields.CharField(20)
    status = fields.IntField()
    retry_after_s = fields.IntField()
    delay_s = fields.FloatField()
    after = fields.BooleanField()

    class Meta:
        table = "sandbox_stripe_faults"


class MailMessage(Model):
    """A mail in somebody's mailbox. `id` is made of the recipient and the Message-ID: what a mailbox has already is
    kept once, and `deliveries` says how often it came. Real time."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    recipient = fields.CharField(320, db_index=True)
    sender = fields.TextField()
    subject = fields.TextField()
    message_id = fields.TextField()
    text = fields.TextField()
    html = fields.TextField()
    deliveries = fields.IntField(db_default=1)
    at = fields.DatetimeField(db_index=True)

    class Meta:
        table = "sandbox_mails"


class MailFault(Model):
    """What the mail server says to the next `remaining` mails for the recipient (`*`: anybody) instead of taking them,
    or, with `after`, although it has."""

    recipient = fields.CharField(320, primary_key=True)
    remaining = fields.IntField()
    code = fields.IntField()
    after = fields.BooleanField()

    class Meta:
        table = "sandbox_mail_faults"
