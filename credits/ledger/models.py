"""Rows of the ledger. Written only by `store.py`; transactions and draws are append-only by triggers.

Four more tables stand in the migrations alone, because Tortoise has no primary keys of two columns: `transaction_lots`
(what a transaction drew from or put into each lot), `reservations` (what an open hold reserves in each lot),
`hold_steps` (what became of a hold's units, and by whom) and `idempotency_keys`.
"""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from credits.accounts.models import ID_LENGTH, Account
from credits.actors import ActorKind
from credits.alerts.rules import AlertPhase
from credits.catalogue.models import CODE_LENGTH

TEXT_LENGTH = 500


class OwnerKind(StrEnum):
    """Whose wallet it is; each of them has exactly one."""

    ACCOUNT = "ACCOUNT"
    POOL = "POOL"
    DEPARTMENT = "DEPARTMENT"


class LotSource(StrEnum):
    """How credits came in."""

    PURCHASED = "PURCHASED"
    GRANTED = "GRANTED"


class TransactionKind(StrEnum):
    """Every way in which a wallet's credits change."""

    PURCHASE = "PURCHASE"
    GRANT = "GRANT"
    ALLOCATION = "ALLOCATION"
    RECLAIM = "RECLAIM"
    TRANSFER = "TRANSFER"
    DEDUCTION = "DEDUCTION"
    REFUND = "REFUND"
    EXPIRY = "EXPIRY"
    CLAWBACK = "CLAWBACK"
    ADJUSTMENT = "ADJUSTMENT"


class HoldStatus(StrEnum):
    """OPEN until all of it is settled; then CAPTURED if anything was captured, else RELEASED or EXPIRED."""

    OPEN = "OPEN"
    CAPTURED = "CAPTURED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


class Wallet(Model):
    """Where credits lie. `last_hash` is the head of its chain of transactions, `last_posted_at` their latest time."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    owner_kind = fields.CharEnumField(OwnerKind, max_length=20)
    owner_id = fields.CharField(ID_LENGTH, unique=True)
    balance = fields.BigIntField()
    held = fields.BigIntField()
    debt = fields.BigIntField()
    sequence = fields.BigIntField()
    version = fields.BigIntField()
    last_hash = fields.BinaryField()
    last_posted_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()
    # The low-balance alert: here and not in a table of its own, because it moves in the commit that moves the balance,
    # and what is joined to a locked row is as old as the wait for the lock.
    alert_threshold = fields.IntField(db_default=20)
    alert_enabled = fields.BooleanField(db_default=True)
    alert_phase = fields.CharEnumField(AlertPhase, max_length=10, db_default=AlertPhase.NEW)
    alert_episode = fields.BigIntField(null=True)
    alert_fired_at = fields.DatetimeField(null=True)
    alert_snoozed_until = fields.DatetimeField(null=True)
    alert_channel = fields.CharField(80, null=True)
    # The automatic top-up's trigger, here for the same reason: below how many available credits (None: never), and
    # whether somebody has been asked to look and has not done so yet.
    top_up_below = fields.IntField(null=True)
    top_up_asked = fields.BooleanField(db_default=False)

    class Meta:
        table = "wallets"


class Lot(Model):
    """Credits that came in together. `paid_minor` is what was paid for `paid_for` credits: all of a lot that was
    bought, and kept as it is in lots that are split from it, so that the price of a credit stays exact. `origin` is the
    lot it was split from; `frozen_by` the purchase whose payment is disputed; `renewed`: no refund makes a new lot of
    it again."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    wallet: fields.ForeignKeyRelation[Wallet] = fields.ForeignKeyField("credits.Wallet", on_delete=fields.RESTRICT)
    source = fields.CharEnumField(LotSource, max_length=20)
    amount = fields.BigIntField()
    remaining = fields.BigIntField()
    held = fields.BigIntField()
    paid_minor = fields.BigIntField()
    paid_for = fields.BigIntField(db_default=1)
    currency = fields.CharField(3, null=True)
    expires_at = fields.DatetimeField(null=True)
    priority = fields.SmallIntField()
    origin: fields.ForeignKeyNullableRelation["Lot"] = fields.ForeignKeyField(
        "credits.Lot", on_delete=fields.RESTRICT, null=True
    )
    purchase_id = fields.CharField(ID_LENGTH, null=True)
    frozen_by = fields.CharField(255, null=True)
    renewed = fields.BooleanField(db_default=False)
    created_at = fields.DatetimeField()

    class Meta:
        table = "lots"


