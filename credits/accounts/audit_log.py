"""Who did what to settings, people and catalogue: written in the commit that does it, never changed after.

(What is done to credits stands in the ledger itself.)
"""

import json
from collections.abc import Mapping

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model

from credits.accounts.models import ID_LENGTH
from credits.actors import Actor, ActorKind
from credits.ids import Kind, make_id


class AuditEntry(Model):
    """One change; `account_id` is null for what concerns all, such as the catalogue. `before` and `after` are what was
    changed, as names and values."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account_id = fields.CharField(ID_LENGTH, null=True)
    actor_kind = fields.CharEnumField(ActorKind, max_length=20)
    actor_id = fields.CharField(ID_LENGTH)
    on_behalf_of = fields.CharField(ID_LENGTH, null=True)
    action = fields.CharField(60)
    target = fields.CharField(ID_LENGTH, null=True)
    before = fields.JSONField[dict[str, str]](null=True)
    after = fields.JSONField[dict[str, str]](null=True)
    at = fields.DatetimeField()

    class Meta:
        table = "audit_entries"


_RECORD = """
INSERT INTO audit_entries (id, account_id, actor_kind, actor_id, on_behalf_of, action, target, before, after, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9::jsonb, credits_now())
"""


async def record(
    connection: BaseDBAsyncClient,
    actor: Actor,
    action: str,
    *,
    account_id: str | None,
    target: str | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Write down what is done in the caller's database transaction; `action` is the mutation's name. Of `before` and
    `after` only what differs is kept; what is None counts as not there."""
    was, is_now = _texts(before), _texts(after)
    same = {name for name in was.keys() & is_now.keys() if was[name] == is_now[name]}
    await connection.execute_query(
        _RECORD,
        [
            make_id(Kind.AUDIT_ENTRY),
            account_id,
            actor.kind.value,
            actor.id,
            actor.on_behalf_of,
            action,
            target,
            None if before is None else _json(was, same),
            None if after is None else _json(is_now, same),
        ],
    )


def _texts(values: Mapping[str, object] | None) -> dict[str, str]:
    return {name: _text(value)[:500] for name, value in (values or {}).items() if value is not None}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(values: Mapping[str, str], left_out: set[str]) -> str:
    return json.dumps({name: value for name, value in values.items() if name not in left_out})


async def entries_of(account_id: str, *, limit: int, before: str | None = None) -> list[AuditEntry]:
    """The newest `limit` of an account's entries before the one of that id, newest first."""
    found = AuditEntry.filter(account_id=account_id)
    if before is not None:
        found = found.filter(id__lt=before)
    return await found.order_by("-id").limit(limit)


async def entry(entry_id: str) -> AuditEntry | None:
    """The entry with this id."""
    return await AuditEntry.get_or_none(id=entry_id)
