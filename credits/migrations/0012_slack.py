from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("credits", "0011_reports")]

    initial = False

    operations = [
        ops.CreateModel(
            name="ChatPace",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("team_id", fields.CharField(max_length=40)),
                ("channel", fields.CharField(max_length=80)),
                ("free_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "chat_paces",
                "app": "credits",
                "unique_together": (("team_id", "channel"),),
                "pk_attr": "id",
                "table_description": "When a channel takes the next message, in real time.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="SlackConnection",
            fields=[
                ("account_id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ("team_id", fields.CharField(db_index=True, max_length=40)),
                ("org_id", fields.CharField(max_length=40)),
                ("team", fields.CharField(max_length=200)),
                ("sealed_token", fields.TextField(unique=False)),
                ("connected_by", fields.CharField(max_length=40)),
                ("installed_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("revoked_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "slack_connections",
                "app": "credits",
                "pk_attr": "account_id",
                "table_description": "The workspace in which an account's people are told things; `team_id` is the enterprise's id where the app was",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Approval",
            name="escalated_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="Approval",
            name="reminded_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AlterModelOptions(
            name="ChatMessage",
            options={
                "table": "chat_messages",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "A card for a channel, for a person in the chat, or for one by mail, who then is the `recipient`. `subject` is",
            },
        ),
        ops.AddField(
            model_name="ChatMessage",
            name="posted_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name="ChatMessage",
            name="team_id",
            field=fields.CharField(null=True, max_length=40),
        ),
        ops.AddField(
            model_name="ChatMessage",
            name="user_id",
            field=fields.CharField(null=True, max_length=40),
        ),
    ]
