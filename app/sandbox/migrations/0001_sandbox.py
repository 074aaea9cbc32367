from tortoise import migrations
from tortoise.migrations import operations as ops
import functools
from app.sandbox.models import DeliveryState, State
from json import dumps, loads
from tortoise.fields.base import OnDelete
from tortoise import fields


class Migration(migrations.Migration):
    initial = True

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
            ],
            options={
                "table": "sandbox_sessions",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "A checkout session as it was asked for, and where it is. The payment intent is made with it and shown once it",
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
                        db_index=True,
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("payload", fields.TextField(unique=False)),
                ("created_at", fields.DatetimeField(db_index=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "sandbox_events",
                "app": "sandbox",
                "pk_attr": "id",
                "table_description": "Something that happened to a session; `payload` is the very text that is signed and delivered.",
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
    ]
