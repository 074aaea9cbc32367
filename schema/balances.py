"""Balances: what a wallet holds, when people are told that it is low or it is topped up, and telling it live."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Self

import strawberry

from credits import feeds
from credits.accounts.queries import wallets_of
from credits.accounts.rules import Action, Place, visible
from credits.alerts.rules import AlertPhase
from credits.alerts.service import settings_of
from credits.errors import NotFound
from credits.ids import Kind
from credits.ledger import feed, models, queries, wallet
from credits.top_ups.queries import auto_top_up
from schema.catalogue import Money
from schema.context import Context, Info
from schema.permissions import place_for, require
from schema.scalars import Long

# A listener who is told nothing for so long reads for itself; this often it is asked anew whether it still may.
REREAD_AFTER_S = 30.0


@strawberry.type(description="Credits that lapse, and when.")
class CreditExpiry:
    credits: int
    at: datetime


@strawberry.type(description="What a wallet holds, and what of it can be spent.")
class Balance:
    credits: int = strawberry.field(description="All credits in the wallet.")
    held: int = strawberry.field(description="Promised to open holds.")
    frozen: int = strawberry.field(description="In lots that a payment dispute has frozen.")
    available: int = strawberry.field(description="What can be spent now.")
    debt: int = strawberry.field(
        description="Owed after a refunded or disputed payment; while there is any, the account cannot spend."
    )
    low: bool = strawberry.field(description="Below the alert's threshold.")
    next_expiry: CreditExpiry | None
    version: Long = strawberry.field(
        description="Rises with every change. Of two updates the later is the one with the higher (version, asOf)."
    )
    as_of: datetime

    @classmethod
    def of(cls, view: wallet.BalanceView) -> Self:
        """From the domain's."""
        expiry = view.next_expiry
        return cls(
            credits=view.credits,
            held=view.held,
            frozen=view.frozen,
            available=view.available,
            debt=view.debt,
            low=view.low,
            next_expiry=CreditExpiry(credits=expiry.credits, at=expiry.at) if expiry else None,
            version=Long(view.version),
            as_of=view.as_of,
        )


@strawberry.type(
    description="Low-balance alert. Fires once when `available` falls below `threshold`, and again only after it has "
    "recovered."
)
class BalanceAlert:
    threshold: int
    enabled: bool
    slack_channel: str | None
    runway_days: int | None = strawberry.field(
        description="Alert also when the forecast says fewer days than this are left."
    )
    expiry_days: int | None = strawberry.field(description="Alert also this many days before credits lapse.")
    snoozed_until: datetime | None
    fired_at: datetime | None


async def alert_of(wallet_id: str) -> BalanceAlert:
    """The alert of a wallet that the caller may see."""
    row = await models.Wallet.get_or_none(id=wallet_id)
    if row is None:
        raise NotFound
    settings = await settings_of(row)
    return BalanceAlert(
        threshold=settings.threshold,
        enabled=settings.enabled,
        slack_channel=settings.channel,
        runway_days=settings.runway_days,
        expiry_days=settings.expiry_days,
        snoozed_until=row.alert_snoozed_until,
        fired_at=row.alert_fired_at if row.alert_phase is AlertPhase.FIRED else None,
    )


@strawberry.type(
    description="Credits bought with the saved card when `available` falls below `threshold`: `quantity` packages, or "
    "as many more as bring it above."
)
class AutoTopUp:
    threshold: int
    package_code: str
    quantity: int
    monthly_limit: Money | None
    enabled: bool
    suspended_reason: str | None = strawberry.field(description="Why nothing is bought at present, and what to do.")


async def top_up_of(wallet_id: str) -> AutoTopUp | None:
    """The automatic top-up of a wallet that the caller may see, if one was ever set."""
    view = await auto_top_up(wallet_id)
    if view is None:
        return None
    return AutoTopUp(
        threshold=view.threshold,
        package_code=view.package_code,
        quantity=view.quantity,
        monthly_limit=Money.of(view.monthly_limit) if view.monthly_limit else None,
        enabled=view.enabled,
        suspended_reason=view.suspended_reason,
    )


