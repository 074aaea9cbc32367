"""Rows of standing orders, requests for more, and what was told of a department's use."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from credits.accounts.models import ID_LENGTH, Account, Department, Pool
from credits.actors import ActorKind


class Period(StrEnum):
    """How often a standing order runs."""

    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"


class AllocationRule(Model):
    """The standing order that refills a department. `last_period` is the first day of the period that it ran for last,
    or in which it was made: that one is never run again."""

    department_id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    pool: fields.ForeignKeyRelation[Pool] = fields.ForeignKeyField("credits.Pool", on_delete=fields.RESTRICT)
    credits = fields.BigIntField()
    period = fields.CharEnumField(Period, max_length=10)
    rollover = fields.BooleanField()
    last_period = fields.DateField()
    next_run = fields.DatetimeField()

    class Meta:
        table = "allocation_rules"


class RequestStatus(StrEnum):
    """PENDING until somebody gives or declines, or until the department is gone."""

    PENDING = "PENDING"
    GIVEN = "GIVEN"
    DECLINED = "DECLINED"
    CANCELED = "CANCELED"


class AllocationRequest(Model):
    """Somebody of a department asks its pool's administrators for more."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    pool: fields.ForeignKeyRelation[Pool] = fields.ForeignKeyField("credits.Pool", on_delete=fields.RESTRICT)
    department: fields.ForeignKeyRelation[Department] = fields.ForeignKeyField(
        "credits.Department", on_delete=fields.RESTRICT
    )
    requested_by_kind = fields.CharEnumField(ActorKind, max_length=20)
    requested_by_id = fields.CharField(ID_LENGTH)
    credits = fields.BigIntField()
    reason = fields.CharField(500)
    status = fields.CharEnumField(RequestStatus, max_length=10)
    decided_by = fields.CharField(ID_LENGTH, null=True)
    transfer_id = fields.CharField(ID_LENGTH, null=True)
    created_at = fields.DatetimeField()
    decided_at = fields.DatetimeField(null=True)

    class Meta:
        table = "allocation_requests"


class UseNotice(Model):
    """What was told once: of a department, that it has used so many percent of what it was given in a period; of a
    pool, its digest of a week (`percent` is then 0)."""

    id = fields.BigIntField(primary_key=True, generated=True)
    account_id = fields.CharField(ID_LENGTH)
    subject_id = fields.CharField(ID_LENGTH)
    period_start = fields.DateField()
    percent = fields.IntField()

    class Meta:
        table = "use_notices"
        unique_together = (("subject_id", "period_start", "percent"),)
