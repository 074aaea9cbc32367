"""Rows of purchases: what was asked for, at which price, and how far it has come."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from credits.accounts.models import ID_LENGTH, NAME_LENGTH, Account
from credits.actors import ActorKind
from credits.catalogue.models import CODE_LENGTH
from credits.ledger.models import TEXT_LENGTH, Wallet


class PurchaseStatus(StrEnum):
    """PENDING_APPROVAL → AWAITING_PAYMENT → (PROCESSING →) PAID; the others end it."""

    PENDING_APPROVAL = "PENDING_APPROVAL"
    AWAITING_PAYMENT = "AWAITING_PAYMENT"
    PROCESSING = "PROCESSING"
    PAID = "PAID"
    REJECTED = "REJECTED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"


class Purchase(Model):
    """A purchase. Price and credits are taken when it is made and never from the provider; `checkout_attempt` counts
    the checkouts made for it, `payment_id` is the provider's payment that arrived."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    wallet: fields.ForeignKeyRelation[Wallet] = fields.ForeignKeyField("credits.Wallet", on_delete=fields.RESTRICT)
    package_code = fields.CharField(CODE_LENGTH)
    package_name = fields.CharField(NAME_LENGTH)
    quantity = fields.IntField()
    credits = fields.BigIntField()
    total_minor = fields.BigIntField()
    currency = fields.CharField(3)
    valid_for_days = fields.IntField(null=True)
    status = fields.CharEnumField(PurchaseStatus, max_length=20)
    failure_reason = fields.CharField(TEXT_LENGTH, null=True)
    requested_by_kind = fields.CharEnumField(ActorKind, max_length=20)
    requested_by_id = fields.CharField(ID_LENGTH)
    justification = fields.CharField(TEXT_LENGTH, null=True)
    return_url = fields.CharField(2000, null=True)
    checkout_id = fields.CharField(255, null=True, unique=True)
    checkout_url = fields.TextField(null=True)
    checkout_attempt = fields.IntField()
    payment_id = fields.CharField(255, null=True)
    transaction_id = fields.CharField(ID_LENGTH, null=True)
    created_at = fields.DatetimeField()
    paid_at = fields.DatetimeField(null=True)

    class Meta:
        table = "purchases"
