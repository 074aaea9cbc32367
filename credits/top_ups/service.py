"""The setting of an automatic top-up, and what gets a suspended one going again."""

from dataclasses import dataclass

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits import outbox
from credits.accounts.audit_log import record
from credits.accounts.models import Account
from credits.actors import Actor
from credits.catalogue.service import packages_by_code
from credits.errors import NotFound
from credits.faults import trying_again
from credits.gateways.errors import GatewayRefused, GatewayUnavailable
from credits.gateways.payments import SavedCards
from credits.ledger.queries import now
from credits.ledger.store import lock_wallet
from credits.top_ups.messages import look_message
from credits.top_ups.models import AutoTopUp
from credits.top_ups.outcomes import watch
from credits.top_ups.queries import Suspended, suspended_accounts
from credits.top_ups.rules import NO_CARD, check

_PORTION = 100
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpInput:
    """What the owner wants; the limit is in the smallest unit of the package's currency."""

    threshold: int
    package_code: str
    quantity: int
    monthly_limit_minor: int | None
    enabled: bool


async def set_auto_top_up(actor: Actor, wallet_id: str, wanted: TopUpInput) -> None:
    """Top the wallet up like this from now on. It buys nothing by itself: the next fall of the balance does. Setting it
    again ends a suspension; without a saved card it waits for the first purchase through the checkout. Refused: a
    package that is not for sale at a fixed price, one that could not bring an empty wallet above the threshold in one
    payment, and a limit below the price of one order."""
    check(
        (await packages_by_code()).get(wanted.package_code),
        threshold=wanted.threshold,
        quantity=wanted.quantity,
        monthly_limit=wanted.monthly_limit_minor,
    )

    async def work() -> None:
        async with in_transaction() as connection:
            await _set(connection, actor, wallet_id, wanted)

    await trying_again(work)


async def _set(connection: BaseDBAsyncClient, actor: Actor, wallet_id: str, wanted: TopUpInput) -> None:
    wallet = await lock_wallet(connection, wallet_id)
    at = await now()
    account = await Account.get(id=wallet.account_id, using_db=connection)
    row = await AutoTopUp.get_or_none(wallet_id=wallet_id, using_db=connection)
    before = _told_of(row) if row else None
    if row is None:
        row = AutoTopUp(wallet_id=wallet_id, account_id=wallet.account_id, created_at=at)
    row.threshold = wanted.threshold
    row.package_code = wanted.package_code
    row.quantity = wanted.quantity
    row.monthly_limit_minor = wanted.monthly_limit_minor
    row.enabled = wanted.enabled
    row.updated_at = at
    _go_on(row)
    if account.payment_customer_id is None:
        row.suspended_reason = NO_CARD
    await row.save(using_db=connection)
    await watch(connection, row)
    after = _told_of(row)
    if before != after:
        await record(
            connection,
            actor,
            "setAutoTopUp",
            account_id=wallet.account_id,
            target=wallet_id,
            before=before,
            after=after,
        )


def _go_on(row: AutoTopUp) -> None:
    row.failures, row.suspended_reason, row.suspended_card, row.look_at = 0, None, None, None


def _told_of(row: AutoTopUp) -> dict[str, object]:
    """What the audit log keeps of it."""
    return {
        "threshold": row.threshold,
        "packageCode": row.package_code,
        "quantity": row.quantity,
        "monthlyLimitMinor": row.monthly_limit_minor,
        "enabled": row.enabled,
    }


async def resume(account_id: str, *, with_card: str | None = None) -> None:
    """Failures of the account's top-ups are forgotten, and those that are suspended go on: a purchase was paid, and
    nothing is bought until a balance next falls; or there is another card, `with_card`, and whatever stopped with the
    former one is looked at."""
    failing = AutoTopUp.filter(account_id=account_id).order_by("wallet_id")
    for row in await failing:
        if row.failures or row.suspended_reason is not None:
            await trying_again(lambda wallet_id=row.wallet_id: _resume(wallet_id, with_card))  # type: ignore[misc]


async def _resume(wallet_id: str, with_card: str | None) -> None:
    async with in_transaction() as connection:
        try:
            await lock_wallet(connection, wallet_id)
        except NotFound:
            return  # its pool or department was deleted
        row = await AutoTopUp.get(wallet_id=wallet_id, using_db=connection)
        if with_card is not None and not _helped_by(row, with_card):
            return
        look_now = with_card is not None and row.suspended_card is not None and row.enabled
        _go_on(row)
        await row.save(using_db=connection)
        await watch(connection, row, asked=look_now)
        if look_now:
            await outbox.add(connection, [look_message(row.account_id, wallet_id)])


def _helped_by(row: AutoTopUp, card: str) -> bool:
    """Whether it was suspended because there was no card, or because of another one."""
    return row.suspended_reason == NO_CARD or row.suspended_card not in (None, card)


async def resume_with_other_cards(cards: SavedCards) -> None:
    """Look whether those accounts have another card whose top-ups are suspended. One that the provider does not answer
    for is asked about next time."""
    after = ""
    while found := await suspended_accounts(after=after, limit=_PORTION):
        for account in found:
            await _resume_with_other_card(cards, account)
        after = found[-1].account_id


async def _resume_with_other_card(cards: SavedCards, account: Suspended) -> None:
    try:
        card = await cards.saved_card(account.customer_id)
    except (GatewayRefused, GatewayUnavailable) as error:
        _log.warning("card_not_looked_up", account=account.account_id, reason=str(error))
        return
    if card is not None and account.cards != {card}:
        await resume(account.account_id, with_card=card)
