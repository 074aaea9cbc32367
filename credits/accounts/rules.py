"""Who may do what: one table, asked with where a thing stands and how the caller stands to it.

A caller who has nothing to do with the place does not learn that it exists (`visible`); one who sees it may still
lack the role for an action (`may`). Pure: `queries.py` reads what these need.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from credits.accounts.models import AccountKind, AccountRole
from credits.actors import Actor


class Scope(StrEnum):
    """What an API key may be allowed."""

    READ = "read"
    SPEND = "spend"
    PURCHASE = "purchase"
    ALLOCATE = "allocate"
    MANAGE = "manage"


class Role(StrEnum):
    """How a caller stands to a place. ADMINISTRATOR: of the pool that it is or lies in. SPENDER: a member of the
    department, or of an individual's account. MEMBER: of the account, for what belongs to the account itself."""

    OWNER = "OWNER"
    AUDITOR = "AUDITOR"
    MEMBER = "MEMBER"
    ADMINISTRATOR = "ADMINISTRATOR"
    SPENDER = "SPENDER"
    SERVICE = "SERVICE"
    OPERATOR = "OPERATOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyGrant:
    """What an API key may: its account, its scopes, and its wallets where it names any."""

    account_id: str
    scopes: frozenset[Scope]
    wallet_ids: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A caller, and everything that their rights follow from."""

    actor: Actor
    user_id: str | None = None
    operator: bool = False
    service: bool = False
    key: KeyGrant | None = None
    memberships: Mapping[str, AccountRole] = field(default_factory=dict)
    pool_ids: frozenset[str] = frozenset()
    department_ids: frozenset[str] = frozenset()

    @property
    def account_ids(self) -> tuple[str, ...]:
        """The accounts that the caller belongs to."""
        return (self.key.account_id,) if self.key else tuple(self.memberships)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a thing stands: in an account, in one of its pools, in one of that pool's departments. `wallet_id` is
    the wallet of that place, where the question is about it. A `closed` place is a pool or department that was deleted:
    what its wallet did can still be read by those who may read it, and nothing can be done there."""

    account_id: str
    account_kind: AccountKind
    pool_id: str | None = None
    department_id: str | None = None
    wallet_id: str | None = None
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Permission:
    """Which roles allow it, and the scope that allows it to a key (None: no key may). `every_wallet`: it shows all of
    an account's wallets, or of a pool's, so no key that names some may."""

    roles: frozenset[Role]
    scope: Scope | None = None
    every_wallet: bool = False


def _permission(scope: Scope | None, *roles: Role, every_wallet: bool = False) -> Permission:
    return Permission(frozenset(roles), scope, every_wallet)


