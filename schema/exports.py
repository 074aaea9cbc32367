"""Transactions as CSV: a link to what a filter finds."""

from datetime import datetime

import strawberry

from credits.accounts.rules import Action
from credits.errors import NotFound
from credits.ids import Kind
from credits.ledger.queries import LineFilter
from schema.context import Info
from schema.errors import UserError, refusals_as
from schema.ledger import TransactionFilter
from schema.permissions import check_kind, place_for


@strawberry.input(description="One wallet of the account, or all of them.")
class ExportTransactionsInput:
    account_id: strawberry.ID
    wallet_id: strawberry.ID | None = None
    filter: TransactionFilter | None = None


@strawberry.type(description="Whoever opens `url` is asked for their rights anew; it is good until `expiresAt`.")
class ExportPayload:
    url: str | None = None
    expires_at: datetime | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=list)


@strawberry.type
class ExportMutation:
    @strawberry.mutation(description="A short-lived link to what the filter finds, oldest first, as CSV.")
    @refusals_as(ExportPayload)
    async def export_transactions(
        self,
        info: Info,
        input: ExportTransactionsInput,  # noqa: A002 the API's name for it
    ) -> ExportPayload | None:
        context = info.context
        if input.wallet_id is None:
            await place_for(context, input.account_id, Kind.ACCOUNT, Action.EXPORT_ACCOUNT, field="accountId")
        else:
            check_kind(input.account_id, Kind.ACCOUNT, field="accountId")
            place = await place_for(context, input.wallet_id, Kind.WALLET, Action.EXPORT_WALLET, field="walletId")
            if place.account_id != input.account_id:
                raise NotFound
        link = context.services.links.transactions(
            context.standing.actor,
            account_id=input.account_id,
            wallet_id=input.wallet_id,
            chosen=input.filter.chosen() if input.filter else LineFilter(),
        )
        return ExportPayload(url=link.url, expires_at=link.expires_at)
