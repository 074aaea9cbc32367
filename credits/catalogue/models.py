"""Rows of the catalogue: what is sold and what staging costs. Data, loaded from a file, never code."""

from tortoise import fields
from tortoise.models import Model

from credits.accounts.models import NAME_LENGTH

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
