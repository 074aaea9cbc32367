"""Purchases: asking for one, ending one, and watching it."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

import schema.accounts
import schema.approvals
import schema.ledger
from credits.accounts.rules import Action, Place, Standing, may
from credits.approvals.renewal import ask_again
from credits.errors import Forbidden, NotFound, Refusal, RefusalCode
from credits.ids import Kind
from credits.purchases import queries, rules, service
from credits.purchases.channel import purchase_channel
from credits.purchases.models import DisputeStatus, PurchaseStatus
from credits.purchases.refunds import RefundInput, request_refund
from credits.purchases.renewal import renew_checkout
from schema.balances import REREAD_AFTER_S
from schema.catalogue import Money, Package
from schema.context import Context, Info
from schema.errors import UserError, refusals_as
from schema.node import Node
from schema.pagination import Connection, Position, connection, instant_at
from schema.people import Actor
from schema.permissions import place_for, purchase_for, require
from schema.scalars import Long

if TYPE_CHECKING:
    from schema.accounts import Account
    from schema.approvals import Approval
    from schema.ledger import Transaction, Wallet

strawberry.enum(PurchaseStatus)
strawberry.enum(DisputeStatus)


@strawberry.type(description="A purchase, from the request to the paid credits.")
class Purchase(Node):
    view: strawberry.Private[queries.PurchaseView]
    quantity: int
    credits: int
    total: Money
    status: PurchaseStatus
    failure_reason: str | None
    justification: str | None
    checkout_url: str | None = strawberry.field(
        description="Where to pay; while AWAITING_PAYMENT, as soon as the payment provider has answered."
    )
    refunded_total: Money = strawberry.field(
        description="What of the money went back or is on its way, by refunds and by disputes that were lost."
    )
    clawed_back: int = strawberry.field(description="The credits that followed it.")
    dispute: DisputeStatus | None = strawberry.field(
        description="Where the payer's bank disputes the payment; of several disputes the one that matters most."
    )
    receipt_url: str | None
    invoice_url: str | None
    created_at: datetime
    paid_at: datetime | None

    @classmethod
    def of(cls, view: queries.PurchaseView) -> Self:
        """From the domain's; the caller may see it."""
        waiting = view.status is PurchaseStatus.AWAITING_PAYMENT
        return cls(
            id=strawberry.ID(view.id),
            view=view,
            quantity=view.quantity,
            credits=view.credits,
            total=Money.of(view.total),
            status=view.status,
            failure_reason=view.failure_reason,
            justification=view.justification,
            checkout_url=view.checkout_url if waiting else None,
            refunded_total=Money.of(view.refunded),
            clawed_back=view.clawed_back,
            dispute=view.dispute,
            receipt_url=view.receipt_url,
            invoice_url=view.invoice_url,
            created_at=view.created_at,
            paid_at=view.paid_at,
        )

    @strawberry.field
    async def account(self, info: Info) -> Annotated["Account", strawberry.lazy("schema.accounts")]:
        return await schema.accounts.account(info.context, self.view.account_id)

    @strawberry.field
    async def wallet(self, info: Info) -> Annotated["Wallet", strawberry.lazy("schema.ledger")]:
        return await schema.ledger.visible_wallet(info.context, self.view.wallet_id)

    @strawberry.field
    async def package(self, info: Info) -> Package:
        view = await info.context.loaders.packages.load(self.view.package_code)
        if view is None:
            raise NotFound
        return Package.of(view)

    @strawberry.field
    async def requested_by(self) -> Actor:
        return Actor.of(self.view.requested_by)

    @strawberry.field(description="The latest request for consent to it, if it needed one.")
    async def approval(self, info: Info) -> Annotated["Approval", strawberry.lazy("schema.approvals")] | None:
        view = await info.context.loaders.approvals_of_purchases.load(self.id)
        return schema.approvals.Approval.of(view) if view else None

    @strawberry.field(description="The transaction that credited it.")
    async def transaction(self, info: Info) -> Annotated["Transaction", strawberry.lazy("schema.ledger")] | None:
        credited = self.view.transaction_id
        return await schema.ledger.transaction(info.context, credited) if credited else None


