"""Consent to large purchases: the policies that ask for it, the requests, and deciding them."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

import schema.accounts
import schema.purchases
from credits.accounts.rules import Action, may, visible
from credits.approvals import models, queries, service
from credits.approvals.models import ApprovalStatus, DecisionVia, Verdict
from credits.approvals.requests import approvals_channel
from credits.approvals.rules import PolicyView
from credits.errors import Forbidden, NotFound, Refusal, RefusalCode
from credits.ids import Kind
from credits.ledger.queries import now
from schema.balances import REREAD_AFTER_S
from schema.context import Context, Info
from schema.errors import UserError, refusals_as
from schema.ids import IdInput, IdPayload
from schema.node import Node
from schema.pagination import Connection, Position, connection, instant_at
from schema.people import User, find_user
from schema.permissions import account_place, approval_for, check_kind, place_for, purchase_for, require

if TYPE_CHECKING:
    from schema.accounts import Pool
    from schema.purchases import Purchase, PurchasePayload

strawberry.enum(ApprovalStatus)
strawberry.enum(Verdict)
strawberry.enum(DecisionVia)

LazyPurchase = Annotated["Purchase", strawberry.lazy("schema.purchases")]
LazyPurchasePayload = Annotated["PurchasePayload", strawberry.lazy("schema.purchases")]


@strawberry.type(description="From so many credits on, a purchase needs these people's consent.")
class ApprovalPolicy(Node):
    view: strawberry.Private[PolicyView]
    minimum_credits: int
    required_approvals: int
    expires_after_hours: int
    remind_after_hours: int | None
    escalate_after_hours: int | None
    slack_channel: str | None

    @classmethod
    def of(cls, view: PolicyView) -> Self:
        """From the domain's; the caller may see it."""
        return cls(
            id=strawberry.ID(view.id),
            view=view,
            minimum_credits=view.minimum_credits,
            required_approvals=view.required_approvals,
            expires_after_hours=view.expires_after_hours,
            remind_after_hours=view.remind_after_hours,
            escalate_after_hours=view.escalate_after_hours,
            slack_channel=view.slack_channel,
        )

    @strawberry.field(description="Null: the whole account. A pool's own policy goes before the account's.")
    async def pool(self, info: Info) -> Annotated["Pool", strawberry.lazy("schema.accounts")] | None:
        return await schema.accounts.pool(info.context, self.view.pool_id) if self.view.pool_id else None

    @strawberry.field
    async def approvers(self, info: Info) -> list[User]:
        return await _people(info.context, self.view.approver_ids)

    @strawberry.field
    async def escalate_to(self, info: Info) -> list[User]:
        return await _people(info.context, self.view.escalate_to_ids)


async def _people(context: Context, ids: Sequence[str]) -> list[User]:
    return [await find_user(context, each, show_email=False) for each in ids]


@strawberry.type(description="What one approver said.")
class ApprovalDecision:
    decided_by: strawberry.Private[str]
    verdict: Verdict
    comment: str | None
    via: DecisionVia
    decided_at: datetime

    @strawberry.field
    async def approver(self, info: Info) -> User:
        return await find_user(info.context, self.decided_by, show_email=False)


@strawberry.type(description="A request for consent to a purchase.")
class Approval(Node):
    view: strawberry.Private[queries.ApprovalView]
    status: ApprovalStatus
    required_approvals: int
    expires_at: datetime

    @classmethod
    def of(cls, view: queries.ApprovalView) -> Self:
        """From the domain's; the caller may see it."""
        return cls(
            id=strawberry.ID(view.id),
            view=view,
            status=view.status,
            required_approvals=view.required_approvals,
            expires_at=view.expires_at,
        )

    @strawberry.field
    async def purchase(self, info: Info) -> LazyPurchase:
        return await schema.purchases.purchase(info.context, self.view.purchase_id)

    @strawberry.field
    async def approvers(self, info: Info) -> list[User]:
        return await _people(info.context, self.view.approver_ids)

    @strawberry.field
    async def decisions(self) -> list[ApprovalDecision]:
        return [
            ApprovalDecision(
                decided_by=each.approver_id,
                verdict=each.verdict,
                comment=each.comment,
                via=each.via,
                decided_at=each.decided_at,
            )
            for each in self.view.decisions
        ]

    @strawberry.field
    async def viewer_can_decide(self, info: Info) -> bool:
        user_id = info.context.standing.user_id
        if user_id is None or self.view.status is not ApprovalStatus.PENDING:
            return False
        return self.id in {view.id for view in await queries.waiting_for(user_id)}


