"""Rows of accounts, pools, departments and people.

Names are unique within their parent and e-mail addresses among people, case ignored: unique indexes on `lower(…)`
stand in the migrations, since Tortoise's `Meta` cannot express them.
"""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

ID_LENGTH = 40
NAME_LENGTH = 200


class AccountKind(StrEnum):
    """INDIVIDUAL: its member spends from the account's wallet. ENTERPRISE: pools and departments do."""

    INDIVIDUAL = "INDIVIDUAL"
    ENTERPRISE = "ENTERPRISE"


class AccountRole(StrEnum):
    """What a member may do in the account as a whole."""

    OWNER = "OWNER"
    MEMBER = "MEMBER"
    AUDITOR = "AUDITOR"


class User(Model):
    """A person, whatever accounts they belong to."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    name = fields.CharField(NAME_LENGTH)
    email = fields.CharField(320)
    created_at = fields.DatetimeField()

    class Meta:
        table = "users"


class Identity(Model):
    """A person as a token's issuer knows them."""

    id = fields.BigIntField(primary_key=True, generated=True)
    issuer = fields.CharField(NAME_LENGTH)
    subject = fields.CharField(320)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("credits.User", on_delete=fields.RESTRICT)

    class Meta:
        table = "identities"
        unique_together = (("issuer", "subject"),)


class Account(Model):
    """Who buys: a person or an enterprise. No command ever touches two."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    name = fields.CharField(NAME_LENGTH)
    kind = fields.CharEnumField(AccountKind, max_length=20)
    # What was set last; until `time_zone_from` the former one still applies.
    time_zone = fields.CharField(64)
    former_time_zone = fields.CharField(64, null=True)
    time_zone_from = fields.DatetimeField(null=True)
    suspended_at = fields.DatetimeField(null=True)
    suspended_because = fields.CharField(500, null=True)
    slack_channel = fields.CharField(80, null=True)
    # The payment provider's customer, whose cards are those of earlier payments.
    payment_customer_id = fields.CharField(255, null=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "accounts"


class Membership(Model):
    """A person's role in an account."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("credits.User", on_delete=fields.RESTRICT)
    role = fields.CharEnumField(AccountRole, max_length=20)
    since = fields.DatetimeField()

    class Meta:
        table = "memberships"
        unique_together = (("account_id", "user_id"),)


class Pool(Model):
    """A part of an enterprise with credits, administrators and departments of its own. A deleted one keeps its row: its
    wallet's history stays."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    name = fields.CharField(NAME_LENGTH)
    slack_channel = fields.CharField(80, null=True)
    tell_allocation_use = fields.BooleanField(db_default=True)
    tell_weekly = fields.BooleanField(db_default=True)
    created_at = fields.DatetimeField()
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        table = "pools"


class PoolAdministrator(Model):
    """A person who administers a pool and its departments."""

    id = fields.BigIntField(primary_key=True, generated=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    pool: fields.ForeignKeyRelation[Pool] = fields.ForeignKeyField("credits.Pool", on_delete=fields.RESTRICT)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("credits.User", on_delete=fields.RESTRICT)

    class Meta:
        table = "pool_administrators"
        unique_together = (("pool_id", "user_id"),)


class Department(Model):
    """A team that spends from a wallet of its own. A deleted one keeps its row: its wallet's history stays."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    pool: fields.ForeignKeyRelation[Pool] = fields.ForeignKeyField("credits.Pool", on_delete=fields.RESTRICT)
    name = fields.CharField(NAME_LENGTH)
    created_at = fields.DatetimeField()
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        table = "departments"


class DepartmentMember(Model):
    """A person who may spend a department's credits."""

    id = fields.BigIntField(primary_key=True, generated=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    department: fields.ForeignKeyRelation[Department] = fields.ForeignKeyField(
        "credits.Department", on_delete=fields.RESTRICT
    )
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("credits.User", on_delete=fields.RESTRICT)

    class Meta:
        table = "department_members"
        unique_together = (("department_id", "user_id"),)


class SlackLink(Model):
    """A person as Slack knows them: by workspace (or enterprise) and user, never by name or address."""

    id = fields.BigIntField(primary_key=True, generated=True)
    team_id = fields.CharField(40)
    slack_user_id = fields.CharField(40)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("credits.User", on_delete=fields.RESTRICT)

    class Meta:
        table = "slack_links"
        unique_together = (("team_id", "slack_user_id"),)
