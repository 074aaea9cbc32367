"""Rows of warnings: what is wanted of which wallets, and what was told. (The low-balance alert stands on the wallet's
own row, because it moves in the commit that moves the balance.)"""

from tortoise import fields
from tortoise.models import Model

from credits.accounts.models import ID_LENGTH
from credits.alerts.rules import Outcome, WarningKind


class WalletWatch(Model):
    """A wallet of which something is to be warned, so many days before; there is a row for no other. It is looked at
    when its version is no longer `looked_version`, and at `look_at` at the latest."""

    wallet_id = fields.CharField(ID_LENGTH, primary_key=True)
    account_id = fields.CharField(ID_LENGTH)
    runway_days = fields.IntField(null=True)
    expiry_days = fields.IntField(null=True)
    looked_version = fields.BigIntField(null=True)
    look_at = fields.DatetimeField()

    class Meta:
        table = "wallet_watches"


class WalletWarning(Model):
    """One time at which credits were about to run out, or to lapse on one day; of each there is one at most that has
    not ended. Its id names it for good. Nobody was told of a `quiet` one."""

    id = fields.BigIntField(primary_key=True, generated=True)
    wallet_id = fields.CharField(ID_LENGTH)
    account_id = fields.CharField(ID_LENGTH)
    kind = fields.CharEnumField(WarningKind, max_length=10)
    lapses_on = fields.DateField(null=True)
    lapses_at = fields.DatetimeField(null=True)
    quiet = fields.BooleanField()
    began_at = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)
    outcome = fields.CharEnumField(Outcome, max_length=10, null=True)

    class Meta:
        table = "wallet_warnings"
