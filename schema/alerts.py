"""The alert of a wallet: its settings, and the snooze."""

import strawberry

from credits.accounts.rules import Action
from credits.alerts import service
from credits.alerts.rules import DEFAULT_THRESHOLD
from credits.ids import Kind
from schema.context import Info
from schema.errors import UserError, refusals_as
from schema.ledger import Wallet
from schema.permissions import place_for


@strawberry.input
class SetBalanceAlertInput:
    wallet_id: strawberry.ID
    threshold: int = strawberry.field(description=f"In credits; {DEFAULT_THRESHOLD} is recommended.")
    enabled: bool = True
    slack_channel: str | None = None
    runway_days: int | None = None
    expiry_days: int | None = None


@strawberry.input
class SnoozeAlertInput:
    wallet_id: strawberry.ID
    hours: int = 24


@strawberry.type
class WalletPayload:
    wallet: Wallet | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class AlertMutation:
    @strawberry.mutation(description="When to be told that a wallet's credits are low, run out or lapse, and where.")
    @refusals_as(WalletPayload)
    async def set_balance_alert(
        self,
        info: Info,
        input: SetBalanceAlertInput,  # noqa: A002 the API's name for it
    ) -> WalletPayload | None:
        context = info.context
        place = await place_for(context, input.wallet_id, Kind.WALLET, Action.SET_ALERT, field="walletId")
        await service.set_alert(
            context.services.checkouts.publisher,
            context.standing.actor,
            input.wallet_id,
            service.Settings(
                threshold=input.threshold,
                enabled=input.enabled,
                channel=input.slack_channel,
                runway_days=input.runway_days,
                expiry_days=input.expiry_days,
            ),
        )
        return WalletPayload(wallet=Wallet.of(place))

    @strawberry.mutation(description="Be told later of all that the alert tells; what is still so then, anew.")
    @refusals_as(WalletPayload)
    async def snooze_alert(
        self,
        info: Info,
        input: SnoozeAlertInput,  # noqa: A002 the API's name for it
    ) -> WalletPayload | None:
        place = await place_for(info.context, input.wallet_id, Kind.WALLET, Action.SET_ALERT, field="walletId")
        await service.snooze(info.context.standing.actor, input.wallet_id, hours=input.hours)
        return WalletPayload(wallet=Wallet.of(place))
