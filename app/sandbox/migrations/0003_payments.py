from tortoise import migrations
from tortoise.migrations import operations as ops
import functools
from app.sandbox.models import Behaviour, DisputeState, PaymentState, RefundState
from json import dumps, loads
from tortoise.fields.base import OnDelete
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("sandbox", "0002_slack")]

    initial = False

    operations = [
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
        ops.AlterModelOptions(
            name="CheckoutSession",
            options={
                "table": "sandbox_sessions",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "A checkout session as it was asked for, and where it is. The payment intent is named with it, and there once",
            },
        ),
        ops.AddField(
            model_name="CheckoutSession",
            name="customer",
            field=fields.CharField(null=True, max_length=80),
        ),
        ops.AddField(
            model_name="CheckoutSession",
            name="makes_customer",
            field=fields.BooleanField(db_default=False),
        ),
        ops.AddField(
            model_name="CheckoutSession",
            name="makes_invoice",
            field=fields.BooleanField(db_default=False),
        ),
        ops.AddField(
            model_name="CheckoutSession",
            name="payment_metadata",
            field=fields.JSONField(null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
        ),
        ops.AddField(
            model_name="CheckoutSession",
            name="saves_card",
            field=fields.BooleanField(db_default=False),
        ),
        ops.AlterModelOptions(
            name="Event",
            options={
                "table": "sandbox_events",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "Something that happened, for a purchase and at its checkout where there is one; `payload` is the very text that",
            },
        ),
        ops.AlterField(
            model_name="Event",
            name="session",
            field=fields.ForeignKeyField(
                "sandbox.CheckoutSession",
                source_field="session_id",
                null=True,
                db_index=True,
                db_constraint=True,
                to_field="id",
                on_delete=OnDelete.CASCADE,
            ),
        ),
        ops.AddField(
            model_name="Event",
            name="purchase_id",
            field=fields.CharField(null=True, db_index=True, max_length=500),
        ),
        ops.AddField(
            model_name="IdempotencyKey",
            name="status",
            field=fields.IntField(db_default=200),
        ),
    ]
