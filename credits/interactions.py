"""What people do in the chat: written down as it comes, worked on after it was acknowledged.

What a button carries is a hint and no right: who pressed it, and whether they may, is decided from what the database
says now.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
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
from credits.approvals.messages import APPROVE_ACTION, REJECT_ACTION, reject_form
from credits.approvals.models import DecisionVia, Verdict
from credits.chat.linking import LINK_ACTION, link_by_email, stranger_card
from credits.chat.messenger import Messenger
from credits.chat.people import person_behind
from credits.chat.tickets import Tickets
from credits.chat.workspaces import removed
from credits.errors import Forbidden, NotFound, Refusal, RefusalCode
from credits.gateways import (
    Card,
    Form,
    GatewayRefused,
    GatewayUnavailable,
    Interaction,
    InteractionKind,
    MessageRef,
    Publisher,
)
from credits.inbox import change, first_time
from credits.outbox import Message, Queue
from credits.purchases.checkouts import Checkouts

DONE_JOB = "slack.done"
# What came of an interaction, in the inbox.
_TAKEN, _ANSWERED = "taken", "answered"
_VERDICTS = {APPROVE_ACTION: Verdict.APPROVE, REJECT_ACTION: Verdict.REJECT}
_FORMS: Mapping[str, Callable[[Interaction], Form]] = {REJECT_ACTION: reject_form}
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What it takes to work on what people did."""

    messenger: Messenger
    publisher: Publisher
    checkouts: Checkouts
    tickets: Tickets


def form_for(interaction: Interaction) -> Form | None:
    """The form that a press opens; it is opened at once, and nothing else is done about the press."""
    if interaction.kind is not InteractionKind.PRESSED or interaction.action not in _FORMS:
        return None
    return _FORMS[interaction.action](interaction)


async def receive(interaction: Interaction) -> bool:
    """Write it down, and that it is to be worked on, in one commit; False where the same was written before."""
    payload = asdict(interaction)
    async with in_transaction() as connection:
        what = interaction.action or interaction.kind.value
        received = await first_time(connection, "slack", interaction.key, what, payload)
        if received is None:
            return False
        await received.conclude(connection, _TAKEN)
        message = Message(account_id="", queue=Queue.APPROVALS, job=DONE_JOB, payload=payload)
        await outbox.add(connection, [message])
    return True


def interaction_of(payload: Mapping[str, Any]) -> Interaction:
    """What `receive` wrote down."""
    message = payload["message"]
    known = {**payload, "kind": InteractionKind(payload["kind"]), "message": MessageRef(**message) if message else None}
    return Interaction(**known)


async def work_on(desk: Desk, interaction: Interaction) -> None:
    """Do what was asked for, or tell whoever asked why not, so that nobody else sees it."""
    if interaction.kind is InteractionKind.REMOVED:
        await removed(interaction.team_id)
        return
    if interaction.action == LINK_ACTION:  # opens an address, and is nothing else
        return
    org, chat_user_id = interaction.org, interaction.user_id
    user_id = await person_behind(org, chat_user_id) or await link_by_email(
        desk.messenger, team_id=interaction.team_id, org=org, chat_user_id=chat_user_id
    )
    if user_id is None:
        _log.warning("stranger", team=interaction.team_id, user=interaction.user_id, action=interaction.action)
        await _ask_who_they_are(desk, interaction)
        return
    work = _WORK.get((interaction.kind, interaction.action))
    if work is None:
        _log.info("unknown_action", kind=interaction.kind, action=interaction.action)
        return
    try:
        await work(desk, interaction, user_id)
    except (Refusal, NotFound, Forbidden) as refusal:
        _log.info("press_refused", user=user_id, action=interaction.action, value=interaction.value, why=str(refusal))
        await answer(desk, interaction, Card(summary=str(refusal)))


async def _ask_who_they_are(desk: Desk, interaction: Interaction) -> None:
    card = stranger_card(desk.tickets, interaction)
    if interaction.kind is not InteractionKind.HOME:
        await answer(desk, interaction, card)
    elif workspace := await desk.messenger.workspaces.of_team(interaction.team_id):
        try:
            await desk.messenger.chat.at(workspace).show_home(interaction.user_id, [card])
        except GatewayRefused as error:
            _log.warning("home_not_shown", team=interaction.team_id, user=interaction.user_id, reason=str(error))


