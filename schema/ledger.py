"""Wallets: balances, lots, history, spending and giving, and live balances."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

import schema.accounts
import schema.purchases
from credits.accounts.rules import Action, Place, may, visible
from credits.errors import NotFound
from credits.ids import Kind
from credits.ledger import holds, lots, queries, wallet
from credits.ledger.models import LotSource, TransactionKind
from credits.money import Money
from credits.reports.rules import Period, UsageGroup
from credits.reports.usage import wallets_usage
from schema.balances import Balance, BalanceAlert, alert_of
from schema.catalogue import StagingType, UnitPrice
from schema.context import Context, Info
from schema.holds import Hold
from schema.node import Node
from schema.pagination import After, Connection, First, Position, connection, instant_at, number_at
from schema.people import Actor
from schema.permissions import check_kind, place_for, require, see_history
from schema.reports import Forecast, From, To, UsageReport
from schema.scalars import Long, Metadata

if TYPE_CHECKING:
    from schema.accounts import Account, Department, Pool
    from schema.purchases import Purchase

strawberry.enum(TransactionKind)
strawberry.enum(LotSource)
LazyAccount = Annotated["Account", strawberry.lazy("schema.accounts")]
LazyPool = Annotated["Pool", strawberry.lazy("schema.accounts")]
LazyDepartment = Annotated["Department", strawberry.lazy("schema.accounts")]
WalletOwner = Annotated[LazyAccount | LazyPool | LazyDepartment, strawberry.union("WalletOwner")]
LazyPurchase = Annotated["Purchase", strawberry.lazy("schema.purchases")]


@strawberry.type(description="Credits that came in together.")
class Lot(Node):
    source: LotSource
    amount: int
    remaining: int
    held: int
    frozen: bool
    unit_price: UnitPrice | None
    priority: int
    expires_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, lot: lots.LotState) -> Self:
        """From the domain's."""
        paid = Money(lot.paid_minor, lot.currency) if lot.currency else None
        return cls(
            id=strawberry.ID(lot.id),
            source=lot.source,
            amount=lot.amount,
            remaining=lot.remaining,
            held=lot.held,
            frozen=lot.frozen,
            unit_price=UnitPrice.of(paid, lot.paid_for) if paid else None,
            priority=lot.priority,
            expires_at=lot.expires_at,
            created_at=lot.created_at,
        )


@strawberry.type(description="What a transaction took from a lot (negative) or put into it (positive).")
class LotDraw:
    lot: Lot
    credits: int


@strawberry.input(description="All conditions that are given hold.")
class TransactionFilter:
    kinds: list[TransactionKind] | None = None
    from_: datetime | None = strawberry.field(name="from", default=None, description="At or after this instant.")
    to: datetime | None = strawberry.field(default=None, description="Before this instant.")
    staging_types: list[str] | None = None
    reference: str | None = strawberry.field(default=None, description="Exact.")
    actor_id: strawberry.ID | None = None
    search: str | None = strawberry.field(default=None, description="Part of the reference or description, any case.")

    def chosen(self) -> queries.LineFilter:
        """As the domain takes it."""
        return queries.LineFilter(
            kinds=None if self.kinds is None else tuple(self.kinds),
            start=self.from_,
            end=self.to,
            staging_types=None if self.staging_types is None else tuple(self.staging_types),
            reference=self.reference,
            actor_id=self.actor_id,
            search=self.search,
        )


