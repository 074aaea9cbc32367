"""Accounts, pools, departments and people, as far as the caller may see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

import schema.allocation_rules
import schema.approvals
import schema.keys
import schema.ledger
import schema.purchases
from credits.accounts import models, queries
from credits.accounts.models import AccountKind
from credits.accounts.rules import Action, Place, Standing, may, visible
from credits.approvals.models import ApprovalStatus
from credits.approvals.queries import policies_of, waiting_for
from credits.catalogue.prices import agreement_of
from credits.errors import NotFound
from credits.ids import Kind
from credits.ledger import queries as ledger_queries
from credits.purchases.models import PurchaseStatus
from credits.reports.rules import Period, UsageGroup
from credits.reports.usage import account_usage, pool_usage
from schema.audit_log import AuditEntry, account_audit_log
from schema.catalogue import PriceAgreement
from schema.context import Context, Info
from schema.node import Node
from schema.pagination import After, Connection, First, connection
from schema.people import Actor, Membership, User, find_user
from schema.permissions import place_for, require
from schema.reports import From, To, UsageReport
from schema.scalars import Long
from schema.slack_connection import SlackConnection, slack_of

if TYPE_CHECKING:
    from schema.allocation_rules import AllocationRule
    from schema.approvals import Approval, ApprovalPolicy
    from schema.keys import ApiKey
    from schema.ledger import Transaction, TransactionFilter, Wallet
    from schema.purchases import Purchase

strawberry.enum(AccountKind)
# Names a list once, so that no call can change the default of another.
_PENDING = [ApprovalStatus.PENDING]

LazyWallet = Annotated["Wallet", strawberry.lazy("schema.ledger")]
LazyTransaction = Annotated["Transaction", strawberry.lazy("schema.ledger")]
LazyFilter = Annotated["TransactionFilter", strawberry.lazy("schema.ledger")]
LazyApproval = Annotated["Approval", strawberry.lazy("schema.approvals")]
LazyPolicy = Annotated["ApprovalPolicy", strawberry.lazy("schema.approvals")]
LazyPurchase = Annotated["Purchase", strawberry.lazy("schema.purchases")]
LazyRule = Annotated["AllocationRule", strawberry.lazy("schema.allocation_rules")]
LazyKey = Annotated["ApiKey", strawberry.lazy("schema.keys")]


@strawberry.type(description="Who buys: a person or an enterprise.")
class Account(Node):
    place: strawberry.Private[Place]
    name: str
    kind: AccountKind
    time_zone: str = strawberry.field(
        description="IANA name; days, months and standing orders follow it. A change applies from the next month on."
    )
    time_zone_from: strawberry.Private[datetime | None]
    suspended: bool
    created_at: datetime

    @classmethod
    def of(cls, row: models.Account, place: Place) -> Self:
        """From the row and where it stands."""
        return cls(
            id=strawberry.ID(row.id),
            place=place,
            name=row.name,
            kind=row.kind,
            time_zone=row.time_zone,
            time_zone_from=row.time_zone_from,
            suspended=row.suspended_at is not None,
            created_at=row.created_at,
        )

    @strawberry.field(description="Until then the time zone before it applies; null once it applies itself.")
    async def time_zone_applies_from(self) -> datetime | None:
        since = self.time_zone_from
        return since if since and since > await ledger_queries.now() else None

    @strawberry.field
    async def wallet(self) -> LazyWallet:
        return schema.ledger.Wallet.of(self.place)

    @strawberry.field(description="Every wallet of the account added up: its own, its pools' and their departments'.")
    async def total_available(self, info: Info) -> Long | None:
        require(info.context.standing, Action.SEE_WHOLE_ACCOUNT, self.place)
        return Long(await ledger_queries.total_available(self.id))

    @strawberry.field(description="The pools that the caller may see.")
    async def pools(self, info: Info) -> list["Pool"]:
        rows = await models.Pool.filter(account_id=self.id, deleted_at=None).order_by("name")
        return [pool for row in rows if (pool := await _visible_pool(info.context, row))]

    @strawberry.field
    async def members(self, info: Info, first: First = 25, after: After = None) -> Connection[Membership] | None:
        standing = info.context.standing
        require(standing, Action.SEE_MEMBERS, self.place)
        show_email = may(standing, Action.SEE_EMAILS, self.place)

        async def read(limit: int, position: tuple[str, ...] | None) -> Sequence[models.Membership]:
            rows = models.Membership.filter(account_id=self.id).prefetch_related("user")
            if position:
                rows = rows.filter(id__lt=position[0])
            return await rows.order_by("-id").limit(limit)

        return await connection(
            list_name=f"members:{self.id}",
            first=first,
            after=after,
            key=lambda row: (row.id,),
            read=read,
            node=lambda row: Membership(user=User.of(row.user, show_email=show_email), role=row.role, since=row.since),
        )

    @strawberry.field(description="All wallets of the account together.")
    async def transactions(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        filter: LazyFilter | None = None,  # noqa: A002 the API's name for it
    ) -> Connection[LazyTransaction] | None:
        require(info.context.standing, Action.SEE_WHOLE_ACCOUNT, self.place)
        return await schema.ledger.account_history(self.id, first=first, after=after, chosen=filter)

    @strawberry.field(description="What was spent from all of its wallets, by local days.")
    async def usage(self, info: Info, from_: From, to: To, group_by: UsageGroup = UsageGroup.DAY) -> UsageReport | None:
        require(info.context.standing, Action.SEE_WHOLE_ACCOUNT, self.place)
        return UsageReport.of(await account_usage(self.id, Period.checked(from_, to), group_by))

    @strawberry.field
    async def purchases(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        status: list[PurchaseStatus] | None = None,
    ) -> Connection[LazyPurchase]:
        standing = info.context.standing
        require(standing, Action.SEE_PURCHASES, self.place)
        all_of_them = may(standing, Action.SEE_ALL_PURCHASES, self.place)
        wallet_ids = [] if all_of_them else await _wallets_in_scope(standing)
        return await schema.purchases.account_purchases(
            self.id,
            first=first,
            after=after,
            statuses=status,
            requested_by=None if all_of_them else standing.actor.id,
            wallet_ids=wallet_ids,
        )

    @strawberry.field
    async def approvals(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        status: list[ApprovalStatus] | None = _PENDING,
    ) -> Connection[LazyApproval]:
        standing = info.context.standing
        require(standing, Action.SEE_APPROVALS, self.place)
        all_of_them = may(standing, Action.SEE_ALL_APPROVALS, self.place)
        return await schema.approvals.account_approvals(
            self.id,
            first=first,
            after=after,
            statuses=status,
            only_for=None if all_of_them else standing.actor.id,
            wallet_ids=[] if all_of_them else await _wallets_in_scope(standing),
        )

    @strawberry.field(description="Which purchases need whose consent.")
    async def approval_policies(self, info: Info) -> list[LazyPolicy]:
        require(info.context.standing, Action.SEE_POLICIES, self.place)
        return [schema.approvals.ApprovalPolicy.of(view) for view in await policies_of(self.id)]

    @strawberry.field(description="What it pays for a credit of a package with a custom price; also a lapsed one.")
    async def price_agreement(self, info: Info) -> PriceAgreement | None:
        require(info.context.standing, Action.SEE_AGREEMENT, self.place)
        found = await agreement_of(self.id, now=await ledger_queries.now())
        return PriceAgreement.of(found) if found else None

    @strawberry.field(description="For owners; the revoked ones come last.")
    async def api_keys(self, info: Info) -> list[LazyKey] | None:
        require(info.context.standing, Action.MANAGE_KEYS, self.place)
        return await schema.keys.account_keys(self.id)

    @strawberry.field(
        description="The workspace that it has connected; null where there is none, also where all accounts share one."
    )
    async def slack(self, info: Info) -> SlackConnection | None:
        require(info.context.standing, Action.SEE_CHAT, self.place)
        return await slack_of(self.id)

    @strawberry.field(description="Who did what to settings and people, newest first.")
    async def audit_log(self, info: Info, first: First = 25, after: After = None) -> Connection[AuditEntry] | None:
        require(info.context.standing, Action.SEE_AUDIT_LOG, self.place)
        return await account_audit_log(self.id, first=first, after=after)


async def _wallets_in_scope(standing: Standing) -> list[str]:
    if standing.key:
        return list(standing.key.wallet_ids)
    pools = await queries.pool_places(standing.pool_ids)
    departments = await queries.department_places(
        {*standing.department_ids, *await queries.departments_of(standing.pool_ids)}
    )
    return [place.wallet_id for place in (*pools.values(), *departments.values()) if place.wallet_id]


@strawberry.type(description="Messages to `slackChannel` about the pool's departments.")
class PoolNotifications:
    slack_channel: str | None
    allocation_use: bool = strawberry.field(description="At 50, 80 and 100 % of a period's allocation, once each.")
    weekly_digest: bool


@strawberry.type(description="A part of an enterprise with credits, administrators and departments of its own.")
class Pool(Node):
    place: strawberry.Private[Place]
    name: str
    notifications: PoolNotifications

    @classmethod
    def of(cls, row: models.Pool, place: Place) -> Self:
        """From the row and where it stands."""
        notifications = PoolNotifications(
            slack_channel=row.slack_channel, allocation_use=row.tell_allocation_use, weekly_digest=row.tell_weekly
        )
        return cls(id=strawberry.ID(row.id), place=place, name=row.name, notifications=notifications)

    @strawberry.field
    async def account(self, info: Info) -> Account:
        return await account(info.context, self.place.account_id)

    @strawberry.field
    async def wallet(self) -> LazyWallet:
        return schema.ledger.Wallet.of(self.place)

    @strawberry.field
    async def administrators(self, info: Info) -> list[User]:
        show_email = may(info.context.standing, Action.SEE_EMAILS, self.place)
        rows = await models.PoolAdministrator.filter(pool_id=self.id).prefetch_related("user").order_by("id")
        return [User.of(row.user, show_email=show_email) for row in rows]

    @strawberry.field
    async def departments(self, info: Info) -> list["Department"]:
        context = info.context
        rows = await models.Department.filter(pool_id=self.id, deleted_at=None).order_by("name")
        places = await context.loaders.places.load_many([row.id for row in rows])
        return [
            Department.of(row, place)
            for row, place in zip(rows, places, strict=True)
            if place and visible(context.standing, place) and may(context.standing, Action.SEE, place)
        ]

    @strawberry.field(description="What was spent from the pool's wallet and its departments', by local days.")
    async def usage(self, info: Info, from_: From, to: To, group_by: UsageGroup = UsageGroup.DAY) -> UsageReport | None:
        require(info.context.standing, Action.SEE_WHOLE_POOL, self.place)
        return UsageReport.of(await pool_usage(self.id, Period.checked(from_, to), group_by))


@strawberry.type(description="A team that spends from a wallet of its own.")
class Department(Node):
    place: strawberry.Private[Place]
    name: str

    @classmethod
    def of(cls, row: models.Department, place: Place) -> Self:
        """From the row and where it stands."""
        return cls(id=strawberry.ID(row.id), place=place, name=row.name)

    @strawberry.field
    async def pool(self, info: Info) -> Pool:
        return await pool(info.context, self.place.pool_id or "")

    @strawberry.field
    async def wallet(self) -> LazyWallet:
        return schema.ledger.Wallet.of(self.place)

    @strawberry.field
    async def members(self, info: Info) -> list[User]:
        show_email = may(info.context.standing, Action.SEE_EMAILS, self.place)
        rows = await models.DepartmentMember.filter(department_id=self.id).prefetch_related("user").order_by("id")
        return [User.of(row.user, show_email=show_email) for row in rows]

    @strawberry.field(description="The standing order that refills it, if there is one.")
    async def allocation_rule(self, info: Info) -> LazyRule | None:
        return await schema.allocation_rules.rule_of(info.context, self.id)


@strawberry.type(description="The caller. `user` is null for an API key and a service.")
class Viewer:
    standing: strawberry.Private[Standing]
    operator: bool

    @strawberry.field
    async def actor(self) -> Actor:
        return Actor.of(self.standing.actor)

    @strawberry.field
    async def user(self, info: Info) -> User | None:
        return await find_user(info.context, self.standing.user_id, show_email=True) if self.standing.user_id else None

    @strawberry.field
    async def accounts(self, info: Info) -> list[Account]:
        if self.standing.key and not may(self.standing, Action.SEE, await _key_place(info.context, self.standing)):
            return []
        return [await account(info.context, account_id) for account_id in self.standing.account_ids]

    @strawberry.field(description="Approvals that wait for the caller's decision, oldest first.")
    async def approvals_waiting(self) -> list[LazyApproval]:
        if self.standing.user_id is None:
            return []
        return [schema.approvals.Approval.of(view) for view in await waiting_for(self.standing.user_id)]

    @strawberry.field(description="The pools that the caller administers.")
    async def pools(self, info: Info) -> list[Pool]:
        return [await pool(info.context, pool_id) for pool_id in sorted(self.standing.pool_ids)]

    @strawberry.field(description="The departments that the caller belongs to.")
    async def departments(self, info: Info) -> list[Department]:
        return [await department(info.context, each) for each in sorted(self.standing.department_ids)]


async def _key_place(context: Context, standing: Standing) -> Place:
    place = await context.loaders.places.load(standing.account_ids[0])
    if place is None:
        raise NotFound
    return place


async def account(context: Context, account_id: str) -> Account:
    """The account, for a caller who may see it."""
    return await account_at(context, await place_for(context, account_id, Kind.ACCOUNT, Action.SEE))


async def account_at(context: Context, place: Place) -> Account:
    """The account that stands there, for a caller who was let do something with it."""
    row = await context.loaders.accounts.load(place.account_id)
    if row is None:
        raise NotFound
    return Account.of(row, place)


async def pool(context: Context, pool_id: str) -> Pool:
    """The pool, for a caller who may see it."""
    return await pool_at(context, await place_for(context, pool_id, Kind.POOL, Action.SEE))


async def pool_at(context: Context, place: Place) -> Pool:
    """The pool that stands there, for a caller who was let do something with it; also one that was deleted."""
    row = await context.loaders.pools.load(place.pool_id or "")
    if row is None:
        raise NotFound
    return Pool.of(row, place)


async def _visible_pool(context: Context, row: models.Pool) -> Pool | None:
    place = await context.loaders.places.load(row.id)
    if place is None or not visible(context.standing, place) or not may(context.standing, Action.SEE, place):
        return None
    return Pool.of(row, place)


async def department(context: Context, department_id: str) -> Department:
    """The department, for a caller who may see it."""
    return await department_at(context, await place_for(context, department_id, Kind.DEPARTMENT, Action.SEE))


async def department_at(context: Context, place: Place) -> Department:
    """The department that stands there, for a caller who was let do something with it; also one that was deleted."""
    row = await context.loaders.departments.load(place.department_id or "")
    if row is None:
        raise NotFound
    return Department.of(row, place)


@strawberry.type
class AccountQuery:
    @strawberry.field(description="Whoever asks.")
    async def viewer(self, info: Info) -> Viewer | None:
        standing = info.context.standing
        return Viewer(standing=standing, operator=standing.operator)

    @strawberry.field
    async def account(self, info: Info, id: strawberry.ID) -> Account | None:  # noqa: A002 the API's name for it
        return await account(info.context, id)

    @strawberry.field
    async def pool(self, info: Info, id: strawberry.ID) -> Pool | None:  # noqa: A002 the API's name for it
        return await pool(info.context, id)

    @strawberry.field
    async def department(self, info: Info, id: strawberry.ID) -> Department | None:  # noqa: A002 the API's name for it
        return await department(info.context, id)
