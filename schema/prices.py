"""What a purchase would cost an account: quotes, asking for a price, and agreeing on one."""

from datetime import datetime
from decimal import Decimal
from typing import Self

import strawberry

import schema.accounts
from credits import money
from credits.accounts.rules import Action
from credits.catalogue import prices, requests
from credits.errors import Forbidden
from credits.ids import Kind
from credits.purchases import offers
from schema.approvals import ApprovalPolicy
from schema.catalogue import Money, UnitPrice
from schema.context import Info
from schema.errors import UserError, refusals_as
from schema.permissions import place_for
from schema.settings import AccountPayload


@strawberry.type(description="What a purchase would cost now; the price is taken when it is made.")
class PurchaseQuote:
    credits: int
    total: Money
    unit_price: UnitPrice
    approval_policy: ApprovalPolicy | None = strawberry.field(
        description="The policy that would ask for approval, if one would."
    )

    @classmethod
    def of(cls, offer: offers.Offer) -> Self:
        """From the domain's."""
        price = offer.price
        return cls(
            credits=price.credits,
            total=Money.of(price.total),
            unit_price=UnitPrice.of(price.total, price.credits),
            approval_policy=ApprovalPolicy.of(offer.policy) if offer.policy else None,
        )


@strawberry.type
class QuotePurchasePayload:
    quote: PurchaseQuote | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class PriceQuery:
    @strawberry.field(description="The price of a purchase, and whether it would need approval, before making it.")
    @refusals_as(QuotePurchasePayload)
    async def quote_purchase(
        self,
        info: Info,
        wallet_id: strawberry.ID,
        package_code: str,
        quantity: int = 1,
        credits: int | None = None,  # noqa: A002 the API's name for it
    ) -> QuotePurchasePayload | None:
        context = info.context
        place = await place_for(context, wallet_id, Kind.WALLET, Action.QUOTE_PURCHASE, field="walletId")
        offer = await offers.offer_for(
            context.standing.actor,
            place,
            wallet_id=wallet_id,
            package_code=package_code,
            quantity=quantity,
            credits_wanted=credits,
        )
        return QuotePurchasePayload(quote=PurchaseQuote.of(offer))


@strawberry.input
class RequestQuoteInput:
    account_id: strawberry.ID
    credits: int
    note: str | None = None


@strawberry.type
class RequestQuotePayload:
    requested: bool = False
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input(description="`unitPriceMinor: null` ends the agreement.")
class SetPriceAgreementInput:
    account_id: strawberry.ID
    minimum_credits: int
    unit_price_minor: Decimal | None = strawberry.field(
        default=None, description="For one credit, in the currency's smallest unit, with at most 6 decimals."
    )
    currency: str = "USD"
    valid_until: datetime | None = None


@strawberry.type
class PriceMutation:
    @strawberry.mutation(
        description="Ask the platform's staff for a price of so many credits; they answer with an agreement."
    )
    @refusals_as(RequestQuotePayload)
    async def request_quote(
        self,
        info: Info,
        input: RequestQuoteInput,  # noqa: A002 the API's name for it
    ) -> RequestQuotePayload | None:
        context = info.context
        place = await place_for(context, input.account_id, Kind.ACCOUNT, Action.PURCHASE, field="accountId")
        await requests.request_quote(
            context.standing.actor, place.account_id, credits_wanted=input.credits, note=input.note
        )
        return RequestQuotePayload(requested=True)

    @strawberry.mutation(
        description="What the account pays from its next purchase on for a credit of a package with a custom price."
        " Operators only."
    )
    @refusals_as(AccountPayload)
    async def set_price_agreement(
        self,
        info: Info,
        input: SetPriceAgreementInput,  # noqa: A002 the API's name for it
    ) -> AccountPayload | None:
        context = info.context
        standing = context.standing
        if not standing.operator:
            raise Forbidden("Only the platform's staff agrees on prices. Ask for one with requestQuote.")
        place = await place_for(context, input.account_id, Kind.ACCOUNT, Action.SEE, field="accountId")
        if input.unit_price_minor is None:
            await prices.end_agreement(standing.actor, place.account_id)
        else:
            await prices.set_agreement(
                standing.actor,
                place.account_id,
                minimum_credits=input.minimum_credits,
                unit=money.UnitPrice(input.unit_price_minor, input.currency),
                valid_until=input.valid_until,
            )
        context.forget()
        return AccountPayload(account=await schema.accounts.account(context, place.account_id))
