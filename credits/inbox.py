"""Events from outside, each handled once: a row per (source, event), marked handled in the commit that acted on it."""

from tortoise import fields
from tortoise.models import Model


class InboxEvent(Model):
    """An event as it came. `handled_at` is null until it was acted on; `outcome` says in a word what came of it."""

    id = fields.BigIntField(primary_key=True, generated=True)
    source = fields.CharField(20)
    event_id = fields.CharField(255)
    type = fields.CharField(100)
    payload = fields.JSONField[dict[str, object]]()
    received_at = fields.DatetimeField()
    handled_at = fields.DatetimeField(null=True)
    outcome = fields.CharField(200, null=True)

    class Meta:
        table = "inbox_events"
        unique_together = (("source", "event_id"),)
