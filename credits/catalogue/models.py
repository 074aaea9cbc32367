"""Rows of the catalogue: what is sold and what staging costs. Data, loaded from a file, never code."""

from tortoise import fields
from tortoise.models import Model

from credits.accounts.models import ID_LENGTH, NAME_LENGTH
from credits.actors import ActorKind

CODE_LENGTH = 40


class Package(Model):
    """Credits for sale. `price_minor` is null where the price is agreed with each account; `tiers` are lower prices
    from a quantity on, as `{"minimum_quantity": …, "price_minor": …}`."""

    code = fields.CharField(CODE_LENGTH, primary_key=True)
    name = fields.CharField(NAME_LENGTH)
    credits = fields.IntField(null=True)
    price_minor = fields.BigIntField(null=True)
    currency = fields.CharField(3)
    minimum_credits = fields.IntField(null=True)
    valid_for_days = fields.IntField(null=True)
    tiers = fields.JSONField[list[dict[str, int]]]()
    active = fields.BooleanField()
    position = fields.IntField()

    class Meta:
        table = "packages"


class StagingType(Model):
    """A kind of staging job and what one of it costs, in credits."""

    code = fields.CharField(CODE_LENGTH, primary_key=True)
    name = fields.CharField(NAME_LENGTH)
    credits = fields.IntField()
    active = fields.BooleanField()
    position = fields.IntField()

    class Meta:
        table = "staging_types"


class PriceAgreement(Model):
    """What an account pays for a credit of a package whose price is agreed: `unit_price_minor` in the currency's
    smallest unit, with up to 6 decimals, for at least `minimum_credits` at once, until `valid_until` (None: until it is
    ended)."""

    account_id = fields.CharField(ID_LENGTH, primary_key=True)
    minimum_credits = fields.BigIntField()
    unit_price_minor = fields.DecimalField(max_digits=18, decimal_places=6)
    currency = fields.CharField(3)
    valid_until = fields.DatetimeField(null=True)
    agreed_at = fields.DatetimeField()

    class Meta:
        table = "price_agreements"


class QuoteRequest(Model):
    """Somebody asks what so many credits would cost; the operators are told, and answer with an agreement."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account_id = fields.CharField(ID_LENGTH)
    requested_by_kind = fields.CharEnumField(ActorKind, max_length=20)
    requested_by_id = fields.CharField(ID_LENGTH)
    credits = fields.BigIntField()
    note = fields.CharField(500, null=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "quote_requests"