async def purchase(context: Context, purchase_id: str) -> Purchase:
    """The purchase, for a caller who may see it."""
    view, _ = await purchase_for(context, purchase_id)
    return Purchase.of(view)


async def account_purchases(
    account_id: str,
    *,
    first: int | None,
    after: str | None,
    statuses: Sequence[PurchaseStatus] | None,
    requested_by: str | None,
    wallet_ids: Sequence[str],
) -> Connection[Purchase]:
    """A page of an account's purchases, newest first; with `requested_by`, those of that caller and wallets only."""

    async def read(limit: int, position: Position | None) -> Sequence[queries.PurchaseView]:
        return await queries.account_purchases(
            account_id,
            limit=limit,
            statuses=statuses,
            requested_by=requested_by,
            wallet_ids=wallet_ids,
            before=(instant_at(position, 0), position[1]) if position else None,
        )

    return await connection(
        list_name=f"purchases:{account_id}",
        first=first,
        after=after,
        key=lambda view: (view.created_at.isoformat(), view.id),
        key_length=2,
        read=read,
        node=Purchase.of,
    )


@strawberry.type
class PurchaseQuery:
    @strawberry.field
    async def purchase(self, info: Info, id: strawberry.ID) -> Purchase | None:  # noqa: A002 the API's name for it
        return await purchase(info.context, id)


@strawberry.input
class PurchaseCreditsInput:
    wallet_id: strawberry.ID
    package_code: str
    idempotency_key: str
    quantity: int = 1
    credits: int | None = strawberry.field(
        default=None, description="Only for a package with a custom price; quantity is then 1."
    )
    justification: str | None = None
    return_url: str | None = strawberry.field(default=None, description="One of the allowed addresses of the settings.")


@strawberry.type
class PurchaseCreditsPayload:
    purchase: Purchase | None = None
    replayed: bool = False
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input
class PurchaseInput:
    purchase_id: strawberry.ID


@strawberry.type
class PurchasePayload:
    purchase: Purchase | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input(description="Money back through the payment provider; credits follow as a clawback.")
class RefundPurchaseInput:
    purchase_id: strawberry.ID
    reason: str
    idempotency_key: str
    amount_minor: Long | None = strawberry.field(default=None, description="All that is left of it when left out.")


@strawberry.type
class PurchaseMutation:
    @strawberry.mutation(
        description="Buy a package. Answers with a checkout address, or waits for approval where a policy asks for one."
    )
    @refusals_as(PurchaseCreditsPayload)
    async def purchase_credits(
        self,
        info: Info,
        input: PurchaseCreditsInput,  # noqa: A002 the API's name for it
    ) -> PurchaseCreditsPayload | None:
        context = info.context
        place = await place_for(context, input.wallet_id, Kind.WALLET, Action.PURCHASE, field="walletId")
        wanted = service.PurchaseInput(
            wallet_id=input.wallet_id,
            package_code=input.package_code,
            quantity=input.quantity,
            credits=input.credits,
            justification=input.justification,
            return_url=input.return_url,
            idempotency_key=input.idempotency_key,
        )
        view, replayed = await service.request_purchase(
            context.services.checkouts, context.standing.actor, place, wanted
        )
        if replayed and view.requested_by.id != context.standing.actor.id:
            await _check_replay(context, view.id)
        return PurchaseCreditsPayload(purchase=Purchase.of(view), replayed=replayed)

    @strawberry.mutation(description="End a purchase that is not paid.")
    @refusals_as(PurchasePayload)
    async def cancel_purchase(
        self,
        info: Info,
        input: PurchaseInput,  # noqa: A002 the API's name for it
    ) -> PurchasePayload | None:
        context = info.context
        view, place = await purchase_for(context, input.purchase_id, field="purchaseId", key_for=Action.PURCHASE)
        _check_may_cancel(context.standing, view, place)
        view = await service.cancel_purchase(context.services.checkouts, view.id)
        return PurchasePayload(purchase=Purchase.of(view))

    @strawberry.mutation(
        description="A new checkout for a purchase whose checkout has lapsed; an approval that was given stays given."
    )
    @refusals_as(PurchasePayload)
    async def renew_checkout(
        self,
        info: Info,
        input: PurchaseInput,  # noqa: A002 the API's name for it
    ) -> PurchasePayload | None:
        context = info.context
        view, place = await purchase_for(context, input.purchase_id, field="purchaseId", key_for=Action.PURCHASE)
        _check_is_own(context.standing, view, place)
        view = await renew_checkout(context.services.checkouts, view.id)
        return PurchasePayload(purchase=Purchase.of(view))

    @strawberry.mutation(description="Ask again after an approval has expired.")
    @refusals_as(PurchasePayload)
    async def renew_approval(
        self,
        info: Info,
        input: PurchaseInput,  # noqa: A002 the API's name for it
    ) -> PurchasePayload | None:
        context = info.context
        view, place = await purchase_for(context, input.purchase_id, field="purchaseId", key_for=Action.PURCHASE)
        _check_is_own(context.standing, view, place)
        view = await ask_again(context.services.checkouts.publisher, view.id)
        context.forget()
        return PurchasePayload(purchase=Purchase.of(view))

    @strawberry.mutation(
        description="Give money back through the payment provider; the credits follow. Operators only."
    )
    @refusals_as(PurchasePayload)
    async def refund_purchase(
        self,
        info: Info,
        input: RefundPurchaseInput,  # noqa: A002 the API's name for it
    ) -> PurchasePayload | None:
        context = info.context
        if not context.standing.operator:
            raise Forbidden("Only the platform's staff gives money back. Write to support.")
        view, _ = await purchase_for(context, input.purchase_id, field="purchaseId")
        wanted = RefundInput(
            amount_minor=input.amount_minor, reason=input.reason, idempotency_key=input.idempotency_key
        )
        view = await request_refund(context.services.checkouts, context.standing.actor, view, wanted)
        return PurchasePayload(purchase=Purchase.of(view))


