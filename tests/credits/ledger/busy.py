"""An account to which everything has happened, for tests that look at what the ledger wrote."""

from datetime import timedelta
from typing import Any

from tortoise.transactions import in_transaction

from credits.accounts.queries import pool_places
from credits.accounts.service import create_pool
from credits.actors import Actor, ActorKind
from credits.ids import Kind, make_id
from credits.ledger import commands
from credits.ledger.commands import Command, Part, RefundReason, Wanted
from credits.ledger.models import TransactionKind
from credits.ledger.posting import Posted
from credits.ledger.queries import now
from credits.ledger.store import post
from credits.ledger.text import SALT_BYTES, Text
from credits.money import Money
from credits.purchases.models import Purchase, PurchaseStatus
from tests.support.service import Service

_TEXT = Text(
    salt=b"s" * SALT_BYTES, reference="12 Elm Street", description="Küche\n2. OG", metadata=(("Z", "ä"), ("a", ""))
)


async def busy_account(service: Service, actor: Actor) -> dict[str, str]:
    """Bought, moved to a pool, given, spent, refunded, held, captured, released and clawed back: the ids of all of it
    by name. What can be said in words the actor says."""
    place = await service.account()
    wallet, account = place.wallet_id or "", place.account_id
    async with in_transaction() as connection:
        pool = await create_pool(connection, account_id=account, name="Residential", at=await now())
    pool_wallet = (await pool_places([pool.id]))[pool.id].wallet_id or ""
    ids = {"account": account, "wallet": wallet, "pool_wallet": pool_wallet}

    async def do(named: Kind, command: type[Command], /, **fields: Any) -> Posted:
        return await _posted(command(id=make_id(named), wallet_id=wallet, actor=actor, **fields))

    ids |= await _bought(account, wallet)
    moved = await do(
        Kind.TRANSFER,
        commands.Transfer,
        to_wallet_id=pool_wallet,
        kind=TransactionKind.ALLOCATION,
        credits=30,
        text=_TEXT,
    )
    ids |= {"transfer": moved.line.transfer_id or "", "split": moved.lines[1].draws[0].lot_id}
    await do(Kind.TRANSACTION, commands.Grant, credits=50, expires_at=None, priority=50, text=_TEXT)
    spent = await do(Kind.TRANSACTION, commands.Deduction, staging_type="BASIC_ROOM", quantity=3, text=_TEXT)
    refund = await do(
        Kind.TRANSACTION,
        commands.Refund,
        deduction_id=spent.line.id,
        credits=2,
        reason=RefundReason.QUALITY,
        text=_TEXT,
    )
    ids |= {"spent": spent.line.id, "refund": refund.line.id}
    for name, rooms in (("hold", 4), ("captured", 1)):
        items = (Wanted(staging_type="BASIC_ROOM", quantity=rooms),)
        placed = await do(Kind.HOLD, commands.PlaceHold, items=items, lasts=timedelta(hours=1), text=_TEXT)
        assert placed.hold
        ids[name] = placed.hold.id
        parts = (Part(item_id=placed.hold.items[0].id, quantity=1),)
        await do(
            Kind.HOLD_STEP,
            commands.CaptureHold,
            hold_id=placed.hold.id,
            parts=parts,
            release_rest=False,
            salt=_TEXT.salt,
        )
        if rooms > 1:
            await do(Kind.HOLD_STEP, commands.ReleaseHold, hold_id=placed.hold.id, parts=parts)
    await do(
        Kind.CLAWBACK,
        commands.Clawback,
        account_id=account,
        purchase_id=ids["purchase"],
        source_id=make_id(Kind.CLAWBACK),
        credits=10,
    )
    return ids


def person(user_id: str) -> Actor:
    """Somebody as an actor."""
    return Actor(kind=ActorKind.USER, id=user_id)


async def _bought(account: str, wallet: str) -> dict[str, str]:
    """100 credits of a paid purchase."""
    at = await now()
    purchase, line = make_id(Kind.PURCHASE), make_id(Kind.TRANSACTION)
    await Purchase.create(
        id=purchase,
        account_id=account,
        wallet_id=wallet,
        package_code="STARTER",
        package_name="Starter",
        quantity=1,
        credits=100,
        total_minor=19_900,
        currency="USD",
        status=PurchaseStatus.PROCESSING,
        requested_by_kind=ActorKind.SYSTEM,
        requested_by_id="system",
        checkout_attempt=1,
        created_at=at,
    )
    posted = await _posted(
        commands.PurchaseCredit(
            id=line,
            wallet_id=wallet,
            actor=Actor(kind=ActorKind.SYSTEM, id="system"),
            purchase_id=purchase,
            payment_id=f"pi_{purchase}",
            credits=100,
            paid=Money(19_900, "USD"),
            valid_for_days=None,
        ),
        purchase,
    )
    return {"purchase": purchase, "bought_by": line, "bought": posted.line.draws[0].lot_id}


async def _posted(command: Command, paid_purchase: str | None = None) -> Posted:
    async with in_transaction() as connection:
        ((outcome,),) = (await post(connection, [command])).outcomes
        if paid_purchase:
            await (
                Purchase.filter(id=paid_purchase)
                .using_db(connection)
                .update(
                    status=PurchaseStatus.PAID,
                    transaction_id=command.id,
                    payment_id=f"pi_{paid_purchase}",
                    paid_at=await now(),
                )
            )
    assert isinstance(outcome, Posted), outcome
    return outcome
