import functools
from json import dumps, loads

from tortoise import migrations
from tortoise.migrations import operations as ops
from credits.actors import ActorKind
from credits.outbox import Queue
from credits.purchases.models import DisputeStatus, PaymentMethod, RefundStatus
from credits.top_ups.models import TopUpOutcome
from tortoise.fields.base import OnDelete
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("credits", "0008_guards_of_enterprise")]

    initial = False

    operations = [
        ops.CreateModel(
            name="AutoTopUp",
            fields=[
                ("wallet_id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ("account_id", fields.CharField(max_length=40)),
                ("threshold", fields.IntField()),
                ("package_code", fields.CharField(max_length=40)),
                ("quantity", fields.IntField()),
                ("monthly_limit_minor", fields.BigIntField(null=True)),
                ("enabled", fields.BooleanField()),
                ("failures", fields.IntField(db_default=0)),
                ("suspended_reason", fields.CharField(null=True, max_length=500)),
                ("suspended_card", fields.CharField(null=True, max_length=255)),
                ("look_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "auto_top_ups",
                "app": "credits",
                "pk_attr": "wallet_id",
                "table_description": "Buy `quantity` packages, or as many more as it takes, when less than `threshold` credits are available.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="PaymentDispute",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=255)),
                ("account_id", fields.CharField(null=True, max_length=40)),
                (
                    "purchase",
                    fields.ForeignKeyField(
                        "credits.Purchase",
                        source_field="purchase_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("payment_id", fields.CharField(max_length=255)),
                ("amount_minor", fields.BigIntField()),
                ("currency", fields.CharField(max_length=3)),
                (
                    "status",
                    fields.CharEnumField(
                        description="INQUIRY: INQUIRY\nOPEN: OPEN\nWON: WON\nLOST: LOST",
                        enum_type=DisputeStatus,
                        max_length=10,
                    ),
                ),
                ("reason", fields.CharField(null=True, max_length=500)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "payment_disputes",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "A payer's bank disputes a payment; the id is the provider's. One that came before its payment was known has no",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="PaymentRefund",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ("account_id", fields.CharField(null=True, max_length=40)),
                (
                    "purchase",
                    fields.ForeignKeyField(
                        "credits.Purchase",
                        source_field="purchase_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("payment_id", fields.CharField(max_length=255)),
                ("provider_id", fields.CharField(null=True, unique=True, max_length=255)),
                ("amount_minor", fields.BigIntField()),
                ("currency", fields.CharField(max_length=3)),
                (
                    "status",
                    fields.CharEnumField(
                        description="REQUESTED: REQUESTED\nPENDING: PENDING\nSUCCEEDED: SUCCEEDED\nFAILED: FAILED\nCANCELED: CANCELED",
                        enum_type=RefundStatus,
                        max_length=10,
                    ),
                ),
                ("reason", fields.CharField(null=True, max_length=500)),
                ("failure_reason", fields.CharField(null=True, max_length=500)),
                (
                    "requested_by_kind",
                    fields.CharEnumField(
                        null=True,
                        description="USER: USER\nAPI_KEY: API_KEY\nSERVICE: SERVICE\nSYSTEM: SYSTEM",
                        enum_type=ActorKind,
                        max_length=20,
                    ),
                ),
                ("requested_by_id", fields.CharField(null=True, max_length=40)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("updated_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "payment_refunds",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "Money of a payment that goes back, asked for here or in the provider's dashboard. One that came before its",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="PriceAgreement",
            fields=[
                ("account_id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ("minimum_credits", fields.BigIntField()),
                ("unit_price_minor", fields.DecimalField(max_digits=18, decimal_places=6)),
                ("currency", fields.CharField(max_length=3)),
                ("valid_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("agreed_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "price_agreements",
                "app": "credits",
                "pk_attr": "account_id",
                "table_description": "What an account pays for a credit of a package whose price is agreed: `unit_price_minor` in the currency's",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="QuarantinedPayment",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ("account_id", fields.CharField(null=True, max_length=40)),
                ("reference", fields.CharField(max_length=255)),
                ("purchase_id", fields.CharField(null=True, max_length=255)),
                ("reason", fields.CharField(max_length=500)),
                ("amount_minor", fields.BigIntField()),
                ("currency", fields.CharField(max_length=3)),
                ("seen_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("settled_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("note", fields.CharField(null=True, max_length=500)),
            ],
            options={
                "table": "quarantined_payments",
                "app": "credits",
                "unique_together": (("reference", "reason"),),
                "pk_attr": "id",
                "table_description": "A payment that credits nothing because it is not what a purchase asked for; an operator settles it. `reference`",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="QuoteRequest",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ("account_id", fields.CharField(max_length=40)),
                (
                    "requested_by_kind",
                    fields.CharEnumField(
                        description="USER: USER\nAPI_KEY: API_KEY\nSERVICE: SERVICE\nSYSTEM: SYSTEM",
                        enum_type=ActorKind,
                        max_length=20,
                    ),
                ),
                ("requested_by_id", fields.CharField(max_length=40)),
                ("credits", fields.BigIntField()),
                ("note", fields.CharField(null=True, max_length=500)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "quote_requests",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "Somebody asks what so many credits would cost; the operators are told, and answer with an agreement.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="TopUpAttempt",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ("account_id", fields.CharField(max_length=40)),
                ("wallet_id", fields.CharField(max_length=40)),
                ("purchase_id", fields.CharField(null=True, max_length=40)),
                ("available", fields.BigIntField()),
                (
                    "outcome",
                    fields.CharEnumField(
                        description="ASKED: ASKED\nSKIPPED: SKIPPED\nPAID: PAID\nFAILED: FAILED\nCONFIRM: CONFIRM",
                        enum_type=TopUpOutcome,
                        max_length=10,
                    ),
                ),
                ("reason", fields.CharField(null=True, max_length=500)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("ended_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "top_up_attempts",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "One look at a wallet that had run low: what was available, what was decided and why.",
            },
            bases=["Model"],
        ),
        ops.AlterField(
            model_name="DeadLetter",
            name="queue",
            field=fields.CharEnumField(
                description="ALERTS: alerts\nAPPROVALS: approvals\nBULK: bulk\nPAYMENTS: payments",
                enum_type=Queue,
                max_length=20,
            ),
        ),
        ops.AlterField(
            model_name="OutboxMessage",
            name="queue",
            field=fields.CharEnumField(
                description="ALERTS: alerts\nAPPROVALS: approvals\nBULK: bulk\nPAYMENTS: payments",
                enum_type=Queue,
                max_length=20,
            ),
        ),
        ops.AddField(
            model_name="Account",
            name="payment_customer_id",
            field=fields.CharField(null=True, max_length=255),
        ),
        ops.AddField(
            model_name="Purchase",
            name="charge_began_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Purchase",
            name="charged_card",
            field=fields.CharField(null=True, max_length=255),
        ),
        ops.AddField(
            model_name="Purchase",
            name="clawed_back",
            field=fields.BigIntField(db_default=0),
        ),
        ops.AddField(
            model_name="Purchase",
            name="customer_id",
            field=fields.CharField(null=True, max_length=255),
        ),
        ops.AddField(
            model_name="Purchase",
            name="dispute",
            field=fields.CharEnumField(
                null=True,
                description="INQUIRY: INQUIRY\nOPEN: OPEN\nWON: WON\nLOST: LOST",
                enum_type=DisputeStatus,
                max_length=10,
            ),
        ),
        ops.AddField(
            model_name="Purchase",
            name="invoice_url",
            field=fields.TextField(null=True, unique=False),
        ),
        ops.AddField(
            model_name="Purchase",
            name="looked_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Purchase",
            name="method",
            field=fields.CharEnumField(
                description="CHECKOUT: CHECKOUT\nSAVED_CARD: SAVED_CARD",
                db_default=PaymentMethod.CHECKOUT,
                enum_type=PaymentMethod,
                max_length=20,
            ),
        ),
        ops.AddField(
            model_name="Purchase",
            name="receipt_url",
            field=fields.TextField(null=True, unique=False),
        ),
        ops.AddField(
            model_name="Purchase",
            name="refunded_minor",
            field=fields.BigIntField(db_default=0),
        ),
        ops.AddField(
            model_name="Purchase",
            name="moved_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Purchase",
            name="former_checkouts",
            field=fields.JSONField(null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
        ),
        ops.AddField(
            model_name="Wallet",
            name="top_up_asked",
            field=fields.BooleanField(db_default=False),
        ),
        ops.AddField(
            model_name="Wallet",
            name="top_up_below",
            field=fields.IntField(null=True),
        ),
    ]
