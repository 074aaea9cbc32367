"""Rows of API keys: what an integrator's program shows instead of a person's token. Only a hash is kept."""

from tortoise import fields
from tortoise.models import Model

from credits.accounts.models import ID_LENGTH, NAME_LENGTH, Account


class ApiKey(Model):
    """A key of one account. `wallet_ids` empty means every wallet of the account; `made_by` is the person who made it,
    and what it buys counts as theirs where nobody may consent to the own purchase."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    name = fields.CharField(NAME_LENGTH)
    prefix = fields.CharField(20)
    secret_hash = fields.CharField(64, unique=True)
    scopes = fields.JSONField[list[str]]()
    wallet_ids = fields.JSONField[list[str]]()
    made_by = fields.CharField(ID_LENGTH, null=True)
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(null=True)
    revoked_at = fields.DatetimeField(null=True)
    last_used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "api_keys"
