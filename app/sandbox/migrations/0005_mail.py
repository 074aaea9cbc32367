from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("sandbox", "0004_slack_surfaces")]

    initial = False

    operations = [
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
    ]
