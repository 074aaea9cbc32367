"""`node(id)`: whatever has an id, found by the kind that its prefix names, under the same rights as everywhere."""

from collections.abc import Awaitable, Callable

import strawberry

from credits.errors import BadInput
from credits.ids import Kind, kind_of
from schema.accounts import account, department, pool
from schema.approvals import approval, approval_policy
from schema.audit_log import audit_entry
from schema.context import Context, Info
from schema.holds import hold
from schema.keys import api_key
from schema.ledger import lot, transaction, visible_wallet
from schema.node import Node
from schema.people import user
from schema.purchases import purchase

_FIND: dict[Kind, Callable[[Context, str], Awaitable[Node]]] = {
    Kind.ACCOUNT: account,
    Kind.POOL: pool,
    Kind.DEPARTMENT: department,
    Kind.USER: user,
    Kind.WALLET: visible_wallet,
    Kind.LOT: lot,
    Kind.TRANSACTION: transaction,
    Kind.HOLD: hold,
    Kind.PURCHASE: purchase,
    Kind.APPROVAL: approval,
    Kind.APPROVAL_POLICY: approval_policy,
    Kind.AUDIT_ENTRY: audit_entry,
    Kind.API_KEY: api_key,
}


@strawberry.type
class NodeQuery:
    @strawberry.field(description="Whatever has this id, if the caller may see it.")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002 the API's name for it
        _ = info.context.standing
        kind = kind_of(id)
        if kind is None or kind not in _FIND:
            raise BadInput("id", "This is no id of this service. Ids look like wal_01k9v0c1… and are case-sensitive.")
        return await _FIND[kind](info.context, id)
