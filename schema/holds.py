"""Holds: credits promised to work under way, then captured or given back."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

import schema.ledger
from credits.accounts.rules import Action
from credits.ids import Kind
from credits.ledger import hold_service, holds, posting, service
from credits.ledger.commands import Part, Wanted
from credits.ledger.models import HoldStatus
from schema.balances import Balance
from schema.catalogue import StagingType
from schema.context import Context, Info
from schema.errors import UserError, refusals_as, user_error
from schema.node import Node
from schema.people import acting_for
from schema.permissions import hold_for, place_for
from schema.scalars import Metadata
from schema.shortfalls import Shortfall, shortfall_of

if TYPE_CHECKING:
    from schema.ledger import Transaction, Wallet

strawberry.enum(
    HoldStatus,
    description="OPEN until all of it is settled; then CAPTURED if anything was captured, else RELEASED or EXPIRED.",
)
LazyWallet = Annotated["Wallet", strawberry.lazy("schema.ledger")]
LazyTransaction = Annotated["Transaction", strawberry.lazy("schema.ledger")]


@strawberry.type(description="Units of one staging type; each unit is captured or released once.")
class HoldItem:
    item: strawberry.Private[holds.HoldItemState]
    id: strawberry.ID
    quantity: int
    captured: int
    released: int
    credits: int = strawberry.field(description="What all of it costs, by the price of when it was promised.")

    @strawberry.field
    async def staging_type(self, info: Info) -> StagingType:
        view = await info.context.loaders.staging_types.load(self.item.staging_type)
        if view is None:
            raise LookupError(self.item.staging_type)
        return StagingType.of(view)

    @classmethod
    def of(cls, item: holds.HoldItemState) -> Self:
        """From the domain's."""
        return cls(
            item=item,
            id=strawberry.ID(item.id),
            quantity=item.quantity,
            captured=item.captured,
            released=item.released,
            credits=item.credits,
        )


@strawberry.type(description="Credits promised to work under way.")
class Hold(Node):
    hold: strawberry.Private[holds.HoldState]
    status: HoldStatus
    credits: int = strawberry.field(description="Priced when it was placed.")
    open: int = strawberry.field(description="Still promised.")
    captured: int
    released: int
    items: list[HoldItem]
    reference: str | None
    metadata: Metadata | None
    expires_at: datetime
    created_at: datetime

    @strawberry.field
    async def wallet(self, info: Info) -> LazyWallet:
        return await schema.ledger.visible_wallet(info.context, self.hold.wallet_id)

    @classmethod
    def of(cls, hold: holds.HoldState) -> Self:
        """From the domain's; the caller may see it."""
        return cls(
            id=strawberry.ID(hold.id),
            hold=hold,
            status=hold.status,
            credits=hold.credits,
            open=hold.open,
            captured=hold.captured,
            released=hold.released,
            items=[HoldItem.of(item) for item in hold.items],
            reference=hold.reference,
            metadata=None if hold.metadata is None else Metadata(dict(hold.metadata)),
            expires_at=hold.expires_at,
            created_at=hold.created_at,
        )


@strawberry.input
class StagingItemInput:
    staging_type: str
    quantity: int = 1

    def wanted(self) -> Wanted:
        """As the domain takes it."""
        return Wanted(staging_type=self.staging_type, quantity=self.quantity)


@strawberry.input
class PlaceHoldInput:
    wallet_id: strawberry.ID
    items: list[StagingItemInput]
    idempotency_key: str
    expires_in_seconds: int = strawberry.field(default=3600, description="1 second to 7 days.")
    reference: str | None = None
    metadata: Metadata | None = None
    on_behalf_of: strawberry.ID | None = None


@strawberry.input(description="`quantity`: all that is open of the item when left out.")
class HoldPartInput:
    item_id: strawberry.ID
    quantity: int | None = None


@strawberry.input
class CaptureHoldInput:
    hold_id: strawberry.ID
    idempotency_key: str
    items: list[HoldPartInput] | None = strawberry.field(
        default=None, description="What to capture, the rest stays held; everything open when left out."
    )
    release_rest: bool = strawberry.field(default=False, description="Release what is not captured.")


@strawberry.input
class ReleaseHoldInput:
    hold_id: strawberry.ID
    idempotency_key: str
    items: list[HoldPartInput] | None = strawberry.field(default=None, description="Everything open when left out.")


@strawberry.input(description="From now, so it may also end sooner; never beyond 7 days after it was placed.")
class ExtendHoldInput:
    hold_id: strawberry.ID
    expires_in_seconds: int
    idempotency_key: str


