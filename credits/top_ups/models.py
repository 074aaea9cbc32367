"""Rows of automatic top-ups: what a wallet's owner wants bought, and every time it was looked at."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from credits.accounts.models import ID_LENGTH
from credits.catalogue.models import CODE_LENGTH


class AutoTopUp(Model):
    """Buy `quantity` packages, or as many more as it takes, when less than `threshold` credits are available.
    `failures` counts those since a purchase was last paid; `suspended_reason` says why nothing is bought any more,
    `suspended_card` with which card that was. `look_at` is when the wallet is looked at again, while it waits for
    that."""

    wallet_id = fields.CharField(ID_LENGTH, primary_key=True)
    account_id = fields.CharField(ID_LENGTH)
    threshold = fields.IntField()
    package_code = fields.CharField(CODE_LENGTH)
    quantity = fields.IntField()
    monthly_limit_minor = fields.BigIntField(null=True)
    enabled = fields.BooleanField()
    failures = fields.IntField(db_default=0)
    suspended_reason = fields.CharField(500, null=True)
    suspended_card = fields.CharField(255, null=True)
    look_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        table = "auto_top_ups"


class TopUpOutcome(StrEnum):
    """ASKED: a purchase was made, and is under way. SKIPPED: none was made. PAID and FAILED: how it ended; CONFIRM: the
    bank wants the payer to confirm, and somebody was sent the address."""

    ASKED = "ASKED"
    SKIPPED = "SKIPPED"
    PAID = "PAID"
    FAILED = "FAILED"
    CONFIRM = "CONFIRM"


class TopUpAttempt(Model):
    """One look at a wallet that had run low: what was available, what was decided and why.

    `ended_at` is when the purchase that it asked for came to an end."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account_id = fields.CharField(ID_LENGTH)
    wallet_id = fields.CharField(ID_LENGTH)
    purchase_id = fields.CharField(ID_LENGTH, null=True)
    available = fields.BigIntField()
    outcome = fields.CharEnumField(TopUpOutcome, max_length=10)
    reason = fields.CharField(500, null=True)
    created_at = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        table = "top_up_attempts"