class Action(Enum):
    """What can be asked for; the values are the table of permissions."""

    SEE = _permission(Scope.READ, *Role)
    SEE_HISTORY = _permission(
        Scope.READ, Role.OWNER, Role.AUDITOR, Role.ADMINISTRATOR, Role.SPENDER, Role.SERVICE, Role.OPERATOR
    )
    SEE_WHOLE_ACCOUNT = _permission(
        Scope.READ, Role.OWNER, Role.AUDITOR, Role.SERVICE, Role.OPERATOR, every_wallet=True
    )
    SEE_STATEMENT = _permission(Scope.READ, Role.OWNER, Role.AUDITOR, Role.ADMINISTRATOR, Role.OPERATOR)
    EXPORT_WALLET = _permission(Scope.READ, Role.OWNER, Role.AUDITOR, Role.OPERATOR)
    EXPORT_ACCOUNT = _permission(Scope.READ, Role.OWNER, Role.AUDITOR, Role.OPERATOR, every_wallet=True)
    # Of the pool's wallet and all of its departments' together.
    SEE_WHOLE_POOL = _permission(
        Scope.READ, Role.OWNER, Role.AUDITOR, Role.ADMINISTRATOR, Role.SERVICE, Role.OPERATOR, every_wallet=True
    )
    SEE_FORECAST = _permission(Scope.READ, Role.OWNER, Role.AUDITOR, Role.ADMINISTRATOR, Role.SPENDER, Role.OPERATOR)
    SEE_MEMBERS = _permission(None, Role.OWNER, Role.AUDITOR, Role.OPERATOR)
    SEE_EMAILS = _permission(None, Role.OWNER, Role.OPERATOR)
    SEE_AUDIT_LOG = _permission(None, Role.OWNER, Role.AUDITOR, Role.OPERATOR)
    MANAGE_ACCOUNT = _permission(None, Role.OWNER, Role.OPERATOR)
    MANAGE_POOLS = _permission(Scope.MANAGE, Role.OWNER, Role.OPERATOR)
    MANAGE_POOL = _permission(Scope.MANAGE, Role.OWNER, Role.ADMINISTRATOR, Role.OPERATOR)
    MANAGE_PEOPLE = _permission(Scope.MANAGE, Role.OWNER, Role.OPERATOR)
    SET_ROLES = _permission(None, Role.OWNER, Role.OPERATOR)
    MANAGE_KEYS = _permission(None, Role.OWNER)
    SEE_PURCHASES = _permission(
        Scope.READ, Role.OWNER, Role.AUDITOR, Role.MEMBER, Role.ADMINISTRATOR, Role.SPENDER, Role.OPERATOR
    )
    SEE_ALL_PURCHASES = _permission(Scope.READ, Role.OWNER, Role.AUDITOR, Role.OPERATOR, every_wallet=True)
    SPEND = _permission(Scope.SPEND, Role.OWNER, Role.ADMINISTRATOR, Role.SPENDER, Role.SERVICE)
    REFUND = _permission(Scope.SPEND, Role.OWNER, Role.ADMINISTRATOR, Role.SERVICE, Role.OPERATOR)
    ALLOCATE = _permission(Scope.ALLOCATE, Role.OWNER, Role.ADMINISTRATOR)
    REQUEST_ALLOCATION = _permission(Scope.ALLOCATE, Role.OWNER, Role.ADMINISTRATOR, Role.SPENDER)
    SET_STANDING_ORDER = _permission(Scope.ALLOCATE, Role.OWNER, Role.ADMINISTRATOR, Role.OPERATOR)
    PURCHASE = _permission(Scope.PURCHASE, Role.OWNER, Role.MEMBER, Role.ADMINISTRATOR, Role.SPENDER)
    DECIDE = _permission(None, Role.OWNER, Role.MEMBER)
    SEE_APPROVALS = _permission(Scope.READ, Role.OWNER, Role.AUDITOR, Role.MEMBER, Role.OPERATOR)
    SEE_ALL_APPROVALS = _permission(Scope.READ, Role.OWNER, Role.AUDITOR, Role.OPERATOR, every_wallet=True)
    WATCH_APPROVALS = _permission(None, Role.OWNER)
    SEE_POLICIES = _permission(Scope.READ, Role.OWNER, Role.AUDITOR, Role.MEMBER, Role.OPERATOR)
    SEE_CHAT = _permission(None, Role.OWNER, Role.AUDITOR, Role.OPERATOR)
    CONNECT_CHAT = _permission(None, Role.OWNER, Role.OPERATOR)
    SET_POLICIES = _permission(None, Role.OWNER, Role.OPERATOR)
    SEE_ALERT = _permission(
        Scope.READ, Role.OWNER, Role.AUDITOR, Role.MEMBER, Role.ADMINISTRATOR, Role.SPENDER, Role.OPERATOR
    )
    SET_ALERT = _permission(Scope.MANAGE, Role.OWNER, Role.ADMINISTRATOR)
    SEE_TOP_UP = _permission(Scope.READ, Role.OWNER, Role.AUDITOR, Role.OPERATOR)
    SET_TOP_UP = _permission(None, Role.OWNER)
    QUOTE_PURCHASE = _permission(
        Scope.READ, Role.OWNER, Role.AUDITOR, Role.MEMBER, Role.ADMINISTRATOR, Role.SPENDER, Role.OPERATOR
    )
    SEE_AGREEMENT = _permission(Scope.READ, Role.OWNER, Role.AUDITOR, Role.OPERATOR)
    CANCEL_ANOTHERS_PURCHASE = _permission(None, Role.OWNER, Role.ADMINISTRATOR, Role.OPERATOR)


def roles_at(standing: Standing, place: Place) -> frozenset[Role]:
    """How a person, the service or an operator stands to a place; empty for strangers and for keys."""
    roles = set()
    if standing.operator:
        roles.add(Role.OPERATOR)
    if standing.service:
        roles.add(Role.SERVICE)
    membership = standing.memberships.get(place.account_id)
    if membership is not None:
        roles |= _roles_of_member(standing, place, membership)
    return frozenset(roles)


def _roles_of_member(standing: Standing, place: Place, membership: AccountRole) -> set[Role]:
    # An auditor looks on and neither buys nor spends, whatever else they may be.
    if membership is AccountRole.AUDITOR:
        return {Role.AUDITOR}
    roles = {Role.OWNER} if membership is AccountRole.OWNER else set()
    if place.pool_id is None:
        roles.add(Role.MEMBER)
        if place.account_kind is AccountKind.INDIVIDUAL:
            roles.add(Role.SPENDER)
        return roles
    if place.pool_id in standing.pool_ids:
        roles.add(Role.ADMINISTRATOR)
    if place.department_id is not None and place.department_id in standing.department_ids:
        roles.add(Role.SPENDER)
    return roles


def visible(standing: Standing, place: Place) -> bool:
    """Whether the caller may know that it exists."""
    if standing.key:
        return standing.key.account_id == place.account_id
    return bool(roles_at(standing, place))


def may(standing: Standing, action: Action, place: Place) -> bool:
    """Whether the caller may do this there; asked only of what is visible."""
    permission = action.value
    if standing.key is None:
        return bool(roles_at(standing, place) & permission.roles)
    return _key_may(standing.key, permission, place)


def _key_may(key: KeyGrant, permission: Permission, place: Place) -> bool:
    if key.account_id != place.account_id or permission.scope not in key.scopes:
        return False
    return not key.wallet_ids or (place.wallet_id in key.wallet_ids and not permission.every_wallet)
