"""What people do in the chat: written down as it comes, worked on after it was acknowledged.

What a button carries is a hint and no right: who pressed it, and whether they may, is decided from what the database
says now.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

import structlog
from tortoise.transactions import in_transaction

from credits import outbox
from credits.access.queries import maker_of
from credits.accounts.audit_log import record
from credits.accounts.queries import wallet_places
from credits.accounts.rules import Action, Place, Standing, may, visible
from credits.actors import SYSTEM
from credits.alerts.messages import ASK_MORE_ACTION, SNOOZE, SNOOZE_ACTION, ask_more_form
from credits.alerts.service import snooze
from credits.allocations import requests
from credits.allocations.messages import DECLINE_ACTION, GIVE_ACTION
from credits.allocations.rules import asked_for
from credits.approvals import queries, service
from credits.approvals.messages import APPROVE_ACTION, REJECT_ACTION, VIEW_ACTION, reject_form
from credits.approvals.models import DecisionVia, Verdict
from credits.approvals.renewal import ask_again
from credits.approvals.requester_messages import ASK_AGAIN_ACTION, PAY_ACTION
from credits.chat.linking import LINK_ACTION, link_by_email, stranger_card
from credits.chat.people import person_behind
from credits.chat.workspaces import if_removed
from credits.desk.answers import TAKEN, answer
from credits.desk.buying import buy, offer
from credits.desk.cards import BUY_ACTION, BUY_PACKAGE_ACTION, HERE_ACTION
from credits.desk.commands import command
from credits.desk.desk import Desk
from credits.desk.here import chosen_here
from credits.desk.seeing import standing_of
from credits.errors import Forbidden, NotFound, Refusal, RefusalCode
from credits.gateways.cards import Card, Form
from credits.gateways.chat import Interaction, InteractionKind, MessageRef
from credits.inbox import first_time
from credits.outbox import Message, Queue
from credits.purchases.queries import purchase
from credits.purchases.receipts import INVOICE_ACTION, RECEIPT_ACTION

DONE_JOB = "slack.done"
_VERDICTS = {APPROVE_ACTION: Verdict.APPROVE, REJECT_ACTION: Verdict.REJECT}
_FORMS: Mapping[str, Callable[[Interaction], Form]] = {
    REJECT_ACTION: reject_form,
    ASK_MORE_ACTION: ask_more_form,
}
# These open an address, whoever presses them.
_LINKS = {VIEW_ACTION, PAY_ACTION, LINK_ACTION, RECEIPT_ACTION, INVOICE_ACTION}
_log = structlog.get_logger()


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
        await received.conclude(connection, TAKEN)
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
        await if_removed(desk.messenger.workspaces, desk.messenger.chat, interaction.team_id)
        return
    if interaction.action in _LINKS:
        return
    org, chat_user_id = interaction.org, interaction.user_id
    user_id = await person_behind(org, chat_user_id) or await link_by_email(
        desk.messenger, team_id=interaction.team_id, org=org, chat_user_id=chat_user_id
    )
    if user_id is None:
        _log.warning("stranger", team=interaction.team_id, user=interaction.user_id, action=interaction.action)
        await _keep_stranger(desk, interaction)
        await answer(desk, interaction, stranger_card(desk.tickets, interaction))
        return
    work = _WORK.get((interaction.kind, interaction.action.partition(".")[0]))
    if work is None:
        _log.info("unknown_action", kind=interaction.kind, action=interaction.action)
        return
    try:
        await work(desk, interaction, user_id)
        if interaction.channel is None and interaction.reply_to is None:
            # Done in the app's home: it shows how things are now.
            await answer(desk, interaction)
    except (Refusal, NotFound, Forbidden) as refusal:
        _log.info("press_refused", user=user_id, action=interaction.action, value=interaction.value, why=str(refusal))
        await answer(desk, interaction, Card(summary=str(refusal)))


async def _keep_stranger(desk: Desk, interaction: Interaction) -> None:
    """Somebody whom nobody knows here pressed a button: for the account's auditors to see, where it is one about a
    request of an account that the workspace serves."""
    try:
        found = await _request(desk, interaction, interaction.value.partition(":")[0])
    except NotFound:
        return
    async with in_transaction() as connection:
        await record(
            connection,
            SYSTEM,
            "refuseSlackUser",
            account_id=found.account_id,
            target=found.purchase_id,
            after={"org": interaction.org, "slackUser": interaction.user_id, "pressed": interaction.action},
        )


async def _request(desk: Desk, interaction: Interaction, approval_id: str) -> queries.ApprovalView:
    """The request of that id. Raises NotFound where it is of an account that the workspace does not serve."""
    found = (await queries.approvals_by_id([approval_id])).get(approval_id)
    if found is None or not await desk.messenger.workspaces.serves(found.account_id, interaction.team_id):
        raise NotFound
    return found


async def _decide(desk: Desk, interaction: Interaction, user_id: str) -> None:
    approval_id, _, version = interaction.value.rpartition(":")
    verdict = _VERDICTS[interaction.action]
    await _request(desk, interaction, approval_id)
    if not version.isdecimal():
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


async def _ask_again(desk: Desk, interaction: Interaction, user_id: str) -> None:
    """Whoever asked for a purchase, or made the key that did, asks again where nobody decided in time."""
    expired = await _request(desk, interaction, interaction.value)
    bought = await purchase(expired.purchase_id)
    place = (await wallet_places([bought.wallet_id]))[bought.wallet_id]
    standing = await standing_of(user_id)
    own = user_id in {bought.requested_by.id, await maker_of(bought.requested_by.id)}
    if not visible(standing, place):
        raise NotFound
    if not own or not may(standing, Action.PURCHASE, place):
        raise Forbidden("Only whoever asked for this purchase can ask again.")
    await ask_again(desk.publisher, bought.id, seen=expired.id)


async def _wallet(desk: Desk, interaction: Interaction, user_id: str) -> tuple[Standing, Place]:
    """Whoever did it, and where the wallet stands that the value begins with. Raises NotFound where they may not know
    of it, and where the workspace does not serve its account."""
    wallet_id = interaction.value.partition(":")[0]
    place = (await wallet_places([wallet_id])).get(wallet_id)
    standing = await standing_of(user_id)
    if place is None or place.closed or not visible(standing, place):
        raise NotFound
    if not await desk.messenger.workspaces.serves(place.account_id, interaction.team_id):
        raise NotFound
    return standing, place


async def _snooze(desk: Desk, interaction: Interaction, user_id: str) -> None:
    standing, place = await _wallet(desk, interaction, user_id)
    if not may(standing, Action.SET_ALERT, place):
        raise Forbidden("Only an owner or an administrator of the pool can snooze this alert.")
    await snooze(standing.actor, place.wallet_id or "", hours=int(SNOOZE.total_seconds() // 3600))


async def _ask_more(desk: Desk, interaction: Interaction, user_id: str) -> None:
    standing, place = await _wallet(desk, interaction, user_id)
    if place.department_id is None:
        raise NotFound
    if not may(standing, Action.REQUEST_ALLOCATION, place):
        raise Forbidden("Only members of the department can ask for more. Ask one of them.")
    wanted, why = asked_for(interaction.text or "")
    await requests.ask(standing.actor, place, credits_wanted=wanted, reason=why)
    await answer(desk, interaction, Card(summary=f"Asked for {wanted:,} credits. You are told what becomes of it."))


async def _open_home(desk: Desk, interaction: Interaction, user_id: str) -> None:
    """Nothing but to show it, as after all that is done there."""


async def _answer_request(desk: Desk, interaction: Interaction, user_id: str) -> None:
    give = interaction.action == GIVE_ACTION
    await requests.answer(desk.publisher, interaction.value, user_id=user_id, give=give)


_WORK: Mapping[tuple[InteractionKind, str], Callable[[Desk, Interaction, str], Awaitable[None]]] = {
    (InteractionKind.PRESSED, APPROVE_ACTION): _decide,
    (InteractionKind.SUBMITTED, REJECT_ACTION): _decide,
    (InteractionKind.PRESSED, ASK_AGAIN_ACTION): _ask_again,
    (InteractionKind.PRESSED, SNOOZE_ACTION): _snooze,
    (InteractionKind.PRESSED, BUY_ACTION): offer,
    (InteractionKind.PRESSED, BUY_PACKAGE_ACTION): buy,
    (InteractionKind.PRESSED, HERE_ACTION): chosen_here,
    (InteractionKind.COMMAND, ""): command,
    (InteractionKind.HOME, ""): _open_home,
    (InteractionKind.SUBMITTED, ASK_MORE_ACTION): _ask_more,
    (InteractionKind.PRESSED, GIVE_ACTION): _answer_request,
    (InteractionKind.PRESSED, DECLINE_ACTION): _answer_request,
}
