"""Moving credits: spending them on staging, giving them."""

from datetime import datetime

import strawberry

from credits.accounts.rules import Action
from credits.catalogue.rules import smallest_purchase
from credits.catalogue.service import packages
from credits.errors import Forbidden
from credits.ids import Kind
from credits.ledger import rules, service
from schema.balances import Balance
from schema.catalogue import Package
from schema.context import Info
from schema.errors import UserError, refusals_as, user_error
from schema.ledger import Transaction
from schema.people import acting_for
from schema.permissions import place_for
from schema.scalars import Metadata


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


@strawberry.type(description="Why credits were refused and what would help.")
class Shortfall:
    required: int
    available: int
    missing: int
    held: int
    frozen: int
    suggested_package: Package | None = strawberry.field(description="The smallest purchase that covers it.")
    suggested_quantity: int | None


@strawberry.type
class DeductCreditsPayload:
    transaction: Transaction | None = None
    balance: Balance | None = strawberry.field(default=None, description="As it is now, also in a replay.")
    shortfall: Shortfall | None = None
    replayed: bool = False
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.input
class GrantCreditsInput:
    wallet_id: strawberry.ID
    credits: int
    reason: str
    idempotency_key: str
    expires_at: datetime | None = None
    priority: int = 50


@strawberry.type
class TransactionPayload:
    transaction: Transaction | None = None
    balance: Balance | None = None
    replayed: bool = False
    user_errors: list[UserError] = strawberry.field(default_factory=list)


async def _shortfall(found: rules.Shortfall) -> Shortfall:
    suggestion = smallest_purchase(await packages(), found.missing)
    return Shortfall(
        required=found.required,
        available=found.available,
        missing=found.missing,
        held=found.held,
        frozen=found.frozen,
        suggested_package=Package.of(suggestion[0]) if suggestion else None,
        suggested_quantity=suggestion[1] if suggestion else None,
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
        wanted = service.DeductionInput(
            wallet_id=input.wallet_id,
            staging_type=input.staging_type,
            quantity=input.quantity,
            reference=input.reference,
            description=input.description,
            metadata=input.metadata,
            on_behalf_of=input.on_behalf_of,
            idempotency_key=input.idempotency_key,
        )
        done = await service.deduct(context.services.writer, actor, place, wanted)
        if isinstance(done, rules.Refused):
            shortfall = await _shortfall(done.shortfall) if done.shortfall else None
            return DeductCreditsPayload(shortfall=shortfall, user_errors=[user_error(done)])
        return DeductCreditsPayload(
            transaction=Transaction.of(done.line), balance=Balance.of(done.balance), replayed=done.replayed
        )

    @strawberry.mutation(description="Give credits: promotion, goodwill. Operators only.")
    @refusals_as(TransactionPayload)
    async def grant_credits(
        self,
        info: Info,
        input: GrantCreditsInput,  # noqa: A002 the API's name for it
    ) -> TransactionPayload | None:
        context = info.context
        if not context.standing.operator:
            raise Forbidden("Only the platform's staff gives credits. Write to support.")
        place = await place_for(context, input.wallet_id, Kind.WALLET, Action.SEE, field="walletId")
        wanted = service.GrantInput(
            wallet_id=input.wallet_id,
            credits=input.credits,
            reason=input.reason,
            expires_at=input.expires_at,
            priority=input.priority,
            idempotency_key=input.idempotency_key,
        )
        done = await service.grant(context.services.writer, context.standing.actor, place, wanted)
        if isinstance(done, rules.Refused):
            return TransactionPayload(user_errors=[user_error(done)])
        return TransactionPayload(
            transaction=Transaction.of(done.line), balance=Balance.of(done.balance), replayed=done.replayed
        )