async def approval(context: Context, approval_id: str) -> Approval:
    """The approval, for a caller who may see its purchase."""
    view, _ = await approval_for(context, approval_id)
    return Approval.of(view)


async def approval_policy(context: Context, policy_id: str) -> ApprovalPolicy:
    """The policy, for a caller who may see the account's policies."""
    view, _ = await _policy_for(context, policy_id, Action.SEE_POLICIES)
    return ApprovalPolicy.of(view)


async def _policy_for(context: Context, policy_id: str, action: Action) -> tuple[PolicyView, str]:
    standing = context.standing
    check_kind(policy_id, Kind.APPROVAL_POLICY, field="id")
    view = await queries.policy(policy_id)
    if view is None:
        raise NotFound
    place = await account_place(context, view.account_id)
    if not visible(standing, place):
        raise NotFound
    require(standing, action, place)
    return view, view.account_id


async def account_approvals(
    account_id: str,
    *,
    first: int | None,
    after: str | None,
    statuses: Sequence[ApprovalStatus] | None,
    only_for: str | None,
    wallet_ids: Sequence[str],
) -> Connection[Approval]:
    """A page of an account's approvals, newest first; with `only_for`, those that concern this person."""

    async def read(limit: int, position: Position | None) -> Sequence[queries.ApprovalView]:
        return await queries.account_approvals(
            account_id,
            limit=limit,
            statuses=statuses,
            only_for=only_for,
            wallet_ids=wallet_ids,
            before=(instant_at(position, 0), position[1]) if position else None,
        )

    return await connection(
        list_name=f"approvals:{account_id}",
        first=first,
        after=after,
        key=lambda view: (view.created_at.isoformat(), view.id),
        key_length=2,
        read=read,
        node=Approval.of,
    )


@strawberry.type
class ApprovalQuery:
    @strawberry.field
    async def approval(self, info: Info, id: strawberry.ID) -> Approval | None:  # noqa: A002 the API's name for it
        return await approval(info.context, id)


@strawberry.input
class ApprovePurchaseInput:
    purchase_id: strawberry.ID
    comment: str | None = None


@strawberry.input
class RejectPurchaseInput:
    purchase_id: strawberry.ID
    reason: str


@strawberry.input
class SetApprovalPolicyInput:
    account_id: strawberry.ID
    minimum_credits: int
    approver_ids: list[strawberry.ID]
    pool_id: strawberry.ID | None = None
    required_approvals: int = 1
    expires_after_hours: int = 72
    remind_after_hours: int | None = None
    escalate_after_hours: int | None = None
    escalate_to_ids: list[strawberry.ID] | None = None
    slack_channel: str | None = None


@strawberry.type
class ApprovalPolicyPayload:
    approval_policy: ApprovalPolicy | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


def _refused(*, user_errors: list[UserError]) -> LazyPurchasePayload:
    return schema.purchases.PurchasePayload(user_errors=user_errors)


@strawberry.type
class ApprovalMutation:
    @strawberry.mutation(description="Consent to a purchase that waits for it.")
    @refusals_as(_refused)
    async def approve_purchase(
        self,
        info: Info,
        input: ApprovePurchaseInput,  # noqa: A002 the API's name for it
    ) -> LazyPurchasePayload | None:
        return await _decide(info.context, input.purchase_id, Verdict.APPROVE, input.comment)

    @strawberry.mutation(description="Refuse consent, with the reason.")
    @refusals_as(_refused)
    async def reject_purchase(
        self,
        info: Info,
        input: RejectPurchaseInput,  # noqa: A002 the API's name for it
    ) -> LazyPurchasePayload | None:
        return await _decide(info.context, input.purchase_id, Verdict.REJECT, input.reason)

    @strawberry.mutation(
        description="Ask for consent from so many credits on; open requests keep the policy they began with."
    )
    @refusals_as(ApprovalPolicyPayload)
    async def set_approval_policy(
        self,
        info: Info,
        input: SetApprovalPolicyInput,  # noqa: A002 the API's name for it
    ) -> ApprovalPolicyPayload | None:
        context = info.context
        await place_for(context, input.account_id, Kind.ACCOUNT, Action.SET_POLICIES, field="accountId")
        if input.pool_id is not None:
            pool = await place_for(context, input.pool_id, Kind.POOL, Action.SEE, field="poolId")
            if pool.account_id != input.account_id:
                raise NotFound
        wanted = PolicyView(
            id="",
            account_id=input.account_id,
            pool_id=input.pool_id,
            minimum_credits=input.minimum_credits,
            approver_ids=tuple(input.approver_ids),
            required_approvals=input.required_approvals,
            expires_after_hours=input.expires_after_hours,
            remind_after_hours=input.remind_after_hours,
            escalate_after_hours=input.escalate_after_hours,
            escalate_to_ids=tuple(input.escalate_to_ids or ()),
            slack_channel=input.slack_channel,
        )
        view = await service.set_policy(context.standing.actor, wanted, now=await now())
        return ApprovalPolicyPayload(approval_policy=ApprovalPolicy.of(view))

    @strawberry.mutation(description="Ask for no consent by this policy any more; open requests go on.")
    @refusals_as(IdPayload)
    async def delete_approval_policy(
        self,
        info: Info,
        input: IdInput,  # noqa: A002 the API's name for it
    ) -> IdPayload | None:
        view, _ = await _policy_for(info.context, input.id, Action.SET_POLICIES)
        await service.delete_policy(info.context.standing.actor, view.id)
        return IdPayload(id=input.id)


