from tortoise import migrations
from tortoise.migrations import operations as ops
import functools
from credits.alerts.rules import AlertPhase
from credits.approvals.models import ApprovalStatus, DecisionVia, Verdict
from credits.outbox import Queue
from json import dumps, loads
from tortoise.fields.base import OnDelete
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("credits", "0002_guards")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Approval",
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
                    "purchase",
                    fields.ForeignKeyField(
                        "credits.Purchase",
                        source_field="purchase_id",
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                (
                    "status",
                    fields.CharEnumField(
                        description="PENDING: PENDING\nAPPROVED: APPROVED\nREJECTED: REJECTED\nEXPIRED: EXPIRED\nCANCELED: CANCELED",
                        enum_type=ApprovalStatus,
                        max_length=20,
                    ),
                ),
                ("required_approvals", fields.IntField()),
                (
                    "approver_ids",
                    fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
                ),
                ("remind_after_hours", fields.IntField(null=True)),
                ("escalate_after_hours", fields.IntField(null=True)),
                (
                    "escalate_to_ids",
                    fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
                ),
                ("slack_channel", fields.CharField(null=True, max_length=80)),
                ("version", fields.IntField()),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("expires_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("decided_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "approvals",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "The consent that a purchase waits for. The policy is copied: a request keeps the one it began with. `version`",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ApprovalDecision",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("account_id", fields.CharField(max_length=40)),
                (
                    "approval",
                    fields.ForeignKeyField(
                        "credits.Approval",
                        source_field="approval_id",
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("approver_id", fields.CharField(max_length=40)),
                (
                    "verdict",
                    fields.CharEnumField(
                        description="APPROVE: APPROVE\nREJECT: REJECT", enum_type=Verdict, max_length=20
                    ),
                ),
                ("comment", fields.CharField(null=True, max_length=500)),
                (
                    "via",
                    fields.CharEnumField(description="API: API\nSLACK: SLACK", enum_type=DecisionVia, max_length=20),
                ),
                ("decided_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "approval_decisions",
                "app": "credits",
                "unique_together": (("approval_id", "approver_id"),),
                "pk_attr": "id",
                "table_description": "What one approver said; once each.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ApprovalPolicy",
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
                ("pool_id", fields.CharField(null=True, max_length=40)),
                ("minimum_credits", fields.BigIntField()),
                (
                    "approver_ids",
                    fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
                ),
                ("required_approvals", fields.IntField()),
                ("expires_after_hours", fields.IntField()),
                ("remind_after_hours", fields.IntField(null=True)),
                ("escalate_after_hours", fields.IntField(null=True)),
                (
                    "escalate_to_ids",
                    fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads),
                ),
                ("slack_channel", fields.CharField(null=True, max_length=80)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "approval_policies",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "From `minimum_credits` on a purchase needs so many of these people's consent. `pool_id` null: for the whole",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ChatMessage",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ("account_id", fields.CharField(max_length=40)),
                ("subject", fields.CharField(max_length=120)),
                ("dedupe", fields.CharField(unique=True, max_length=200)),
                ("recipient", fields.CharField(max_length=80)),
                ("channel", fields.CharField(null=True, max_length=80)),
                ("ts", fields.CharField(null=True, max_length=40)),
                ("attempts", fields.IntField()),
                ("posting_until", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "chat_messages",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "A card for a channel or a person. `subject` is what it is about: its cards are edited together. `dedupe` is",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="DeadLetter",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ("account_id", fields.CharField(max_length=40)),
                (
                    "queue",
                    fields.CharEnumField(
                        description="ALERTS: alerts\nAPPROVALS: approvals\nBULK: bulk", enum_type=Queue, max_length=20
                    ),
                ),
                ("job", fields.CharField(max_length=60)),
                ("payload", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("died_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("attempts", fields.IntField()),
                ("last_error", fields.TextField(null=True, unique=False)),
            ],
            options={
                "table": "dead_letters",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "What could not be delivered after many attempts, for a person to look at.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="OutboxMessage",
            fields=[
                ("id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ("account_id", fields.CharField(max_length=40)),
                (
                    "queue",
                    fields.CharEnumField(
                        description="ALERTS: alerts\nAPPROVALS: approvals\nBULK: bulk", enum_type=Queue, max_length=20
                    ),
                ),
                ("job", fields.CharField(max_length=60)),
                ("payload", fields.JSONField(encoder=functools.partial(dumps, separators=(",", ":")), decoder=loads)),
                ("created_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("due_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("attempts", fields.IntField()),
                ("leased_until", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("last_error", fields.TextField(null=True, unique=False)),
            ],
            options={
                "table": "outbox",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "Work to be done once its time has come; deleted when it is done.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="SlackLink",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("team_id", fields.CharField(max_length=40)),
                ("slack_user_id", fields.CharField(max_length=40)),
                (
                    "user",
                    fields.ForeignKeyField(
                        "credits.User",
                        source_field="user_id",
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
            ],
            options={
                "table": "slack_links",
                "app": "credits",
                "unique_together": (("team_id", "slack_user_id"),),
                "pk_attr": "id",
                "table_description": "A person as Slack knows them: by workspace (or enterprise) and user, never by name or address.",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Account",
            name="slack_channel",
            field=fields.CharField(null=True, max_length=80),
        ),
        ops.AddField(
            model_name="Wallet",
            name="alert_channel",
            field=fields.CharField(null=True, max_length=80),
        ),
        ops.AddField(
            model_name="Wallet",
            name="alert_enabled",
            field=fields.BooleanField(db_default=True),
        ),
        ops.AddField(
            model_name="Wallet",
            name="alert_episode",
            field=fields.BigIntField(null=True),
        ),
        ops.AddField(
            model_name="Wallet",
            name="alert_fired_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Wallet",
            name="alert_phase",
            field=fields.CharEnumField(
                description="NEW: NEW\nARMED: ARMED\nFIRED: FIRED",
                db_default=AlertPhase.NEW,
                enum_type=AlertPhase,
                max_length=10,
            ),
        ),
        ops.AddField(
            model_name="Wallet",
            name="alert_snoozed_until",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Wallet",
            name="alert_threshold",
            field=fields.IntField(db_default=20),
        ),
    ]
