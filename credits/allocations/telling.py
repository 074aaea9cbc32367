"""Telling of allocations in the chat: what pools listen to, and requests with their outcome."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from credits.access.queries import name_of
from credits.accounts.models import Department, DepartmentMember, Pool
from credits.accounts.queries import department_places
from credits.actors import Actor, ActorKind
from credits.allocations import queries
from credits.allocations.messages import (
    Given,
    Used,
    about_request,
    decided_card,
    digest_card,
    request_card,
    short_card,
    used_card,
)
from credits.allocations.models import RequestStatus
from credits.allocations.queries import RequestView, Use, use_of
from credits.chat.audiences import of_pool
from credits.chat.messenger import About, Audience, Messenger
from credits.gateways.cards import Card
from credits.ledger.queries import balances


async def tell_short(messenger: Messenger, payload: Mapping[str, Any]) -> None:
    """Tell a pool's administrators what its standing orders could not give."""
    pool = await Pool.get(id=payload["pool_id"])
    short = [Given(**each) for each in payload["short"]]
    card = short_card(pool=pool.name, short=short, because=payload["because"])
    await _tell(messenger, pool, card=card, occasion=f"standing-order:{payload['run']}")


async def tell_used(messenger: Messenger, payload: Mapping[str, Any]) -> None:
    """Tell the pool's channel how far a department has come; nobody, where the pool has none (any more)."""
    department = await Department.get(id=payload["department_id"]).prefetch_related("pool")
    card = used_card(
        department=department.name,
        period=payload["period"],
        percent=payload["percent"],
        used=payload["used"],
        given=payload["given"],
    )
    occasion = f"use:{department.id}:{payload['period_start']}:{payload['percent']}"
    await _tell_channel(messenger, department.pool, card=card, occasion=occasion)


async def tell_week(messenger: Messenger, payload: Mapping[str, Any]) -> None:
    """Tell the pool's channel what its departments used in the week before that Monday, and what they have now."""
    pool = await Pool.get(id=payload["pool_id"]).prefetch_related("account")
    monday = date.fromisoformat(payload["monday"])
    departments = {
        row.id: row.name for row in await Department.filter(pool_id=pool.id, deleted_at=None).order_by("name")
    }
    wallets = {id_: place.wallet_id or "" for id_, place in (await department_places(departments)).items()}
    account = pool.account
    zones = queries.zones_of(account.__dict__)
    start, end = zones.start_of(monday - timedelta(days=7)), zones.start_of(monday)
    use = await use_of(account.id, list(wallets.values()), start=start, end=end)
    available = await balances(wallets.values())
    used = [
        Used(
            department=name,
            used=use.get(wallets[department_id], Use()).used,
            available=available[wallets[department_id]].available,
        )
        for department_id, name in departments.items()
    ]
    card = digest_card(pool=pool.name, monday=monday, departments=used)
    await _tell_channel(messenger, pool, card=card, occasion=f"digest:{pool.id}:{monday}")


async def post_request(messenger: Messenger, request_id: str) -> None:
    """Show the question to those who may answer it. One that was answered meanwhile is not asked any more."""
    about = await queries.request(request_id)
    if about is None or about.closed or about.status is not RequestStatus.PENDING:
        return
    pool = await Pool.get(id=about.pool_id)
    available = await balances([about.wallet_id, about.pool_wallet_id])
    card = request_card(
        about,
        who=await name_of(about.requested_by),
        available=available[about.wallet_id].available,
        pool_available=available[about.pool_wallet_id].available,
    )
    await _tell(messenger, pool, card=card, occasion=about_request(request_id))
    # Answered while it was being posted: the edit came too early for some of the cards.
    await _edit_if_decided(messenger, request_id)


async def tell_decision(messenger: Messenger, request_id: str) -> None:
    """Show what was decided wherever the question was, and tell the department's members and whoever asked. Of what
    was canceled nobody is told besides."""
    about = await queries.request(request_id)
    if about is None:
        return
    try:
        if about.status is not RequestStatus.CANCELED:
            told = f"told:{request_id}"
            await messenger.tell(
                Audience(user_ids=await _concerned(about)),
                await _outcome(about),
                About(account_id=about.account_id, subject=told, occasion=told),
            )
    finally:
        await _edit_if_decided(messenger, request_id)


async def _edit_if_decided(messenger: Messenger, request_id: str) -> None:
    about = await queries.request(request_id)
    if about is not None and about.status is not RequestStatus.PENDING:
        await messenger.edit(about_request(request_id), await _outcome(about))


async def _outcome(about: RequestView) -> Card:
    by = await name_of(Actor(kind=ActorKind.USER, id=about.decided_by or ""))
    return decided_card(about, who=await name_of(about.requested_by), by=by)


async def _concerned(about: RequestView) -> list[str]:
    members = await DepartmentMember.filter(department_id=about.department_id)
    return sorted({about.requested_by.id, *(str(row.__dict__["user_id"]) for row in members)})


async def _tell(messenger: Messenger, pool: Pool, *, card: Card, occasion: str) -> None:
    """In the pool's channel, else to its administrators, else to the account's owners."""
    await messenger.tell(await of_pool(pool), card, _about(pool, occasion))


async def _tell_channel(messenger: Messenger, pool: Pool, *, card: Card, occasion: str) -> None:
    if pool.slack_channel:
        await _tell(messenger, pool, card=card, occasion=occasion)


def _about(pool: Pool, occasion: str) -> About:
    return About(account_id=str(pool.__dict__["account_id"]), subject=occasion, occasion=occasion)
