"""Credits that come in or move without being spent: given, put right, allocated."""

from datetime import datetime

import strawberry

from credits.accounts.rules import Action, Place
from credits.errors import Forbidden
from credits.ids import Kind
from credits.ledger import posting, service
from schema.balances import Balance
from schema.context import Context, Info
from schema.errors import UserError, refusals_as, user_error
from schema.ledger import Transaction, Wallet
from schema.permissions import place_for


@strawberry.type
class TransactionPayload:
    transaction: Transaction | None = None
    balance: Balance | None = None
    replayed: bool = False
    user_errors: list[UserError] = strawberry.field(default_factory=list)


def transaction_payload(done: service.Done | posting.Refused) -> TransactionPayload:
    """What a mutation of one transaction answers."""
    if isinstance(done, posting.Refused):
        return TransactionPayload(user_errors=[user_error(done)])
    return TransactionPayload(
        transaction=Transaction.of(done.line), balance=Balance.of(done.balance), replayed=done.replayed
    )


@strawberry.input
class GrantCreditsInput:
    wallet_id: strawberry.ID
    credits: int
    reason: str
    idempotency_key: str
    expires_at: datetime | None = None
    priority: int = 50


@strawberry.input(description="`change` may be negative.")
class AdjustCreditsInput:
    wallet_id: strawberry.ID
    change: int
    reason: str
    idempotency_key: str


@strawberry.input
class AllocateCreditsInput:
    from_wallet_id: strawberry.ID
    to_wallet_id: strawberry.ID
    credits: int
    idempotency_key: str
    note: str | None = None


@strawberry.type
class AllocateCreditsPayload:
    from_: Wallet | None = strawberry.field(name="from", default=None)
    to: Wallet | None = None
    transactions: list[Transaction] = strawberry.field(default_factory=list)
    replayed: bool = False
    user_errors: list[UserError] = strawberry.field(default_factory=list)


async def _place_for_staff(context: Context, wallet_id: str, message: str) -> Place:
    if not context.standing.operator:
        raise Forbidden(message)
    return await place_for(context, wallet_id, Kind.WALLET, Action.SEE, field="walletId")


@strawberry.type
class GivingMutation:
    @strawberry.mutation(
        description="Account to pool, pool to department, department to department of one pool, or back."
    )
    @refusals_as(AllocateCreditsPayload)
    async def allocate_credits(
        self,
        info: Info,
        input: AllocateCreditsInput,  # noqa: A002 the API's name for it
    ) -> AllocateCreditsPayload | None:
        context = info.context
        source = await place_for(context, input.from_wallet_id, Kind.WALLET, Action.ALLOCATE, field="fromWalletId")
        target = await place_for(context, input.to_wallet_id, Kind.WALLET, Action.ALLOCATE, field="toWalletId")
        wanted = service.TransferInput(
            from_wallet_id=input.from_wallet_id,
            to_wallet_id=input.to_wallet_id,
            credits=input.credits,
            note=input.note,
            idempotency_key=input.idempotency_key,
        )
        done = await service.allocate(context.services.writer, context.standing.actor, source, target, wanted)
        if isinstance(done, posting.Refused):
            return AllocateCreditsPayload(user_errors=[user_error(done)])
        return AllocateCreditsPayload(
            from_=Wallet.of(source),
            to=Wallet.of(target),
            transactions=[Transaction.of(line) for line in done.lines],
            replayed=done.replayed,
        )

    @strawberry.mutation(description="Give credits: promotion, goodwill. Operators only.")
    @refusals_as(TransactionPayload)
    async def grant_credits(
        self,
        info: Info,
        input: GrantCreditsInput,  # noqa: A002 the API's name for it
    ) -> TransactionPayload | None:
        context = info.context
        message = "Only the platform's staff gives credits. Write to support."
        place = await _place_for_staff(context, input.wallet_id, message)
        wanted = service.GrantInput(
            wallet_id=input.wallet_id,
            credits=input.credits,
            reason=input.reason,
            expires_at=input.expires_at,
            priority=input.priority,
            idempotency_key=input.idempotency_key,
        )
        return transaction_payload(await service.grant(context.services.writer, context.standing.actor, place, wanted))

    @strawberry.mutation(description="Put a balance right, either way. Operators only.")
    @refusals_as(TransactionPayload)
    async def adjust_credits(
        self,
        info: Info,
        input: AdjustCreditsInput,  # noqa: A002 the API's name for it
    ) -> TransactionPayload | None:
        context = info.context
        message = "Only the platform's staff adjusts balances. Write to support."
        place = await _place_for_staff(context, input.wallet_id, message)
        wanted = service.AdjustmentInput(
            wallet_id=input.wallet_id,
            change=input.change,
            reason=input.reason,
            idempotency_key=input.idempotency_key,
        )
        return transaction_payload(await service.adjust(context.services.writer, context.standing.actor, place, wanted))