async def _check_replay(context: Context, purchase_id: str) -> None:
    """The first caller's result is for those who may see it; others learn only that the key is taken."""
    try:
        await purchase_for(context, purchase_id)
    except (NotFound, Forbidden):
        raise Refusal(
            RefusalCode.IDEMPOTENCY_KEY_REUSED,
            "This key was used by somebody else. Take a new idempotencyKey for each new call.",
            field="idempotencyKey",
        ) from None


def _check_may_cancel(standing: Standing, view: queries.PurchaseView, place: Place) -> None:
    """Whoever asked for it may end it, and those who look after the wallet. To a colleague who sees it but is neither
    there is nothing to end."""
    if view.requested_by.id == standing.actor.id:
        require(standing, Action.PURCHASE, place)
    elif not may(standing, Action.CANCEL_ANOTHERS_PURCHASE, place):
        raise Forbidden if standing.key or may(standing, Action.SEE_ALL_PURCHASES, place) else NotFound


def _check_is_own(standing: Standing, view: queries.PurchaseView, place: Place) -> None:
    """Whoever asked for it, and nobody else; to a colleague who sees it but may not see all there is nothing."""
    if view.requested_by.id == standing.actor.id:
        require(standing, Action.PURCHASE, place)
    else:
        raise Forbidden if standing.key or may(standing, Action.SEE_ALL_PURCHASES, place) else NotFound


@strawberry.type
class PurchaseSubscription:
    @strawberry.subscription(
        description="The present state at once, then each change; completes on PAID, REJECTED, CANCELED, EXPIRED or "
        "FAILED."
    )
    async def purchase_updated(self, info: Info, purchase_id: strawberry.ID) -> AsyncGenerator[Purchase | None, None]:
        context = info.context
        _, place = await purchase_for(context, purchase_id, field="purchaseId")
        channel = purchase_channel(purchase_id)
        with context.services.feeds.subscribe(channel, rights_of=place.account_id) as subscription:
            view = await queries.purchase(purchase_id)
            yield Purchase.of(view)
            while view.status not in rules.ENDED:
                await subscription.hear(at_most_s=REREAD_AFTER_S)
                await context.renew()
                await purchase_for(context, purchase_id, field="purchaseId")
                before, view = view, await queries.purchase(purchase_id)
                if view != before:
                    context.forget()
                    yield Purchase.of(view)