async def answer(desk: Desk, interaction: Interaction, card: Card) -> None:
    """Tell whoever did it, and nobody else: at most once, since what only one person sees cannot be looked for after a
    worker died. Raises GatewayUnavailable where the chat asks us to come again later."""
    if not await change("slack", interaction.key, before=_TAKEN, after=_ANSWERED):
        return
    try:
        await _answer(desk.messenger, interaction, card)
    except GatewayRefused as error:
        _log.warning("not_answered", team=interaction.team_id, user=interaction.user_id, reason=str(error))
    except GatewayUnavailable as error:
        if error.retry_after_s is not None:
            await change("slack", interaction.key, before=_ANSWERED, after=_TAKEN)
            raise
        # They may have read it or not, and can do the same once more.
        _log.warning("answer_lost", team=interaction.team_id, user=interaction.user_id, reason=str(error))


async def _answer(messenger: Messenger, interaction: Interaction, card: Card) -> None:
    """Where it was done, if we are there as well: a command can be typed anywhere."""
    workspace, reply_to = await messenger.workspaces.of_team(interaction.team_id), interaction.reply_to
    typed = interaction.kind is InteractionKind.COMMAND and reply_to is not None
    if workspace is not None and interaction.channel is not None and not typed:
        try:
            await messenger.chat.at(workspace).whisper(interaction.channel, interaction.user_id, card)
        except GatewayRefused:
            if reply_to is None:
                raise
        else:
            return
    if reply_to is not None:
        await messenger.chat.answer(reply_to, card)


async def _decide(desk: Desk, interaction: Interaction, user_id: str) -> None:
    approval_id, _, version = interaction.value.rpartition(":")
    verdict = _VERDICTS[interaction.action]
    found = (await queries.approvals_by_id([approval_id])).get(approval_id)
    if found is None or not version.isdecimal():
        raise NotFound
    if not await desk.messenger.workspaces.serves(found.account_id, interaction.team_id):
        raise NotFound
    decision = service.Decision(
        user_id=user_id,
        verdict=verdict,
        comment=interaction.text,
        via=DecisionVia.SLACK,
        version=int(version),
    )
    try:
        await service.decide(desk.publisher, approval_id, decision)
    except Refusal as refusal:
        if refusal.code is RefusalCode.ALREADY_DECIDED and await _was_ours(approval_id, user_id, verdict):
            return
        raise


async def _was_ours(approval_id: str, user_id: str, verdict: Verdict) -> bool:
    """The same press again, after a worker that died before it could say that it was done."""
    approval = (await queries.approvals_by_id([approval_id]))[approval_id]
    return any(each.approver_id == user_id and each.verdict is verdict for each in approval.decisions)


async def _snooze(desk: Desk, interaction: Interaction, user_id: str) -> None:
    wallet_id, _, episode = interaction.value.rpartition(":")
    place = (await wallet_places([wallet_id])).get(wallet_id)
    standing = await refreshed(Standing(actor=Actor(kind=ActorKind.USER, id=user_id), user_id=user_id))
    if place is None or not visible(standing, place):
        raise NotFound
    if not may(standing, Action.SET_ALERT, place):
        raise Forbidden("Only an owner or an administrator of the pool can snooze this alert.")
    until = await snooze(wallet_id, hours=int(SNOOZE.total_seconds() // 3600))
    await tell_snoozed(desk.messenger, wallet_id=wallet_id, episode=int(episode), by=user_id, until=until)


async def _answer_request(desk: Desk, interaction: Interaction, user_id: str) -> None:
    give = interaction.action == GIVE_ACTION
    await requests.answer(desk.publisher, interaction.value, user_id=user_id, give=give)


_WORK: Mapping[tuple[InteractionKind, str], Callable[[Desk, Interaction, str], Awaitable[None]]] = {
    (InteractionKind.PRESSED, APPROVE_ACTION): _decide,
    (InteractionKind.SUBMITTED, REJECT_ACTION): _decide,
    (InteractionKind.PRESSED, SNOOZE_ACTION): _snooze,
    (InteractionKind.PRESSED, GIVE_ACTION): _answer_request,
    (InteractionKind.PRESSED, DECLINE_ACTION): _answer_request,
}
