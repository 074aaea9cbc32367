"""Rows of purchases: what was asked for, at which price, and how far it has come."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from credits.accounts.models import ID_LENGTH, NAME_LENGTH, Account
from credits.actors import ActorKind
from credits.catalogue.models import CODE_LENGTH
from credits.ledger.models import TEXT_LENGTH, Wallet

PROVIDER_ID_LENGTH = 255


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


class PaymentMethod(StrEnum):
    """CHECKOUT: whoever pays is sent to the provider's page. SAVED_CARD: the card of an earlier payment is charged."""

    CHECKOUT = "CHECKOUT"
    SAVED_CARD = "SAVED_CARD"


class DisputeStatus(StrEnum):
    """INQUIRY asks and takes nothing; OPEN freezes what is left; WON thaws it; LOST takes it."""

    INQUIRY = "INQUIRY"
    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


class RefundStatus(StrEnum):
    """REQUESTED: asked for here, and the provider has not answered yet. PENDING and SUCCEEDED take credits; what FAILED
    or was CANCELED gives them back."""

    REQUESTED = "REQUESTED"
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class Purchase(Model):
    """A purchase. Price and credits are taken when it is made and never from the provider; `checkout_attempt` counts
    the checkouts (or charges of a saved card) made for it, `payment_id` is the provider's payment that arrived.
    `customer_id` is the account's customer at the provider when it was made, so that whoever asks again asks the same;
    `charged_card` is the saved card of theirs that is charged for it, `charge_began_at` when one was first.
    `refunded_minor` is the money that went back, `clawed_back` the credits that followed it; `looked_at` when the
    provider was last asked about it by the reconciliation, `moved_at` when it came to its state (None: by being made).
    `former_checkouts` are those that were made for it before the present one."""

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
    method = fields.CharEnumField(PaymentMethod, max_length=20, db_default=PaymentMethod.CHECKOUT)
    refunded_minor = fields.BigIntField(db_default=0)
    clawed_back = fields.BigIntField(db_default=0)
    dispute = fields.CharEnumField(DisputeStatus, max_length=10, null=True)
    customer_id = fields.CharField(PROVIDER_ID_LENGTH, null=True)
    charged_card = fields.CharField(PROVIDER_ID_LENGTH, null=True)
    charge_began_at = fields.DatetimeField(null=True)
    receipt_url = fields.TextField(null=True)
    invoice_url = fields.TextField(null=True)
    looked_at = fields.DatetimeField(null=True)
    moved_at = fields.DatetimeField(null=True)
    former_checkouts = fields.JSONField[list[str]](null=True)

    class Meta:
        table = "purchases"


class PaymentRefund(Model):
    """Money of a payment that goes back, asked for here or in the provider's dashboard. One that came before its
    payment was known has no purchase until it is."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account_id = fields.CharField(ID_LENGTH, null=True)
    purchase: fields.ForeignKeyNullableRelation[Purchase] = fields.ForeignKeyField(
        "credits.Purchase", on_delete=fields.RESTRICT, null=True
    )
    payment_id = fields.CharField(PROVIDER_ID_LENGTH)
    provider_id = fields.CharField(PROVIDER_ID_LENGTH, null=True, unique=True)
    amount_minor = fields.BigIntField()
    currency = fields.CharField(3)
    status = fields.CharEnumField(RefundStatus, max_length=10)
    reason = fields.CharField(TEXT_LENGTH, null=True)
    failure_reason = fields.CharField(TEXT_LENGTH, null=True)
    requested_by_kind = fields.CharEnumField(ActorKind, max_length=20, null=True)
    requested_by_id = fields.CharField(ID_LENGTH, null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        table = "payment_refunds"


class PaymentDispute(Model):
    """A payer's bank disputes a payment; the id is the provider's. One that came before its payment was known has no
    purchase until it is."""

    id = fields.CharField(PROVIDER_ID_LENGTH, primary_key=True)
    account_id = fields.CharField(ID_LENGTH, null=True)
    purchase: fields.ForeignKeyNullableRelation[Purchase] = fields.ForeignKeyField(
        "credits.Purchase", on_delete=fields.RESTRICT, null=True
    )
    payment_id = fields.CharField(PROVIDER_ID_LENGTH)
    amount_minor = fields.BigIntField()
    currency = fields.CharField(3)
    status = fields.CharEnumField(DisputeStatus, max_length=10)
    reason = fields.CharField(TEXT_LENGTH, null=True)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()

    class Meta:
        table = "payment_disputes"


class QuarantinedPayment(Model):
    """A payment that credits nothing because it is not what a purchase asked for; an operator settles it. `reference`
    is the provider's checkout or payment, `purchase_id` what it claims to be for, whether there is such a one or
    not."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account_id = fields.CharField(ID_LENGTH, null=True)
    reference = fields.CharField(PROVIDER_ID_LENGTH)
    purchase_id = fields.CharField(PROVIDER_ID_LENGTH, null=True)
    reason = fields.CharField(TEXT_LENGTH)
    amount_minor = fields.BigIntField()
    currency = fields.CharField(3)
    seen_at = fields.DatetimeField()
    settled_at = fields.DatetimeField(null=True)
    note = fields.CharField(TEXT_LENGTH, null=True)

    class Meta:
        table = "quarantined_payments"
        unique_together = (("reference", "reason"),)