@strawberry.type(description="Where credits lie.")
class Wallet(Node):
    place: strawberry.Private[Place]

    @classmethod
    def of(cls, place: Place) -> Self:
        """The wallet of an account, pool or department that the caller may see."""
        return cls(id=strawberry.ID(place.wallet_id or ""), place=place)

    @strawberry.field
    async def owner(self, info: Info) -> WalletOwner:
        # Whoever sees the wallet sees whose it is, also when that was deleted.
        place = self.place
        if place.department_id:
            return await schema.accounts.department_at(info.context, place)
        if place.pool_id:
            return await schema.accounts.pool_at(info.context, place)
        return await schema.accounts.account_at(info.context, place)

    @strawberry.field
    async def balance(self, info: Info) -> Balance:
        view = await info.context.loaders.balances.load(self.id)
        if view is None:
            raise NotFound
        return Balance.of(view)

    @strawberry.field(description="Open lots, in the order in which they will be spent.")
    async def lots(self, info: Info, first: First = 25, after: After = None) -> Connection[Lot] | None:
        require(info.context.standing, Action.SEE_HISTORY, self.place)

        async def read(limit: int, position: Position | None) -> Sequence[lots.LotState]:
            now = await queries.now()
            found = (await queries.open_lots([self.id])).get(self.id, [])
            if position:
                # The lot of the cursor may be spent by now; what comes after it comes after it all the same.
                passed = (await queries.lots_by_id([position[0]])).get(position[0])
                found = [lot for lot in found if passed and _when_spent(lot, now) > _when_spent(passed, now)]
            return sorted(found, key=lambda lot: _when_spent(lot, now))[:limit]

        return await connection(
            list_name=f"lots:{self.id}", first=first, after=after, key=lambda lot: (lot.id,), read=read, node=Lot.of
        )

    @strawberry.field(description="Credits promised to work under way, newest first.")
    async def holds(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        open: bool = True,  # noqa: A002 the API's name for it
    ) -> Connection[Hold] | None:
        require(info.context.standing, Action.SEE_HISTORY, self.place)

        async def read(limit: int, position: Position | None) -> Sequence[holds.HoldState]:
            before = (instant_at(position, 0), position[1]) if position else None
            return await queries.wallet_holds(self.id, only_open=open, limit=limit, before=before)

        return await connection(
            list_name=f"holds:{self.id}:{open}",
            first=first,
            after=after,
            key=lambda hold: (hold.created_at.isoformat(), hold.id),
            key_length=2,
            read=read,
            node=Hold.of,
        )

    @strawberry.field(description="What was spent from it, by local days.")
    async def usage(self, info: Info, from_: From, to: To, group_by: UsageGroup = UsageGroup.DAY) -> UsageReport | None:
        require(info.context.standing, Action.SEE_HISTORY, self.place)
        return UsageReport.of(await wallets_usage([self.id], Period.checked(from_, to), group_by))

    @strawberry.field(description="How long its credits last.")
    async def forecast(self, info: Info) -> Forecast | None:
        require(info.context.standing, Action.SEE_FORECAST, self.place)
        found = await info.context.loaders.forecasts.load(self.id)
        return Forecast.of(found) if found else None

    @strawberry.field(description="When people are told that the balance is low.")
    async def alert(self, info: Info) -> BalanceAlert:
        require(info.context.standing, Action.SEE_ALERT, self.place)
        return await alert_of(self.id)

    @strawberry.field(description="Its history, newest first.")
    async def transactions(
        self,
        info: Info,
        first: First = 25,
        after: After = None,
        filter: TransactionFilter | None = None,  # noqa: A002 the API's name for it
    ) -> Connection["Transaction"] | None:
        require(info.context.standing, Action.SEE_HISTORY, self.place)
        chosen = filter.chosen() if filter else queries.LineFilter()

        async def read(limit: int, position: Position | None) -> Sequence[wallet.Line]:
            below = number_at(position, 0) if position else None
            return await queries.wallet_lines(self.id, chosen, limit=limit, before_sequence=below)

        return await connection(
            list_name=f"transactions:{self.id}",
            first=first,
            after=after,
            key=lambda line: (str(line.sequence),),
            read=read,
            node=Transaction.of,
        )


def _when_spent(lot: lots.LotState, now: datetime) -> tuple[bool, lots.ConsumptionOrder]:
    """Lapsed and frozen ones come last: they will not be spent as they are."""
    return lot.frozen or lot.lapsed(now), lot.order


async def account_history(
    account_id: str, *, first: int | None, after: str | None, chosen: TransactionFilter | None
) -> Connection["Transaction"]:
    """All wallets of an account together, newest first; the caller may see them."""
    conditions = chosen.chosen() if chosen else queries.LineFilter()

    async def read(limit: int, position: Position | None) -> Sequence[wallet.Line]:
        before = (instant_at(position, 0), position[1]) if position else None
        return await queries.account_lines(account_id, conditions, limit=limit, before=before)

    return await connection(
        list_name=f"transactions:{account_id}",
        first=first,
        after=after,
        key=lambda line: (line.created_at.isoformat(), line.id),
        key_length=2,
        read=read,
        node=Transaction.of,
    )


