"""Spending credits on staging, one job or many, and undoing it."""

from collections.abc import Sequence

import strawberry

from credits.accounts.rules import Action, Place
from credits.actors import Actor
from credits.errors import BadInput, NotFound, Refusal, RefusalCode
from credits.ids import Kind
from credits.ledger import posting, service
from credits.ledger.commands import RefundReason
from schema.balances import Balance
from schema.context import Context, Info
from schema.errors import UserError, refusals_as, user_error
from schema.giving import TransactionPayload, transaction_payload
from schema.holds import StagingItemInput
from schema.ledger import Transaction
from schema.people import acting_for
from schema.permissions import check_kind, place_for
from schema.scalars import Metadata
from schema.shortfalls import Shortfall, shortfall_of, shortfalls_of

strawberry.enum(RefundReason)


@strawberry.input(description="`onBehalfOf`: the member for whom a key or the service acts.")
class DeductCreditsInput:
    wallet_id: strawberry.ID
    staging_type: str
    idempotency_key: str
    quantity: int = 1
    reference: str | None = None
    description: str | None = None
    metadata: Metadata | None = None
    on_behalf_of: strawberry.ID | None = None

    def wanted(self) -> service.DeductionInput:
        """As the domain takes it."""
        return service.DeductionInput(
            wallet_id=self.wallet_id,
            staging_type=self.staging_type,
            quantity=self.quantity,
            reference=self.reference,
            description=self.description,
            metadata=self.metadata,
            on_behalf_of=self.on_behalf_of,
            idempotency_key=self.idempotency_key,
        )


@strawberry.type
class DeductCreditsPayload:
    transaction: Transaction | None = None
    balance: Balance | None = strawberry.field(default=None, description="As it is now, also in a replay.")
    shortfall: Shortfall | None = None
    replayed: bool = False
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input(description="With `atomic`, one refusal refuses all: `posted` is 0 and each result says why.")
class DeductCreditsManyInput:
    deductions: list[DeductCreditsInput]
    atomic: bool = False


@strawberry.type(description="The results are in the order in which the deductions were sent.")
class DeductCreditsManyPayload:
    results: list[DeductCreditsPayload] = strawberry.field(default_factory=list)
    posted: int = 0
    refused: int = 0
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input
class RefundDeductionInput:
    transaction_id: strawberry.ID
    reason: RefundReason
    idempotency_key: str
    credits: int | None = strawberry.field(default=None, description="All that is left of it when left out.")
    note: str | None = None


@strawberry.type
class Estimate:
    credits: int
    sufficient: bool = strawberry.field(description="Whether the wallet can pay it now.")
    missing: int


@strawberry.type
class EstimatePayload:
    estimate: Estimate | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


def _payload(done: service.Done | posting.Refused, shortfall: Shortfall | None) -> DeductCreditsPayload:
    if isinstance(done, posting.Refused):
        return DeductCreditsPayload(shortfall=shortfall, user_errors=[user_error(done)])
    return DeductCreditsPayload(
        transaction=Transaction.of(done.line), balance=Balance.of(done.balance), replayed=done.replayed
    )


Asked = tuple[Actor, Place, service.DeductionInput] | posting.Refused


async def _asked(context: Context, deductions: Sequence[DeductCreditsInput]) -> list[Asked]:
    """Each with who acts and where; what is wrong with one alone is its own refusal. A wallet that the caller may not
    spend from refuses the call."""
    # All at once, so that the loader asks the database once.
    await context.loaders.places.load_many([each.wallet_id for each in deductions])
    asked: list[Asked] = []
    for each in deductions:
        place = await place_for(context, each.wallet_id, Kind.WALLET, Action.SPEND, field="deductions")
        try:
            actor = await acting_for(context, place, each.on_behalf_of)
        except (Refusal, BadInput) as refusal:
            code = refusal.code if isinstance(refusal, Refusal) else RefusalCode.INVALID
            asked.append(posting.Refused(code=code, message=str(refusal), field=refusal.field))
        else:
            asked.append((actor, place, each.wanted()))
    return asked


@strawberry.type
class SpendingQuery:
    @strawberry.field(description="What work would cost, and whether the wallet can pay it.")
    @refusals_as(EstimatePayload)
    async def estimate(
        self, info: Info, wallet_id: strawberry.ID, items: list[StagingItemInput]
    ) -> EstimatePayload | None:
        await place_for(info.context, wallet_id, Kind.WALLET, Action.SEE, field="walletId")
        found = await service.estimate(wallet_id, [item.wanted() for item in items])
        return EstimatePayload(
            estimate=Estimate(credits=found.credits, sufficient=found.sufficient, missing=found.missing)
        )


@strawberry.type
class SpendingMutation:
    @strawberry.mutation(description="Spend credits on staging. The price comes from the catalogue.")
    @refusals_as(DeductCreditsPayload)
    async def deduct_credits(
        self,
        info: Info,
        input: DeductCreditsInput,  # noqa: A002 the API's name for it
    ) -> DeductCreditsPayload | None:
        context = info.context
        place = await place_for(context, input.wallet_id, Kind.WALLET, Action.SPEND, field="walletId")
        actor = await acting_for(context, place, input.on_behalf_of)
        done = await service.deduct(context.services.writer, actor, place, input.wanted())
        return _payload(done, await shortfall_of(context.standing, done, place))

    @strawberry.mutation(description="Up to 1,000 deductions in one call, posted in order.")
    @refusals_as(DeductCreditsManyPayload)
    async def deduct_credits_many(
        self,
        info: Info,
        input: DeductCreditsManyInput,  # noqa: A002 the API's name for it
    ) -> DeductCreditsManyPayload | None:
        context = info.context
        standing = context.standing
        service.check_bulk(len(input.deductions))
        asked = await _asked(context, input.deductions)
        done = await service.deduct_many(context.services.writer, asked, atomic=input.atomic)
        places = [None if isinstance(each, posting.Refused) else each[1] for each in asked]
        short = await shortfalls_of(standing, list(zip(done, places, strict=True)))
        posted = sum(isinstance(each, service.Done) for each in done)
        return DeductCreditsManyPayload(
            results=[_payload(each, shortfall) for each, shortfall in zip(done, short, strict=True)],
            posted=posted,
            refused=len(done) - posted,
        )

    @strawberry.mutation(
        description="Undo a deduction, wholly or in part: the credits go back into the lots that they came from."
    )
    @refusals_as(TransactionPayload)
    async def refund_deduction(
        self,
        info: Info,
        input: RefundDeductionInput,  # noqa: A002 the API's name for it
    ) -> TransactionPayload | None:
        context = info.context
        _ = context.standing
        line = await context.loaders.lines.load(
            check_kind(input.transaction_id, Kind.TRANSACTION, field="transactionId")
        )
        if line is None:
            raise NotFound
        place = await place_for(context, line.wallet_id, Kind.WALLET, Action.REFUND)
        wanted = service.RefundInput(
            transaction_id=line.id,
            credits=input.credits,
            reason=input.reason,
            note=input.note,
            idempotency_key=input.idempotency_key,
        )
        return transaction_payload(await service.refund(context.services.writer, context.standing.actor, place, wanted))