@strawberry.enum(description="What changed a balance.")
class BalanceCause(StrEnum):
    PURCHASE = "PURCHASE"
    GRANT = "GRANT"
    ALLOCATION = "ALLOCATION"
    RECLAIM = "RECLAIM"
    TRANSFER = "TRANSFER"
    DEDUCTION = "DEDUCTION"
    REFUND = "REFUND"
    EXPIRY = "EXPIRY"
    CLAWBACK = "CLAWBACK"
    ADJUSTMENT = "ADJUSTMENT"
    HOLD_PLACED = "HOLD_PLACED"
    HOLD_RELEASED = "HOLD_RELEASED"
    HOLD_EXPIRED = "HOLD_EXPIRED"
    FROZEN = "FROZEN"
    UNFROZEN = "UNFROZEN"
    SETTINGS = "SETTINGS"


@strawberry.type(
    description="Updates that came close together may arrive as one. `causes` says what happened since the last; "
    "empty in the first."
)
class BalanceChange:
    wallet_id: strawberry.ID
    balance: Balance
    causes: list[BalanceCause]
    last_transaction_id: strawberry.ID | None

    @classmethod
    def of(cls, change: feed.BalanceChange) -> Self:
        """From the domain's."""
        last = change.last_transaction_id
        return cls(
            wallet_id=strawberry.ID(change.balance.wallet_id),
            balance=Balance.of(change.balance),
            causes=[BalanceCause(cause) for cause in change.causes],
            last_transaction_id=strawberry.ID(last) if last else None,
        )


async def _live(
    context: Context, place: Place, channel: str, wallet_ids: Sequence[str], action: Action
) -> AsyncGenerator[BalanceChange, None]:
    """The present balances, then each change. Told of nothing for a while, or not of everything, it reads for itself;
    then, and now and then while it is told much, it asks anew whether the caller still may."""
    told: dict[str, wallet.BalanceView] = {}
    clock = asyncio.get_running_loop().time
    asked_at = clock()
    with context.services.feeds.subscribe(channel, rights_of=place.account_id) as subscription:
        for change in await _present(place.account_id, wallet_ids):
            told[change.balance.wallet_id] = change.balance
            yield BalanceChange.of(change)
        while True:
            heard = await subscription.hear(at_most_s=REREAD_AFTER_S)
            changes = _merged(heard)
            if not heard.complete or clock() - asked_at >= REREAD_AFTER_S:
                await _still_may(context, action, place)
                asked_at = clock()
            if not heard.complete:
                for change in await _present(place.account_id, wallet_ids):
                    changes[change.balance.wallet_id] = change.after(changes.get(change.balance.wallet_id, change))
            for wallet_id, change in changes.items():
                last = told.get(wallet_id)
                if last is None or change.balance.version > last.version or _differs(change.balance, last):
                    told[wallet_id] = change.balance
                    yield BalanceChange.of(change)


def _differs(now: wallet.BalanceView, last: wallet.BalanceView) -> bool:
    """Whether time alone changed something: a lot has lapsed."""
    return now.version == last.version and now.as_of > last.as_of and now.available != last.available


def _merged(heard: feeds.Heard) -> dict[str, feed.BalanceChange]:
    merged: dict[str, feed.BalanceChange] = {}
    for payload in heard.payloads:
        change = feed.decode(payload)
        earlier = merged.get(change.balance.wallet_id)
        merged[change.balance.wallet_id] = change.after(earlier) if earlier else change
    return merged


async def _present(account_id: str, wallet_ids: Sequence[str]) -> list[feed.BalanceChange]:
    views = await queries.balances(wallet_ids)
    return [
        feed.BalanceChange(account_id=account_id, balance=view, causes=(), last_transaction_id=None)
        for view in views.values()
    ]


async def _still_may(context: Context, action: Action, place: Place) -> None:
    await context.renew()
    standing = context.standing
    if not visible(standing, place):
        raise NotFound
    require(standing, action, place)


@strawberry.type
class BalanceSubscription:
    @strawberry.subscription(description="The present balance at once, then each change.")
    async def balance_changed(self, info: Info, wallet_id: strawberry.ID) -> AsyncGenerator[BalanceChange | None, None]:
        place = await place_for(info.context, wallet_id, Kind.WALLET, Action.SEE, field="walletId")
        async for change in _live(info.context, place, feed.wallet_channel(wallet_id), [wallet_id], Action.SEE):
            yield change

    @strawberry.subscription(description="The same for every wallet of the account.")
    async def account_balance_changed(
        self, info: Info, account_id: strawberry.ID
    ) -> AsyncGenerator[BalanceChange | None, None]:
        action = Action.SEE_WHOLE_ACCOUNT
        place = await place_for(info.context, account_id, Kind.ACCOUNT, action, field="accountId")
        wallet_ids = await wallets_of(account_id)
        async for change in _live(info.context, place, feed.account_channel(account_id), wallet_ids, action):
            yield change
