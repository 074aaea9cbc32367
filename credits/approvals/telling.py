"""Telling of approvals: the question to those who may decide, what becomes of it to everybody who saw it, and how to go
on to whoever asked.

A worker may do all of this anew after another that died: each is told once for an occasion, and cards are brought to
what is, whatever they showed before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog
from tortoise.transactions import in_transaction

from credits import outbox
from credits.access.queries import maker_of
from credits.accounts.models import AccountRole, Membership, User
from credits.accounts.places import names_of
from credits.accounts.queries import owners_of, wallet_places
from credits.accounts.rules import Place
from credits.actors import ActorKind
from credits.approvals import queries
from credits.approvals.links import Pages
from credits.approvals.messages import Subject, card, reminded, reminder, subject_of, trail
from credits.approvals.models import ApprovalStatus
from credits.approvals.requester_messages import requester_card, told_subject
from credits.approvals.requests import REMIND_JOB, message
from credits.approvals.rules import to_remind
from credits.chat.messenger import About, Audience, Messenger
from credits.errors import NotFound
from credits.gateways.cards import Card
from credits.ledger.queries import balances, now
from credits.purchases.queries import PurchaseView, purchase
from credits.reports.forecast import forecasts, runway_in_words

_log = structlog.get_logger()


# An edit that was overtaken by another is done again; each time something has changed, so it comes to an end.
_ROUNDS = 10
_UNNAMED = {ActorKind.SYSTEM: "The automatic top-up"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """Who tells, and where a request is to be seen."""

    messenger: Messenger
    pages: Pages


async def post_request(teller: Teller, approval_id: str) -> None:
    """Show the question: in the policy's channel, else to each who may decide directly. One that was decided meanwhile
    is not asked any more."""
    about = await request_now(approval_id, teller.pages)
    audience = Audience(channel=about.approval.slack_channel, user_ids=await _deciding(about))
    await _show(teller, about, audience, card(about), occasion=subject_of(approval_id))


async def tell_decision(teller: Teller, approval_id: str) -> None:
    """Tell whoever asked for the purchase what was decided, and show everybody who saw the question how it stands."""
    about = await request_now(approval_id, teller.pages)
    try:
        if about.approval.status not in {ApprovalStatus.PENDING, ApprovalStatus.CANCELED}:
            told = told_subject(approval_id)
            news = About(account_id=about.approval.account_id, subject=told, occasion=told)
            await teller.messenger.tell(Audience(user_ids=await _requester(about)), requester_card(about), news)
    finally:
        await bring_up_to_date(teller, approval_id)
    await _say_under(teller, about, trail(about))


async def tell_escalated(teller: Teller, approval_id: str) -> None:
    """Ask those whom an escalation added, and say on every card that they may decide too."""
    about = await request_now(approval_id, teller.pages)
    added = [each for each in about.deciding if each in about.approval.escalated_to]
    try:
        await _show(teller, about, Audience(user_ids=added), card(about), occasion=subject_of(approval_id))
    finally:
        await bring_up_to_date(teller, approval_id)
    await _say_under(teller, about, trail(about))


async def remind(teller: Teller, approval_id: str) -> None:
    """Ask those once more who have not decided, each at least four hours after they were last told of the request;
    for those to whom that is not so yet, this is done again then."""
    about = await request_now(approval_id, teller.pages)
    approval = about.approval
    if approval.status is not ApprovalStatus.PENDING or approval.reminded_at is None:
        return
    said = {each.approver_id for each in approval.decisions}
    waiting = [each for each in about.deciding if each not in said]
    told_at = await teller.messenger.last_told(subject_of(approval_id), waiting)
    due = to_remind(waiting, told_at=told_at, reminded_at=approval.reminded_at, now=await now())
    # Whoever has not been told at all is asked, and the work that was to ask them finds that done.
    asked = [each for each in due.people if each in told_at]
    unasked = [each for each in due.people if each not in told_at]
    occasion = f"remind:{approval_id}"
    await _show(teller, about, Audience(user_ids=asked), reminder(about), occasion=occasion)
    await _show(teller, about, Audience(user_ids=unasked), reminder(about), occasion=subject_of(approval_id))
    if due.people:
        await _say_under(teller, about, [("reminded", reminded(about, due.people))])
    if due.again_at is not None:
        async with in_transaction() as connection:
            again = message(REMIND_JOB, approval.account_id, approval_id, due_at=due.again_at)
            await outbox.add(connection, [again])


async def bring_up_to_date(teller: Teller, approval_id: str) -> None:
    """Bring every card to what is, also when that changes meanwhile or another edit was slower than a later one."""
    for _ in range(_ROUNDS):
        about = await request_now(approval_id, teller.pages)
        try:
            await teller.messenger.edit(subject_of(approval_id), card(about))
        finally:
            await teller.messenger.edit(told_subject(approval_id), requester_card(about))
        if _state(await request_now(approval_id, teller.pages)) == _state(about):
            return


async def _show(teller: Teller, about: Subject, audience: Audience, shown: Card, *, occasion: str) -> None:
    """Show the open question to those who were not shown it for this occasion."""
    approval = about.approval
    if approval.status is not ApprovalStatus.PENDING or not (audience.channel or audience.user_ids):
        return
    subject = subject_of(approval.id)
    news = About(account_id=approval.account_id, subject=subject, occasion=occasion)
    await teller.messenger.tell(audience, shown, news)
    # Decided while it was being posted: the edit may have come too early for some of the cards.
    after = await request_now(approval.id, teller.pages)
    if _state(after) != _state(about):
        await bring_up_to_date(teller, approval.id)
        await _say_under(teller, after, trail(after))


async def _say_under(teller: Teller, about: Subject, said: Sequence[tuple[str, Card]]) -> None:
    """Say it in the thread of each card in a channel, once each."""
    approval = about.approval
    for word, what in said:
        occasion = f"trail:{approval.id}:{word}"
        under = About(account_id=approval.account_id, subject=subject_of(approval.id), occasion=occasion)
        await teller.messenger.reply(what, under)


def _state(about: Subject) -> tuple[object, ...]:
    """All that cards change with."""
    approval, bought = about.approval, about.purchase
    of_purchase = (bought.status, bought.checkout_url, bought.method)
    return approval.status, approval.approved_by, approval.escalated_at, about.asked_again, of_purchase


async def _deciding(about: Subject) -> Sequence[str]:
    """Each who may decide; where too few are left for it ever to be approved, the account's owners as well."""
    if not about.too_few:
        return about.deciding
    _log.error("too_few_to_ask", approval=about.approval.id, account=about.approval.account_id)
    return [*about.deciding, *await owners_of(about.approval.account_id)]


