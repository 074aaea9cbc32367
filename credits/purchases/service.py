"""Asking for a purchase, and ending one. What comes between stands in `checkouts.py` and `fulfilment.py`.

A remote call never happens inside a database transaction: the intent is committed, the call made with a key of our
own id, and what came of it recorded by a conditional UPDATE.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits.accounts.models import Account
from credits.accounts.rules import Place
from credits.actors import Actor
from credits.approvals.requests import approvals_channel, ask, follow, lock_question, policy_for, withdraw
from credits.catalogue.prices import quoted
from credits.catalogue.rules import Quote
from credits.errors import Refusal, RefusalCode, Unavailable
from credits.faults import trying_again
from credits.gateways.errors import GatewayRefused, GatewayUnavailable
from credits.gateways.payments import CheckoutStatus
from credits.idempotency import claim, difference, make_key
from credits.ids import Kind, make_id
from credits.ledger.store import lock_wallet
from credits.ledger.wallet import MAX_BALANCE
from credits.purchases import queries
from credits.purchases.channel import purchase_channel
from credits.purchases.checkouts import Checkouts, open_in_time
from credits.purchases.fulfilment import fulfil
from credits.purchases.models import PaymentMethod, Purchase, PurchaseStatus
from credits.purchases.moves import move
from credits.purchases.queries import PurchaseView
from credits.purchases.rules import CANCELABLE, allowed_return_url
from credits.text import clean

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseInput:
    """What is to be bought. `credits` only for a package with a custom price."""

    wallet_id: str
    package_code: str
    quantity: int
    credits: int | None
    justification: str | None
    return_url: str | None
    idempotency_key: str


async def request_purchase(
    checkouts: Checkouts, actor: Actor, place: Place, wanted: PurchaseInput
) -> tuple[PurchaseView, bool]:
    """The purchase with the address of its checkout, and whether the same call had made it before.

    Where the provider does not answer in time the address is missing: a job of the worker gets it, and
    `purchaseUpdated` tells. Refused: no such package, no agreed price, a wallet that could not hold the credits, a
    return address that the settings do not allow.
    """
    key = make_key(
        scope=place.account_id,
        key=wanted.idempotency_key,
        operation="purchaseCredits",
        fields={
            "walletId": wanted.wallet_id,
            "packageCode": wanted.package_code,
            "quantity": wanted.quantity,
            "credits": wanted.credits,
            "justification": wanted.justification,
            "returnUrl": wanted.return_url,
        },
    )
    wanted = replace(wanted, justification=clean(wanted.justification, field="justification", lines=True))
    _check_return_url(checkouts, wanted.return_url)

    # Made once: found again after a commit whose answer was lost, it is no replay.
    new_id = make_id(Kind.PURCHASE)

    async def work() -> str:
        async with in_transaction() as connection:
            wallet = await lock_wallet(connection, wanted.wallet_id)
            now, taken = await claim(connection, [(key, new_id)])
            if used := taken.get(key.identity):
                if reason := difference(key, used):
                    raise Refusal(RefusalCode.IDEMPOTENCY_KEY_REUSED, reason, field="idempotencyKey")
                return used.result_id
            refuse_suspended(suspended=wallet.suspended)
            offer = await quoted(
                place.account_id,
                wanted.package_code,
                quantity=wanted.quantity,
                credits_wanted=wanted.credits,
                now=now,
            )
            await check_room(wanted.wallet_id, wallet.balance, offer.credits, field="quantity")
            await make(connection, actor, place, wanted, offer, purchase_id=new_id, now=now)
            return new_id

    purchase_id = await trying_again(work)
    replayed = purchase_id != new_id
    await open_in_time(checkouts, purchase_id)
    purchase = await queries.purchase(purchase_id)
    if purchase.status is PurchaseStatus.PENDING_APPROVAL and not replayed:
        await checkouts.publisher.publish(approvals_channel(place.account_id), purchase_id)
    return purchase, replayed


async def make(
    connection: BaseDBAsyncClient,
    actor: Actor,
    place: Place,
    wanted: PurchaseInput,
    offer: Quote,
    *,
    purchase_id: str,
    now: datetime,
    method: PaymentMethod = PaymentMethod.CHECKOUT,
) -> PurchaseStatus:
    """The purchase, and the question whether it may be made where a policy asks it, in the caller's commit; how it
    stands then. The wallet is locked."""
    policy = await policy_for(
        connection,
        account_id=place.account_id,
        pool_id=place.pool_id,
        requester_id=actor.id,
        credits_wanted=offer.credits,
        now=now,
    )
    account = await Account.get(id=place.account_id, using_db=connection)
    status = PurchaseStatus.PENDING_APPROVAL if policy else PurchaseStatus.AWAITING_PAYMENT
    await Purchase.create(
        id=purchase_id,
        account_id=place.account_id,
        wallet_id=wanted.wallet_id,
        package_code=offer.package.code,
        package_name=offer.package.name,
        quantity=offer.quantity,
        credits=offer.credits,
        total_minor=offer.total.amount_minor,
        currency=offer.total.currency,
        valid_for_days=offer.package.valid_for_days,
        status=status,
        method=method,
        requested_by_kind=actor.kind,
        requested_by_id=actor.id,
        justification=wanted.justification,
        return_url=wanted.return_url,
        checkout_attempt=1,
        customer_id=account.payment_customer_id,
        created_at=now,
        using_db=connection,
    )
    if policy:
        await ask(connection, purchase_id=purchase_id, policy=policy, now=now)
    return status


def _check_return_url(checkouts: Checkouts, url: str | None) -> None:
    if url is None:
        return
    if len(url) > 2000 or not allowed_return_url(url, checkouts.allowed_return_urls):
        allowed = ", ".join(checkouts.allowed_return_urls)
        raise Refusal(RefusalCode.INVALID, f"Payers may be sent back to {allowed} only.", field="returnUrl")


def refuse_suspended(*, suspended: bool) -> None:
    """Nobody pays for an account that could not spend."""
    if suspended:
        raise Refusal(RefusalCode.ACCOUNT_SUSPENDED, "This account is suspended and cannot buy. Write to support.")


async def check_room(wallet_id: str, balance: int, credits_wanted: int, *, field: str) -> None:
    """A payment that has arrived is never refused, so the room is checked now, open purchases included."""
    if balance + await queries.reserved(wallet_id) + credits_wanted > MAX_BALANCE:
        raise Refusal(
            RefusalCode.BALANCE_LIMIT_EXCEEDED,
            f"A wallet holds at most {MAX_BALANCE:,} credits, purchases under way included. Buy fewer.",
            field=field,
        )


async def cancel_purchase(checkouts: Checkouts, purchase_id: str) -> PurchaseView:
    """End a purchase that nobody has paid. The checkout is closed at the provider first; money that was faster than
    that is credited, and the cancellation refused. Raises Unavailable when the provider does not answer."""
    purchase = await queries.purchase(purchase_id)
    if purchase.status not in CANCELABLE or purchase.charged_card is not None:
        raise _wrong_state(purchase)
    if purchase.checkout_id is not None:
        try:
            checkout = await checkouts.gateway.expire_checkout(purchase.checkout_id)
        except GatewayUnavailable as error:
            raise Unavailable("The payment provider did not answer, so nothing was canceled. Try again.") from error
        except GatewayRefused as error:
            _log.error("checkout_not_closed", purchase=purchase_id, reason=str(error))
            raise Refusal(
                RefusalCode.PAYMENT_FAILED,
                f"The payment provider does not close the checkout, so nothing was canceled: {error}",
                field="purchaseId",
            ) from error
        if checkout.status is CheckoutStatus.COMPLETE:
            await fulfil(checkouts, checkout)
            raise _wrong_state(await queries.purchase(purchase_id))
    if not await trying_again(lambda: _cancel(purchase)):
        # It moved on, or got a checkout, since it was read: looked at anew.
        return await cancel_purchase(checkouts, purchase_id)
    canceled = await queries.purchase(purchase_id)
    await checkouts.publisher.publish(purchase_channel(purchase_id), purchase_id)
    await checkouts.publisher.publish(approvals_channel(canceled.account_id), purchase_id)
    return canceled


async def _cancel(purchase: PurchaseView) -> bool:
    """CANCELED, and an open question about it taken back, in one commit; False where the purchase is no longer what was
    read. Where its checkout was closed, the provider's word that it has expired may have been faster than we."""
    closed = purchase.checkout_id is not None
    allowed = (*CANCELABLE, PurchaseStatus.EXPIRED) if closed else CANCELABLE
    async with in_transaction() as connection:
        # Approval before purchase, as whoever decides takes them.
        await lock_question(connection, purchase_id=purchase.id)
        found = Purchase.filter(id=purchase.id, status__in=allowed).using_db(connection)
        same = found.filter(checkout_id=purchase.checkout_id) if closed else found.filter(checkout_id__isnull=True)
        same = same.filter(charged_card__isnull=True)
        if not await move(same, PurchaseStatus.CANCELED):
            return False
        await withdraw(connection, purchase_id=purchase.id)
        await follow(connection, purchase.id)
        return True


def _wrong_state(purchase: PurchaseView) -> Refusal:
    charged = purchase.status is PurchaseStatus.AWAITING_PAYMENT and purchase.charged_card is not None
    how = "being paid with the saved card" if charged else purchase.status.value
    return Refusal(
        RefusalCode.WRONG_STATE,
        f"This purchase is {how} and can no longer be canceled.",
        field="purchaseId",
    )
