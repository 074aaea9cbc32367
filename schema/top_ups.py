"""The automatic top-up of a wallet: its settings."""

import strawberry

from credits.accounts.rules import Action
from credits.ids import Kind
from credits.top_ups import service
from schema.alerts import WalletPayload
from schema.context import Info
from schema.errors import refusals_as
from schema.ledger import Wallet
from schema.permissions import place_for
from schema.scalars import Long


@strawberry.input
class SetAutoTopUpInput:
    wallet_id: strawberry.ID
    threshold: int = strawberry.field(description="In credits.")
    package_code: str
    quantity: int = 1
    monthly_limit_minor: Long | None = strawberry.field(
        default=None, description="For a calendar month where the account is, in the package's currency."
    )
    enabled: bool = True


@strawberry.type
class TopUpMutation:
    @strawberry.mutation(
        description="Buy with the saved card when the balance falls below a threshold. Set again, it ends a suspension."
    )
    @refusals_as(WalletPayload)
    async def set_auto_top_up(
        self,
        info: Info,
        input: SetAutoTopUpInput,  # noqa: A002 the API's name for it
    ) -> WalletPayload | None:
        context = info.context
        place = await place_for(context, input.wallet_id, Kind.WALLET, Action.SET_TOP_UP, field="walletId")
        wanted = service.TopUpInput(
            threshold=input.threshold,
            package_code=input.package_code,
            quantity=input.quantity,
            monthly_limit_minor=input.monthly_limit_minor,
            enabled=input.enabled,
        )
        await service.set_auto_top_up(context.standing.actor, input.wallet_id, wanted)
        return WalletPayload(wallet=Wallet.of(place))
