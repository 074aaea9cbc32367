"""The one choke point: an id becomes a place here, and only for a caller who may know of it.

Whoever may not gets NotFound, word for word as for an id that does not exist; whoever sees the place but lacks the
role gets Forbidden. The decisions themselves stand in `credits/accounts/rules.py`.
"""

from credits.accounts.rules import Action, Place, Standing, may, visible
from credits.approvals.queries import ApprovalView
from credits.errors import BadInput, Forbidden, NotFound
from credits.ids import Kind, kind_of
from credits.ledger.holds import HoldState
from credits.purchases.queries import PurchaseView
from schema.context import Context

_KINDS = {
    Kind.ACCOUNT: "an account",
    Kind.POOL: "a pool",
    Kind.DEPARTMENT: "a department",
    Kind.WALLET: "a wallet",
    Kind.TRANSACTION: "a transaction",
    Kind.PURCHASE: "a purchase",
    Kind.LOT: "a lot",
    Kind.HOLD: "a hold",
    Kind.USER: "a person",
    Kind.APPROVAL: "an approval",
    Kind.APPROVAL_POLICY: "an approval policy",
    Kind.AUDIT_ENTRY: "an entry of an audit log",
    Kind.API_KEY: "an API key",
}


def check_kind(given: str, kind: Kind, *, field: str) -> str:
    """The id, if it is one of this kind; its shape alone is looked at. Raises BadInput otherwise."""
    if kind_of(given) is not kind:
        raise BadInput(field, f"This is not the id of {_KINDS[kind]}; those begin with {kind.value}_.")
    return given


async def place_for(context: Context, given: str, kind: Kind, action: Action, *, field: str = "id") -> Place:
    """Where the account, pool, department or wallet stands, for a caller who may do this there."""
    standing = context.standing
    check_kind(given, kind, field=field)
    place = await context.loaders.places.load(given)
    if place is None or not visible(standing, place) or (place.closed and not _readable(kind, action)):
        raise NotFound
    return require(standing, action, place)


def _readable(kind: Kind, action: Action) -> bool:
    """Of what was deleted the wallet's past stays."""
    return kind is Kind.WALLET and action in {Action.SEE, Action.SEE_HISTORY, Action.EXPORT_WALLET}


def require(standing: Standing, action: Action, place: Place) -> Place:
    """The place, if the caller may do this there. Raises Forbidden."""
    if not may(standing, action, place):
        raise Forbidden
    return place


async def hold_for(context: Context, given: str, action: Action, *, field: str) -> HoldState:
    """A hold, for a caller who may do this with its wallet; persons who may not even read that wallet's history do
    not learn that there is one."""
    standing = context.standing
    check_kind(given, Kind.HOLD, field=field)
    found = await context.loaders.holds.load(given)
    place = await context.loaders.places.load(found.wallet_id) if found else None
    if found is None or place is None or not visible(standing, place):
        raise NotFound
    if not may(standing, action, place):
        see_history(standing, place)
        raise Forbidden
    return found


def see_history(standing: Standing, place: Place | None) -> None:
    """For one thing of a wallet's history: persons who may not read that do not learn that the thing exists."""
    if place is None or not visible(standing, place):
        raise NotFound
    if not may(standing, Action.SEE_HISTORY, place):
        raise Forbidden if standing.key else NotFound


async def purchase_for(
    context: Context, given: str, *, field: str = "id", key_for: Action = Action.SEE_PURCHASES
) -> tuple[PurchaseView, Place]:
    """A purchase and its wallet's place, for a caller who may see it: who requested it, who may see all of the
    account's, who has the wallet in their scope, and who is asked for consent; of keys, those that may do `key_for`
    there."""
    standing = context.standing
    check_kind(given, Kind.PURCHASE, field=field)
    found = await context.loaders.purchases.load(given)
    if found is None:
        raise NotFound
    place = await context.loaders.places.load(found.wallet_id)
    account = await context.loaders.places.load(found.account_id)
    if place is None or account is None or not visible(standing, account):
        raise NotFound
    if standing.key or standing.service:
        return found, require(standing, key_for, place)
    own = found.requested_by.id == standing.actor.id
    in_scope = place.pool_id is not None and may(standing, Action.SEE_PURCHASES, place)
    if not (own or in_scope or may(standing, Action.SEE_ALL_PURCHASES, account)):
        asked = await context.loaders.approvals_of_purchases.load(given)
        if asked is None or standing.user_id not in asked.approver_ids:
            raise NotFound
    return found, place


async def approval_for(context: Context, given: str) -> tuple[ApprovalView, Place]:
    """An approval and its account's place, for a caller who may see the purchase that it is about."""
    _ = context.standing
    check_kind(given, Kind.APPROVAL, field="id")
    found = await context.loaders.approvals.load(given)
    if found is None:
        raise NotFound
    await purchase_for(context, found.purchase_id, key_for=Action.SEE_APPROVALS)
    return found, await account_place(context, found.account_id)


async def place_of(context: Context, given: str) -> Place:
    """Where something stands that the caller was let make or change. Raises NotFound where it is gone meanwhile."""
    place = await context.loaders.places.load(given)
    if place is None or place.closed:
        raise NotFound
    return place


async def account_place(context: Context, account_id: str) -> Place:
    """Where the account of something that the caller sees stands."""
    place = await context.loaders.places.load(account_id)
    if place is None:
        raise NotFound
    return place