class Transaction(Model):
    """One immutable line of one wallet. `payment_id` is the payment provider's object that a PURCHASE credits, once
    for ever; `text_digest` stands in the chain for the free text, which lies in a row of its own."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    wallet: fields.ForeignKeyRelation[Wallet] = fields.ForeignKeyField("credits.Wallet", on_delete=fields.RESTRICT)
    sequence = fields.BigIntField()
    kind = fields.CharEnumField(TransactionKind, max_length=20)
    change = fields.BigIntField()
    balance_after = fields.BigIntField()
    version = fields.BigIntField()
    actor_kind = fields.CharEnumField(ActorKind, max_length=20)
    actor_id = fields.CharField(ID_LENGTH)
    on_behalf_of = fields.CharField(ID_LENGTH, null=True)
    created_at = fields.DatetimeField()
    local_day = fields.DateField()
    staging_type = fields.CharField(CODE_LENGTH, null=True)
    quantity = fields.IntField(null=True)
    transfer_id = fields.CharField(ID_LENGTH, null=True)
    counterpart_wallet_id = fields.CharField(ID_LENGTH, null=True)
    purchase_id = fields.CharField(ID_LENGTH, null=True)
    payment_id = fields.CharField(255, null=True)
    hold_id = fields.CharField(ID_LENGTH, null=True)
    refunds_id = fields.CharField(ID_LENGTH, null=True)
    text_digest = fields.BinaryField(null=True)
    hash = fields.BinaryField()

    class Meta:
        table = "transactions"
        unique_together = (("wallet_id", "sequence"),)


class TransactionText(Model):
    """What people wrote on a transaction; may be erased without breaking the chain."""

    # A plain column: Tortoise sees drift for ever in a one-to-one field that is a primary key. The foreign key
    # stands in the migrations.
    transaction_id = fields.CharField(ID_LENGTH, primary_key=True)
    salt = fields.BinaryField()
    reference = fields.CharField(TEXT_LENGTH, null=True)
    description = fields.CharField(TEXT_LENGTH, null=True)
    metadata = fields.JSONField[dict[str, str]](null=True)

    class Meta:
        table = "transaction_texts"


class Hold(Model):
    """Credits promised to work under way. `credits` is the price of all its items when it was placed; after
    `expires_at` it counts as ended, whether or not the sweep has been there."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    wallet: fields.ForeignKeyRelation[Wallet] = fields.ForeignKeyField("credits.Wallet", on_delete=fields.RESTRICT)
    status = fields.CharEnumField(HoldStatus, max_length=10)
    credits = fields.BigIntField()
    actor_kind = fields.CharEnumField(ActorKind, max_length=20)
    actor_id = fields.CharField(ID_LENGTH)
    on_behalf_of = fields.CharField(ID_LENGTH, null=True)
    reference = fields.CharField(TEXT_LENGTH, null=True)
    metadata = fields.JSONField[dict[str, str]](null=True)
    expires_at = fields.DatetimeField()
    created_at = fields.DatetimeField()
    closed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "holds"


class HoldItem(Model):
    """Units of one staging type in a hold; `price` is that of one unit when the hold was placed."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    hold: fields.ForeignKeyRelation[Hold] = fields.ForeignKeyField("credits.Hold", on_delete=fields.RESTRICT)
    staging_type = fields.CharField(CODE_LENGTH)
    price = fields.IntField()
    quantity = fields.BigIntField()
    captured = fields.BigIntField()
    released = fields.BigIntField()

    class Meta:
        table = "hold_items"


class Clawback(Model):
    """Credits taken back because their payment was: `credits` in all, of which `debt` were not there to take; negative
    ones came back, and so much of them repaid a debt. `source_id` is the payment provider's refund or dispute, which
    takes credits once (with `:undone` behind it, what gave them back)."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    wallet: fields.ForeignKeyRelation[Wallet] = fields.ForeignKeyField("credits.Wallet", on_delete=fields.RESTRICT)
    purchase_id = fields.CharField(ID_LENGTH)
    source_id = fields.CharField(255, unique=True)
    credits = fields.BigIntField()
    debt = fields.BigIntField()
    created_at = fields.DatetimeField()

    class Meta:
        table = "clawbacks"
