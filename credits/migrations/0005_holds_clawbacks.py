from tortoise import migrations
from tortoise.migrations import operations as ops
import functools
from credits.actors import ActorKind
from credits.ledger.models import HoldStatus
from json import dumps, loads
from tortoise.fields.base import OnDelete
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("credits", "0004_guards_of_approvals")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Clawback",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                (
                    "account",
                    fields.ForeignKeyField(
                        "credits.Account",
                        source_field="account_id",
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "wallet",
                    fields.ForeignKeyField(
                        "credits.Wallet",
                        source_field="wallet_id",
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("purchase_id", fields.CharField(max_length=40)),
                ("source_id", fields.CharField(unique=True, max_length=255)),
                ("credits", fields.BigIntField()),
                ("debt", fields.BigIntField()),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "clawbacks",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "Credits taken back because their payment was: `credits` in all, of which `debt` were not there to take.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Hold",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                (
                    "account",
                    fields.ForeignKeyField(
                        "credits.Account",
                        source_field="account_id",
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "wallet",
                    fields.ForeignKeyField(
                        "credits.Wallet",
                        source_field="wallet_id",
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "status",
                    fields.CharEnumField(
                        description="OPEN: OPEN\nCAPTURED: CAPTURED\nRELEASED: RELEASED\nEXPIRED: EXPIRED",
                        enum_type=HoldStatus,
                        max_length=10,
                    ),
                ),
                ("credits", fields.BigIntField()),
                (
                    "actor_kind",
                    fields.CharEnumField(
                        description="USER: USER\nAPI_KEY: API_KEY\nSERVICE: SERVICE\nSYSTEM: SYSTEM",
                        enum_type=ActorKind,
                        max_length=20,
                    ),
                ),
                ("actor_id", fields.CharField(max_length=40)),
                ("on_behalf_of", fields.CharField(null=True, max_length=40)),
                ("reference", fields.CharField(null=True, max_length=500)),
                (
                    "metadata",
                    fields.JSONField(null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
                ),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("closed_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "holds",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "Credits promised to work under way. `credits` is the price of all its items when it was placed; after",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="HoldItem",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                (
                    "account",
                    fields.ForeignKeyField(
                        "credits.Account",
                        source_field="account_id",
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "hold",
                    fields.ForeignKeyField(
                        "credits.Hold",
                        source_field="hold_id",
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("staging_type", fields.CharField(max_length=40)),
                ("price", fields.IntField()),
                ("quantity", fields.BigIntField()),
                ("captured", fields.BigIntField()),
                ("released", fields.BigIntField()),
            ],
            options={
                "table": "hold_items",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "Units of one staging type in a hold; `price` is that of one unit when the hold was placed.",
            },
            bases=["Model"],
        ),
        ops.AlterModelOptions(
            name="Lot",
            options={
                "table": "lots",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "Credits that came in together. `paid_minor` is what was paid for `paid_for` credits: all of a lot that was bought,",
            },
        ),
        ops.AddField(
            model_name="Lot",
            name="paid_for",
            field=fields.BigIntField(db_default=1),
        ),
        ops.AddField(
            model_name="Lot",
            name="renewed",
            field=fields.BooleanField(db_default=False),
        ),
    ]