async def _requester(about: Subject) -> list[str]:
    """Whoever asked, or made the key that did."""
    requester = about.purchase.requested_by.id
    person = await maker_of(requester) or requester
    return [person] if await User.exists(id=person) else []


async def request_now(approval_id: str, pages: Pages) -> Subject:
    """The request as it is now, with all that its cards say. Raises NotFound."""
    approval = (await queries.approvals_by_id([approval_id])).get(approval_id)
    if approval is None:
        raise NotFound
    bought: PurchaseView = await purchase(approval.purchase_id)
    requester, wallet_id = bought.requested_by, bought.wallet_id
    names = await _names([*approval.approver_ids, *(each.approver_id for each in approval.decisions), requester.id])
    return Subject(
        approval=approval,
        purchase=bought,
        requester=names.get(requester.id, _UNNAMED.get(requester.kind, "An integration")),
        wallet=(await names_of([wallet_id]))[wallet_id],
        owner=_called((await wallet_places([wallet_id]))[wallet_id]),
        balance=(await balances([wallet_id]))[wallet_id].available,
        runway=runway_in_words((await forecasts([wallet_id]))[wallet_id]),
        names={each: names.get(each, "somebody who has left") for each in {*names, *approval.approver_ids}},
        deciding=await _able(approval, requester.id),
        view=pages.of(approval),
        asked_again=(await queries.latest_by_purchase([bought.id]))[bought.id].id != approval_id,
    )


async def _names(user_ids: Iterable[str]) -> dict[str, str]:
    return {row.id: row.name for row in await User.filter(id__in=list(set(user_ids)))}


def _called(place: Place) -> str:
    return "Department" if place.department_id else "Pool" if place.pool_id else "Account"


async def _able(approval: queries.ApprovalView, requester: str) -> tuple[str, ...]:
    """Those named who can decide: not who has left the account, looks on as an auditor, or asked for the purchase."""
    members = await Membership.filter(
        account_id=approval.account_id, user_id__in=list(approval.approver_ids), role__not=AccountRole.AUDITOR
    )
    able = {str(row.__dict__["user_id"]) for row in members} - {requester, await maker_of(requester)}
    return tuple(each for each in approval.approver_ids if each in able)
