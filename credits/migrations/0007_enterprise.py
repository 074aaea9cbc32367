from tortoise import migrations
from tortoise.migrations import operations as ops
import functools
from credits.actors import ActorKind
from credits.allocations.models import Period, RequestStatus
from json import dumps, loads
from tortoise.fields.base import OnDelete
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("credits", "0006_guards_of_holds")]

    initial = False

    operations = [
        ops.CreateModel(
            name="AllocationRequest",
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
                    "pool",
                    fields.ForeignKeyField(
                        "credits.Pool",
                        source_field="pool_id",
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "department",
                    fields.ForeignKeyField(
                        "credits.Department",
                        source_field="department_id",
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
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
                ("reason", fields.CharField(max_length=500)),
                (
                    "status",
                    fields.CharEnumField(
                        description="PENDING: PENDING\nGIVEN: GIVEN\nDECLINED: DECLINED\nCANCELED: CANCELED",
                        enum_type=RequestStatus,
                        max_length=10,
                    ),
                ),
                ("decided_by", fields.CharField(null=True, max_length=40)),
                ("transfer_id", fields.CharField(null=True, max_length=40)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("decided_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "allocation_requests",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "Somebody of a department asks its pool's administrators for more.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="AllocationRule",
            fields=[
                ("department_id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
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
                    "pool",
                    fields.ForeignKeyField(
                        "credits.Pool",
                        source_field="pool_id",
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("credits", fields.BigIntField()),
                (
                    "period",
                    fields.CharEnumField(
                        description="WEEKLY: WEEKLY\nMONTHLY: MONTHLY\nQUARTERLY: QUARTERLY",
                        enum_type=Period,
                        max_length=10,
                    ),
                ),
                ("rollover", fields.BooleanField()),
                ("last_period", fields.DateField()),
                ("next_run", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "allocation_rules",
                "app": "credits",
                "pk_attr": "department_id",
                "table_description": "The standing order that refills a department. `last_period` is the first day of the period that it ran for last,",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ("account_id", fields.CharField(null=True, max_length=40)),
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
                ("action", fields.CharField(max_length=60)),
                ("target", fields.CharField(null=True, max_length=40)),
                (
                    "before",
                    fields.JSONField(null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
                ),
                (
                    "after",
                    fields.JSONField(null=True, encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
                ),
                ("at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "audit_entries",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "One change; `account_id` is null for what concerns all, such as the catalogue. `before` and `after` are what was",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="UseNotice",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("account_id", fields.CharField(max_length=40)),
                ("subject_id", fields.CharField(max_length=40)),
                ("period_start", fields.DateField()),
                ("percent", fields.IntField()),
            ],
            options={
                "table": "use_notices",
                "app": "credits",
                "unique_together": (("subject_id", "period_start", "percent"),),
                "pk_attr": "id",
                "table_description": "What was told once: of a department, that it has used so many percent of what it was given in a period; of a",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Account",
            name="former_time_zone",
            field=fields.CharField(null=True, max_length=64),
        ),
        ops.AddField(
            model_name="Account",
            name="suspended_because",
            field=fields.CharField(null=True, max_length=500),
        ),
        ops.AddField(
            model_name="Account",
            name="time_zone_from",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AlterModelOptions(
            name="ApiKey",
            options={
                "table": "api_keys",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "A key of one account. `wallet_ids` empty means every wallet of the account; `made_by` is the person who made it,",
            },
        ),
        ops.AddField(
            model_name="ApiKey",
            name="made_by",
            field=fields.CharField(null=True, max_length=40),
        ),
        ops.AlterModelOptions(
            name="Department",
            options={
                "table": "departments",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "A team that spends from a wallet of its own. A deleted one keeps its row: its wallet's history stays.",
            },
        ),
        ops.AddField(
            model_name="Department",
            name="deleted_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AlterModelOptions(
            name="Lot",
            options={
                "table": "lots",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "Credits that came in together. `paid_minor` is what was paid for `paid_for` credits: all of a lot that was",
            },
        ),
        ops.AlterModelOptions(
            name="Pool",
            options={
                "table": "pools",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "A part of an enterprise with credits, administrators and departments of its own. A deleted one keeps its row: its",
            },
        ),
        ops.AddField(
            model_name="Pool",
            name="deleted_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Pool",
            name="slack_channel",
            field=fields.CharField(null=True, max_length=80),
        ),
        ops.AddField(
            model_name="Pool",
            name="tell_allocation_use",
            field=fields.BooleanField(db_default=True),
        ),
        ops.AddField(
            model_name="Pool",
            name="tell_weekly",
            field=fields.BooleanField(db_default=True),
        ),
    ]
