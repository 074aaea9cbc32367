"""Pressed buttons: written down as they come, worked on after they were acknowledged.

What a button carries is a hint and no right: who pressed it, and whether they may, is decided from what the database
says now.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import structlog
from tortoise.transactions import in_transaction

from credits import outbox
from credits.access.service import refreshed
from credits.accounts.queries import wallet_places
from credits.accounts.rules import Action, Standing, may, visible
from credits.actors import Actor, ActorKind
from credits.alerts.messages import SNOOZE, SNOOZE_ACTION
from credits.alerts.service import snooze, tell_snoozed
from credits.allocations import requests
from credits.allocations.messages import DECLINE_ACTION, GIVE_ACTION
from credits.approvals import queries, service
from credits.approvals.messages import APPROVE_ACTION, REJECT_ACTION
from credits.approvals.models import DecisionVia, Verdict
from credits.chat import People
from credits.errors import Forbidden, NotFound, Refusal, RefusalCode
from credits.gateways import ChatGateway, Interaction, MessageRef, Publisher
from credits.inbox import first_time
from credits.outbox import Message, Queue

PRESSED_JOB = "slack.pressed"
_NOT_LINKED = "Your Slack user is not linked to a person of this service yet. Ask an owner of the account to link you."
_VERDICTS = {APPROVE_ACTION: Verdict.APPROVE, REJECT_ACTION: Verdict.REJECT}
_log = structlog.get_logger()


async def receive(interaction: Interaction) -> bool:
    """Write the press down, and that it is to be worked on, in one commit; False where the same was written before."""
    payload = asdict(interaction)
    async with in_transaction() as connection:
        received = await first_time(connection, "slack", interaction.key, interaction.action, payload)
        if received is None:
            return False
        await received.conclude(connection, "taken")
        message = Message(account_id="", queue=Queue.APPROVALS, job=PRESSED_JOB, payload=payload)
        await outbox.add(connection, [message])
    return True


def interaction_of(payload: Mapping[str, Any]) -> Interaction:
    """The press that `receive` wrote down."""
    return Interaction(**{**payload, "message": MessageRef(**payload["message"])})


async def work_on(gateway: ChatGateway, people: People, publisher: Publisher, interaction: Interaction) -> None:
    """Do what the button says, or tell whoever pressed it why not, so that nobody else sees it."""
    user_id = await people.user_of(interaction.team_id, interaction.user_id)
    if user_id is None:
        _log.warning("press_by_stranger", team=interaction.team_id, user=interaction.user_id, action=interaction.action)
        await gateway.whisper(interaction.message.channel, interaction.user_id, _NOT_LINKED)
        return
    try:
        if interaction.action in _VERDICTS:
            await _decide(publisher, user_id, interaction)
        elif interaction.action == SNOOZE_ACTION:
            await _snooze(gateway, user_id, interaction)
        elif interaction.action in {GIVE_ACTION, DECLINE_ACTION}:
            give = interaction.action == GIVE_ACTION
            await requests.answer(publisher, interaction.value, user_id=user_id, give=give)
    except (Refusal, NotFound, Forbidden) as refusal:
        _log.info("press_refused", user=user_id, action=interaction.action, value=interaction.value, why=str(refusal))
        await gateway.whisper(interaction.message.channel, interaction.user_id, str(refusal))


async def _decide(publisher: Publisher, user_id: str, interaction: Interaction) -> None:
    approval_id, _, version = interaction.value.rpartition(":")
    verdict = _VERDICTS[interaction.action]
    if approval_id not in await queries.approvals_by_id([approval_id]) or not version.isdecimal():
        raise NotFound
    decision = service.Decision(
        user_id=user_id,
        verdict=verdict,
        comment=interaction.reason,
        via=DecisionVia.SLACK,
        version=int(version),
    )
    try:
        await service.decide(publisher, approval_id, decision)
    except Refusal as refusal:
        if refusal.code is RefusalCode.ALREADY_DECIDED and await _was_ours(approval_id, user_id, verdict):
            return
        raise


async def _was_ours(approval_id: str, user_id: str, verdict: Verdict) -> bool:
    """The same press again, after a worker that died before it could say that it was done."""
    approval = (await queries.approvals_by_id([approval_id]))[approval_id]
    return any(each.approver_id == user_id and each.verdict is verdict for each in approval.decisions)


async def _snooze(gateway: ChatGateway, user_id: str, interaction: Interaction) -> None:
    wallet_id, _, episode = interaction.value.rpartition(":")
    place = (await wallet_places([wallet_id])).get(wallet_id)
    standing = await refreshed(Standing(actor=Actor(kind=ActorKind.USER, id=user_id), user_id=user_id))
    if place is None or not visible(standing, place):
        raise NotFound
    if not may(standing, Action.SET_ALERT, place):
        raise Forbidden("Only an owner or an administrator of the pool can snooze this alert.")
    until = await snooze(wallet_id, hours=int(SNOOZE.total_seconds() // 3600))
    await tell_snoozed(gateway, wallet_id=wallet_id, episode=int(episode), by=user_id, until=until)