@strawberry.type(description="One immutable line of a wallet.")
class Transaction(Node):
    line: strawberry.Private[wallet.Line]
    sequence: Long = strawberry.field(description="1, 2, 3, … without a gap in each wallet.")
    kind: TransactionKind
    change: int = strawberry.field(description="Positive came in, negative went out.")
    balance_after: int
    version: Long = strawberry.field(description="The wallet's version after it.")
    created_at: datetime
    quantity: int | None
    reference: str | None
    description: str | None
    metadata: Metadata | None
    transfer_id: strawberry.ID | None = strawberry.field(
        description="The same on both sides of an allocation, reclaim or transfer."
    )

    @classmethod
    def of(cls, line: wallet.Line) -> Self:
        """From the domain's; the caller may see it."""
        text = line.text
        return cls(
            id=strawberry.ID(line.id),
            line=line,
            sequence=Long(line.sequence),
            kind=line.kind,
            change=line.change,
            balance_after=line.balance_after,
            version=Long(line.version),
            created_at=line.created_at,
            quantity=line.quantity,
            reference=text.reference if text else None,
            description=text.description if text else None,
            metadata=Metadata(dict(text.metadata)) if text and text.metadata is not None else None,
            transfer_id=strawberry.ID(line.transfer_id) if line.transfer_id else None,
        )

    @strawberry.field
    async def wallet(self, info: Info) -> Wallet:
        return await visible_wallet(info.context, self.line.wallet_id)

    @strawberry.field
    async def actor(self) -> Actor:
        return Actor.of(self.line.actor)

    @strawberry.field
    async def staging_type(self, info: Info) -> StagingType | None:
        if self.line.staging_type is None:
            return None
        view = await info.context.loaders.staging_types.load(self.line.staging_type)
        return StagingType.of(view) if view else None

    @strawberry.field(description="The other wallet of one; null for those who may not see it.")
    async def counterpart(self, info: Info) -> Wallet | None:
        other, standing = self.line.counterpart_wallet_id, info.context.standing
        place = await info.context.loaders.places.load(other) if other else None
        return Wallet.of(place) if place and visible(standing, place) and may(standing, Action.SEE, place) else None

    @strawberry.field
    async def purchase(self, info: Info) -> LazyPurchase | None:
        return await schema.purchases.purchase(info.context, self.line.purchase_id) if self.line.purchase_id else None

    @strawberry.field(description="The hold that a deduction was captured from.")
    async def hold(self, info: Info) -> Hold | None:
        found = await info.context.loaders.holds.load(self.line.hold_id) if self.line.hold_id else None
        return Hold.of(found) if found else None

    @strawberry.field(description="What a refund undoes.")
    async def refunds(self, info: Info) -> Annotated["Transaction", strawberry.lazy("schema.ledger")] | None:
        line = await info.context.loaders.lines.load(self.line.refunds_id) if self.line.refunds_id else None
        return Transaction.of(line) if line else None

    @strawberry.field(description="How much of a deduction has been refunded.")
    async def refunded(self, info: Info) -> int:
        if self.line.kind is not TransactionKind.DEDUCTION:
            return 0
        return await info.context.loaders.refunded.load(self.line.id) or 0

    @strawberry.field(description="What it drew from or put into each lot.")
    async def lots(self, info: Info) -> list[LotDraw]:
        found = await info.context.loaders.lots.load_many([draw.lot_id for draw in self.line.draws])
        return [
            LotDraw(lot=Lot.of(lot), credits=draw.credits)
            for draw, lot in zip(self.line.draws, found, strict=True)
            if lot is not None
        ]


async def visible_wallet(context: Context, wallet_id: str) -> Wallet:
    """The wallet, for a caller who may see it."""
    return Wallet.of(await place_for(context, wallet_id, Kind.WALLET, Action.SEE))


async def transaction(context: Context, transaction_id: str) -> Transaction:
    """The transaction, for a caller who may see its wallet's history; for any other there is none."""
    standing = context.standing
    check_kind(transaction_id, Kind.TRANSACTION, field="id")
    line = await context.loaders.lines.load(transaction_id)
    place = await context.loaders.places.load(line.wallet_id) if line else None
    see_history(standing, place)
    assert line is not None  # noqa: S101 for mypy: without a line there was no place
    return Transaction.of(line)


async def lot(context: Context, lot_id: str) -> Lot:
    """The lot, for a caller who may see its wallet's history; for any other there is none."""
    found = await context.loaders.lots.load(lot_id)
    see_history(context.standing, await context.loaders.places.load(found.wallet_id) if found else None)
    assert found is not None  # noqa: S101 for mypy: without a lot there was no place
    return Lot.of(found)


@strawberry.type
class LedgerQuery:
    @strawberry.field
    async def wallet(self, info: Info, id: strawberry.ID) -> Wallet | None:  # noqa: A002 the API's name for it
        return await visible_wallet(info.context, id)

    @strawberry.field
    async def transaction(self, info: Info, id: strawberry.ID) -> Transaction | None:  # noqa: A002 the API's name for it
        return await transaction(info.context, id)