async def _decide(context: Context, purchase_id: str, verdict: Verdict, comment: str | None) -> LazyPurchasePayload:
    view, place = await purchase_for(context, purchase_id, field="purchaseId")
    standing = context.standing
    require(standing, Action.DECIDE, await account_place(context, view.account_id))
    asked = await context.loaders.approvals_of_purchases.load(purchase_id)
    concerned = view.requested_by.id == standing.user_id or (asked and standing.user_id in asked.approver_ids)
    if not concerned and not may(standing, Action.CANCEL_ANOTHERS_PURCHASE, place):
        # A colleague who sees it but neither decides nor looks after the wallet: to them there is nothing to decide.
        raise NotFound
    if standing.user_id is None or asked is None:
        if view.requested_by.id == standing.user_id:
            raise Refusal(RefusalCode.SELF_APPROVAL, "You asked for this purchase yourself.")
        raise Refusal(RefusalCode.WRONG_STATE, "This purchase needs nobody's approval.", field="purchaseId")
    decision = service.Decision(user_id=standing.user_id, verdict=verdict, comment=comment, via=DecisionVia.API)
    await service.decide(context.services.checkouts.publisher, asked.id, decision)
    context.forget()
    return schema.purchases.PurchasePayload(purchase=await schema.purchases.purchase(context, purchase_id))


@strawberry.type
class ApprovalSubscription:
    @strawberry.subscription(description="Approvals that the caller may decide, as they come and as they end.")
    async def approval_updated(self, info: Info, account_id: strawberry.ID) -> AsyncGenerator[Approval | None, None]:
        context = info.context
        place = await place_for(context, account_id, Kind.ACCOUNT, Action.SEE, field="accountId")
        user_id = context.standing.user_id
        if not may(context.standing, Action.WATCH_APPROVALS, place) and not await _is_named(account_id, user_id):
            raise Forbidden("Only an owner, and who is named by a policy, can watch approvals.")
        with context.services.feeds.subscribe(approvals_channel(account_id), rights_of=account_id) as subscription:
            told: dict[str, queries.ApprovalView] = {}
            while True:
                for view in await _concerning(account_id, user_id or "", set(told)):
                    if told.get(view.id) != view:
                        told[view.id] = view
                        context.forget()
                        yield Approval.of(view)
                await subscription.hear(at_most_s=REREAD_AFTER_S)
                await context.renew()
                await place_for(context, account_id, Kind.ACCOUNT, Action.SEE, field="accountId")


async def _is_named(account_id: str, user_id: str | None) -> bool:
    named = {each for policy in await queries.policies_of(account_id) for each in policy.approver_ids}
    for row in await models.Approval.filter(account_id=account_id, status=ApprovalStatus.PENDING):
        named.update(row.approver_ids)
    return user_id in named


async def _concerning(account_id: str, user_id: str, known: set[str]) -> list[queries.ApprovalView]:
    """What waits for this person now, and what did before, oldest first."""
    waiting = [view for view in await queries.waiting_for(user_id) if view.account_id == account_id]
    ended = await queries.approvals_by_id(known - {view.id for view in waiting})
    return [*ended.values(), *waiting]
