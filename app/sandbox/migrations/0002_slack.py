from tortoise import migrations
from tortoise.migrations import operations as ops
import functools
from json import dumps, loads
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("sandbox", "0001_sandbox")]

    initial = False

    operations = [
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
            ],
            options={
                "table": "sandbox_slack_messages",
                "app": "sandbox",
                "pk_attr": "ts",
                "table_description": "A message as it was last edited. `ts` is when it was posted, which Slack takes for its id; `only_for` is the",
            },
            bases=["Model"],
        ),
    ]
