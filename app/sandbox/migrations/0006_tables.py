from tortoise import migrations
from tortoise.migrations import operations as ops
import functools
from app.sandbox.models import Behaviour, DeliveryState, DisputeState, PaymentState, RefundState, State
from json import dumps, loads
from tortoise.fields.base import OnDelete
from tortoise import fields


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("sandbox", "0001_sandbox"),
        ("sandbox", "0002_slack"),
        ("sandbox", "0003_payments"),
        ("sandbox", "0004_slack_surfaces"),
        ("sandbox", "0005_mail"),
    ]

    operations = [
        ops.CreateModel(
            name="CheckoutSession",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=80)),
                (
                    "state",
                    fields.CharEnumField(
                        description="OPEN: OPEN\nPROCESSING: PROCESSING\nPAID: PAID\nFAILED: FAILED\nEXPIRED: EXPIRED",
                        enum_type=State,
                        max_length=20,
                    ),
                ),
                ("payment_intent", fields.CharField(unique=True, max_length=80)),
                ("currency", fields.CharField(max_length=3)),
                (
                    "line_items",
                    fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
                ),
                ("client_reference_id", fields.CharField(null=True, max_length=200)),
                ("metadata", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("success_url", fields.TextField(unique=False)),
                ("cancel_url", fields.TextField(null=True, unique=False)),
                ("declined_attempts", fields.IntField(default=0)),
                ("created_at", fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("customer", fields.CharField(null=True, max_length=80)),
                ("makes_customer", fields.BooleanField(db_default=False)),
                ("saves_card", fields.BooleanField(db_default=False)),
                ("makes_invoice", fields.BooleanField(db_default=False)),
                (
                    "payment_metadata",
                    fields.JSONField(null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
                ),
            ],
            options={
                "table": "sandbox_sessions",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "A checkout session as it was asked for, and where it is. The payment intent is named with it, and there once",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Customer",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=80)),
                ("account_id", fields.CharField(null=True, db_index=True, max_length=500)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sandbox_customers",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "Who paid at a checkout; the account is that of the purchase which was paid.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Card",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=80)),
                (
                    "customer",
                    fields.ForeignKeyField(
                        "sandbox.Customer",
                        source_field="customer_id",
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                (
                    "behaviour",
                    fields.CharEnumField(
                        description="OK: ok\nDECLINED: declined\nNEEDS_PAYER: needs_payer",
                        enum_type=Behaviour,
                        max_length=20,
                    ),
                ),
                ("detached", fields.BooleanField(db_default=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sandbox_cards",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "A customer's saved card; one that is `detached` was replaced by another.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Event",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=80)),
                ("type", fields.CharField(max_length=100)),
                (
                    "session",
                    fields.ForeignKeyField(
                        "sandbox.CheckoutSession",
                        source_field="session_id",
                        null=True,
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("purchase_id", fields.CharField(null=True, db_index=True, max_length=500)),
                ("payload", fields.TextField(unique=False)),
                ("created_at", fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sandbox_events",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "Something that happened, for a purchase and at its checkout where there is one; `payload` is the very text that",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Delivery",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "event",
                    fields.ForeignKeyField(
                        "sandbox.Event",
                        source_field="event_id",
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="deliveries",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                (
                    "state",
                    fields.CharEnumField(
                        db_index=True,
                        description="PENDING: PENDING\nDELIVERED: DELIVERED\nGIVEN_UP: GIVEN_UP",
                        enum_type=DeliveryState,
                        max_length=20,
                    ),
                ),
                ("due_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sandbox_deliveries",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "One sending of an event, attempted until it succeeds. Nobody attempts it before `due_at`, which is real time;",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Attempt",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "delivery",
                    fields.ForeignKeyField(
                        "sandbox.Delivery",
                        source_field="delivery_id",
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="attempts",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("status", fields.IntField(null=True)),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sandbox_attempts",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "How one attempt ended: the status answered, or null when nobody answered.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("key", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255)),
                ("endpoint", fields.CharField(max_length=500)),
                ("fingerprint", fields.CharField(max_length=64)),
                ("status", fields.IntField(db_default=200)),
                ("body", fields.TextField(null=True, unique=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sandbox_idempotency_keys",
                "app": "sandbox",
                "pk_attr": "key",
                "table_description": "The first answer given under a key, to be given again; `body` is the very text that was sent.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="MailFault",
            fields=[
                ("recipient", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=320)),
                ("remaining", fields.IntField()),
                ("code", fields.IntField()),
                ("after", fields.BooleanField()),
            ],
            options={
                "table": "sandbox_mail_faults",
                "app": "sandbox",
                "pk_attr": "recipient",
                "table_description": "What the mail server says to the next `remaining` mails for the recipient (`*`: anybody) instead of taking them,",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="MailMessage",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=80)),
                ("recipient", fields.CharField(db_index=True, max_length=320)),
                ("sender", fields.TextField(unique=False)),
                ("subject", fields.TextField(unique=False)),
                ("message_id", fields.TextField(unique=False)),
                ("text", fields.TextField(unique=False)),
                ("html", fields.TextField(unique=False)),
                ("deliveries", fields.IntField(db_default=1)),
                ("at", fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sandbox_mails",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "A mail in somebody's mailbox. `id` is made of the recipient and the Message-ID: what a mailbox has already is",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Payment",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=80)),
                ("charge_id", fields.CharField(unique=True, max_length=80)),
                (
                    "session",
                    fields.ForeignKeyField(
                        "sandbox.CheckoutSession",
                        source_field="session_id",
                        null=True,
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("customer", fields.CharField(null=True, max_length=80)),
                ("card", fields.CharField(null=True, max_length=80)),
                ("purchase_id", fields.CharField(null=True, db_index=True, max_length=500)),
                ("amount_minor", fields.IntField()),
                ("currency", fields.CharField(max_length=3)),
                (
                    "state",
                    fields.CharEnumField(
                        description="PROCESSING: PROCESSING\nSUCCEEDED: SUCCEEDED\nFAILED: FAILED\nCANCELED: CANCELED",
                        enum_type=PaymentState,
                        max_length=20,
                    ),
                ),
                ("refunded_minor", fields.IntField(db_default=0)),
                ("disputed", fields.BooleanField(db_default=False)),
                ("failure_code", fields.CharField(null=True, max_length=80)),
                ("description", fields.TextField(null=True, unique=False)),
                ("metadata", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("created_at", fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sandbox_payments",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "A payment intent with its latest charge: of a checkout, or of a saved card where there is no session.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Dispute",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=80)),
                (
                    "payment",
                    fields.ForeignKeyField(
                        "sandbox.Payment",
                        source_field="payment_id",
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="disputes",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("amount_minor", fields.IntField()),
                (
                    "state",
                    fields.CharEnumField(
                        description="INQUIRY: warning_needs_response\nCLOSED: warning_closed\nOPEN: needs_response\nWON: won\nLOST: lost",
                        enum_type=DisputeState,
                        max_length=30,
                    ),
                ),
                ("reason", fields.CharField(max_length=80)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sandbox_disputes",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "A payer's bank disputes a payment, or so much of it.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Refund",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=80)),
                (
                    "payment",
                    fields.ForeignKeyField(
                        "sandbox.Payment",
                        source_field="payment_id",
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="refunds",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("amount_minor", fields.IntField()),
                (
                    "state",
                    fields.CharEnumField(
                        description="PENDING: pending\nSUCCEEDED: succeeded\nFAILED: failed",
                        enum_type=RefundState,
                        max_length=20,
                    ),
                ),
                ("reason", fields.CharField(null=True, max_length=80)),
                ("metadata", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sandbox_refunds",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "Money of a payment that goes back.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="SlackFault",
            fields=[
                ("method", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=80)),
                ("remaining", fields.IntField()),
                ("status", fields.IntField()),
                ("retry_after_s", fields.IntField()),
                ("after", fields.BooleanField()),
            ],
            options={
                "table": "sandbox_slack_faults",
                "app": "sandbox",
                "pk_attr": "method",
                "table_description": "How the next `remaining` calls of a method fail: with `status`, or with no answer where that is 0; `after` they",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="SlackMessage",
            fields=[
                ("ts", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=20)),
                ("channel", fields.CharField(db_index=True, max_length=80)),
                ("text", fields.TextField(unique=False)),
                ("blocks", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                (
                    "metadata",
                    fields.JSONField(null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
                ),
                ("edited_ts", fields.CharField(null=True, max_length=20)),
                ("only_for", fields.CharField(null=True, max_length=80)),
                ("thread_ts", fields.CharField(null=True, max_length=20)),
            ],
            options={
                "table": "sandbox_slack_messages",
                "app": "sandbox",
                "pk_attr": "ts",
                "table_description": "A message as it was last edited. `ts` is when it was posted, which Slack takes for its id; `only_for` is the",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="SlackTicket",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=80)),
                ("user", fields.CharField(max_length=80)),
                ("channel", fields.CharField(null=True, max_length=80)),
                ("message_ts", fields.CharField(null=True, max_length=20)),
                ("uses_left", fields.IntField()),
                ("until", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sandbox_slack_tickets",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "What was handed out with a press or command, for a while and so often: a trigger that opens a form, an address",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="SlackTrouble",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=80)),
                ("word", fields.CharField(max_length=40)),
            ],
            options={
                "table": "sandbox_slack_troubles",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "What is wrong with a channel (archived, left, deleted), a person (deactivated) or a workspace (uninstalled).",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="SlackView",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=80)),
                ("user", fields.CharField(db_index=True, max_length=80)),
                ("home", fields.BooleanField()),
                ("view", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("errors", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("opened_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sandbox_slack_views",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "A modal that is open before somebody, or the app's home as they see it; `errors` are what the service said of",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="StripeFault",
            fields=[
                ("call", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=80)),
                ("remaining", fields.IntField()),
                ("answer", fields.CharField(max_length=20)),
                ("status", fields.IntField()),
                ("retry_after_s", fields.IntField()),
                ("delay_s", fields.FloatField()),
                ("after", fields.BooleanField()),
            ],
            options={
                "table": "sandbox_stripe_faults",
                "app": "sandbox",
                "pk_attr": "call",
                "table_description": "How the next `remaining` calls (`POST /v1/refunds`, or `*` for all) go wrong, after `delay_s`; `after` they have",
            },
            bases=["Model"],
        ),
    ]
