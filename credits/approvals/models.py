"""Rows of approvals: whose consent a purchase needs, and who gave it."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from credits.accounts.models import ID_LENGTH, Account
from credits.ledger.models import TEXT_LENGTH
from credits.purchases.models import Purchase


class ApprovalStatus(StrEnum):
    """PENDING until it is decided; the others end it."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"


class Verdict(StrEnum):
    """What an approver says."""

    APPROVE = "APPROVE"
    REJECT = "REJECT"


class DecisionVia(StrEnum):
    """Where they said it."""

    API = "API"
    SLACK = "SLACK"


class ApprovalPolicy(Model):
    """From `minimum_credits` on a purchase needs so many of these people's consent. `pool_id` null: for the whole
    account; a pool's own goes before."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    pool_id = fields.CharField(ID_LENGTH, null=True)
    minimum_credits = fields.BigIntField()
    approver_ids = fields.JSONField[list[str]]()
    required_approvals = fields.IntField()
    expires_after_hours = fields.IntField()
    remind_after_hours = fields.IntField(null=True)
    escalate_after_hours = fields.IntField(null=True)
    escalate_to_ids = fields.JSONField[list[str]]()
    slack_channel = fields.CharField(80, null=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "approval_policies"


class Approval(Model):
    """The consent that a purchase waits for. The policy is copied: a request keeps the one it began with. `version`
    rises when it is decided; buttons carry it. `reminded_at` and `escalated_at` say when either became due; from then
    on `escalate_to_ids` are those whom the escalation added to the approvers."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField("credits.Account", on_delete=fields.RESTRICT)
    purchase: fields.ForeignKeyRelation[Purchase] = fields.ForeignKeyField(
        "credits.Purchase", on_delete=fields.RESTRICT
    )
    status = fields.CharEnumField(ApprovalStatus, max_length=20)
    required_approvals = fields.IntField()
    approver_ids = fields.JSONField[list[str]]()
    remind_after_hours = fields.IntField(null=True)
    escalate_after_hours = fields.IntField(null=True)
    escalate_to_ids = fields.JSONField[list[str]]()
    slack_channel = fields.CharField(80, null=True)
    version = fields.IntField()
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    decided_at = fields.DatetimeField(null=True)
    reminded_at = fields.DatetimeField(null=True)
    escalated_at = fields.DatetimeField(null=True)

    class Meta:
        table = "approvals"


class ApprovalDecision(Model):
    """What one approver said; once each."""

    id = fields.BigIntField(primary_key=True, generated=True)
    account_id = fields.CharField(ID_LENGTH)
    approval: fields.ForeignKeyRelation[Approval] = fields.ForeignKeyField(
        "credits.Approval", on_delete=fields.RESTRICT
    )
    approver_id = fields.CharField(ID_LENGTH)
    verdict = fields.CharEnumField(Verdict, max_length=20)
    comment = fields.CharField(TEXT_LENGTH, null=True)
    via = fields.CharEnumField(DecisionVia, max_length=20)
    decided_at = fields.DatetimeField()

    class Meta:
        table = "approval_decisions"
        unique_together = (("approval_id", "approver_id"),)
