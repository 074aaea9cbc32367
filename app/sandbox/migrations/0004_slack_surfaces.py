from tortoise import migrations
from tortoise.migrations import operations as ops
import functools
from json import dumps, loads
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("sandbox", "0003_payments")]

    initial = False

    operations = [
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
        ops.AddField(
            model_name="SlackMessage",
            name="thread_ts",
            field=fields.CharField(null=True, max_length=20),
        ),
    ]
