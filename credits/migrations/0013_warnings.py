"""What wallets are watched for beside their balance, and the warnings that were told."""

from tortoise import migrations
from tortoise.migrations import operations as ops
from credits.alerts.rules import Outcome, WarningKind
from tortoise import fields

# Of a wallet and kind, and of each day on which credits lapse, one warning at most has not ended.
GUARDS = """
ALTER TABLE wallet_watches
    ADD CONSTRAINT wallet_watches_days CHECK (runway_days BETWEEN 1 AND 365 AND expiry_days BETWEEN 1 AND 365
        AND (runway_days IS NOT NULL OR expiry_days IS NOT NULL)),
    ADD CONSTRAINT wallet_watches_wallet FOREIGN KEY (wallet_id) REFERENCES wallets (id) ON DELETE RESTRICT;
ALTER TABLE wallet_warnings
    ADD CONSTRAINT wallet_warnings_kind CHECK (kind IN ('RUNWAY', 'EXPIRY')
        AND (kind = 'EXPIRY') = (lapses_on IS NOT NULL) AND (kind = 'EXPIRY') = (lapses_at IS NOT NULL)),
    ADD CONSTRAINT wallet_warnings_end CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    ADD CONSTRAINT wallet_warnings_wallet FOREIGN KEY (wallet_id) REFERENCES wallets (id) ON DELETE RESTRICT;
CREATE UNIQUE INDEX wallet_warnings_open ON wallet_warnings (wallet_id, kind, coalesce(lapses_on, '-infinity'))
    WHERE ended_at IS NULL;
"""

# What is urgent is looked for by itself, however much else waits.
OUTBOX = """
CREATE INDEX outbox_due_by_queue ON outbox (queue, due_at);
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0012_slack")]

    initial = False

    operations = [
        ops.CreateModel(
            name="WalletWarning",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("wallet_id", fields.CharField(max_length=40)),
                ("account_id", fields.CharField(max_length=40)),
                (
                    "kind",
                    fields.CharEnumField(
                        description="RUNWAY: RUNWAY\nEXPIRY: EXPIRY", enum_type=WarningKind, max_length=10
                    ),
                ),
                ("lapses_on", fields.DateField(null=True)),
                ("lapses_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ("quiet", fields.BooleanField()),
                ("began_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ("ended_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                (
                    "outcome",
                    fields.CharEnumField(
                        null=True,
                        description="RECOVERED: RECOVERED\nLAPSED: LAPSED\nCHANGED: CHANGED\nSNOOZED: SNOOZED\nWITHDRAWN: WITHDRAWN",
                        enum_type=Outcome,
                        max_length=10,
                    ),
                ),
            ],
            options={
                "table": "wallet_warnings",
                "app": "credits",
                "pk_attr": "id",
                "table_description": "One time at which credits were about to run out, or to lapse on one day; of each there is one at most that has",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="WalletWatch",
            fields=[
                ("wallet_id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=40)),
                ("account_id", fields.CharField(max_length=40)),
                ("runway_days", fields.IntField(null=True)),
                ("expiry_days", fields.IntField(null=True)),
                ("looked_version", fields.BigIntField(null=True)),
                ("look_at", fields.DatetimeField(auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "wallet_watches",
                "app": "credits",
                "pk_attr": "wallet_id",
                "table_description": "A wallet of which something is to be warned, so many days before; there is a row for no other. It is looked at",
            },
            bases=["Model"],
        ),
        ops.RunSQL(GUARDS),
        ops.RunSQL(OUTBOX),
    ]