@strawberry.type
class HoldPayload:
    hold: Hold | None = None
    balance: Balance | None = None
    shortfall: Shortfall | None = None
    replayed: bool = False
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class CaptureHoldPayload:
    hold: Hold | None = None
    transactions: list[LazyTransaction] = strawberry.field(default_factory=list)
    balance: Balance | None = None
    replayed: bool = False
    user_errors: list[UserError] = strawberry.field(default_factory=list)


def _parts(items: Sequence[HoldPartInput] | None) -> list[Part] | None:
    return None if items is None else [Part(item_id=item.item_id, quantity=item.quantity) for item in items]


def _payload(done: service.Done | posting.Refused, shortfall: Shortfall | None = None) -> HoldPayload:
    if isinstance(done, posting.Refused):
        return HoldPayload(shortfall=shortfall, user_errors=[user_error(done)])
    return HoldPayload(
        hold=Hold.of(done.hold) if done.hold else None, balance=Balance.of(done.balance), replayed=done.replayed
    )


async def hold(context: Context, hold_id: str) -> Hold:
    """The hold, for a caller who may see its wallet's history; for any other there is none."""
    return Hold.of(await hold_for(context, hold_id, Action.SEE_HISTORY, field="id"))


@strawberry.type
class HoldQuery:
    @strawberry.field
    async def hold(self, info: Info, id: strawberry.ID) -> Hold | None:  # noqa: A002 the API's name for it
        return await hold(info.context, id)


@strawberry.type
class HoldMutation:
    @strawberry.mutation(description="Promise credits for work under way; they are captured or given back later.")
    @refusals_as(HoldPayload)
    async def place_hold(
        self,
        info: Info,
        input: PlaceHoldInput,  # noqa: A002 the API's name for it
    ) -> HoldPayload | None:
        context = info.context
        place = await place_for(context, input.wallet_id, Kind.WALLET, Action.SPEND, field="walletId")
        actor = await acting_for(context, place, input.on_behalf_of)
        wanted = hold_service.HoldInput(
            wallet_id=input.wallet_id,
            items=tuple(item.wanted() for item in input.items),
            lasts_s=input.expires_in_seconds,
            reference=input.reference,
            metadata=input.metadata,
            on_behalf_of=input.on_behalf_of,
            idempotency_key=input.idempotency_key,
        )
        done = await hold_service.place_hold(context.services.writer, actor, place, wanted)
        return _payload(done, await shortfall_of(context.standing, done, place))

    @strawberry.mutation(description="Spend what was promised: a deduction for each item, at the price of back then.")
    @refusals_as(CaptureHoldPayload)
    async def capture_hold(
        self,
        info: Info,
        input: CaptureHoldInput,  # noqa: A002 the API's name for it
    ) -> CaptureHoldPayload | None:
        context = info.context
        found = await hold_for(context, input.hold_id, Action.SPEND, field="holdId")
        done = await hold_service.capture_hold(
            context.services.writer,
            context.standing.actor,
            found,
            parts=_parts(input.items),
            release_rest=input.release_rest,
            idempotency_key=input.idempotency_key,
        )
        if isinstance(done, posting.Refused):
            return CaptureHoldPayload(user_errors=[user_error(done)])
        return CaptureHoldPayload(
            hold=Hold.of(done.hold) if done.hold else None,
            transactions=[schema.ledger.Transaction.of(line) for line in done.lines],
            balance=Balance.of(done.balance),
            replayed=done.replayed,
        )

    @strawberry.mutation(description="Give back what was promised.")
    @refusals_as(HoldPayload)
    async def release_hold(
        self,
        info: Info,
        input: ReleaseHoldInput,  # noqa: A002 the API's name for it
    ) -> HoldPayload | None:
        context = info.context
        done = await hold_service.release_hold(
            context.services.writer,
            context.standing.actor,
            await hold_for(context, input.hold_id, Action.SPEND, field="holdId"),
            parts=_parts(input.items),
            idempotency_key=input.idempotency_key,
        )
        return _payload(done)

    @strawberry.mutation(description="Let a hold end so long from now.")
    @refusals_as(HoldPayload)
    async def extend_hold(
        self,
        info: Info,
        input: ExtendHoldInput,  # noqa: A002 the API's name for it
    ) -> HoldPayload | None:
        context = info.context
        done = await hold_service.extend_hold(
            context.services.writer,
            context.standing.actor,
            await hold_for(context, input.hold_id, Action.SPEND, field="holdId"),
            lasts_s=input.expires_in_seconds,
            idempotency_key=input.idempotency_key,
        )
        return _payload(done)
