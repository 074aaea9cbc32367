"""Asking a pool's administrators for more, and their answer: by a pressed button, decided once, by what is so then."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits import outbox
from credits.access.service import refreshed
from credits.accounts.models import User
from credits.accounts.queries import department_places
from credits.accounts.rules import Action, Place, Standing, may, visible
from credits.actors import Actor, ActorKind
from credits.allocations import queries
from credits.allocations.messages import DECIDED_JOB, REQUESTED_JOB, message, outcome
from credits.allocations.models import RequestStatus
from credits.allocations.queries import RequestView
from credits.errors import Forbidden, NotFound, Refusal, RefusalCode
from credits.faults import trying_again
from credits.gateways.publisher import Publisher
from credits.ids import Kind, make_id
from credits.ledger.commands import Transfer, check_amount
from credits.ledger.feed import BalanceChange, tell
from credits.ledger.models import TransactionKind
from credits.ledger.posting import Posted, Refused
from credits.ledger.store import post
from credits.ledger.text import SALT_BYTES, Text
from credits.outbox import Queue
from credits.text import clean

_ASK = """
INSERT INTO allocation_requests (id, account_id, pool_id, department_id, requested_by_kind, requested_by_id, credits,
                                 reason, status, created_at)
SELECT $1, d.account_id, d.pool_id, d.id, $3, $4, $5, $6, 'PENDING', credits_now()
FROM departments d WHERE d.id = $2 AND d.deleted_at IS NULL
ON CONFLICT (department_id, requested_by_id, credits, reason) WHERE status = 'PENDING' DO NOTHING RETURNING id
"""
_DECIDE = """
UPDATE allocation_requests SET status = $2, decided_by = $3, transfer_id = $4, decided_at = credits_now()
WHERE id = $1 AND status = 'PENDING' RETURNING id
"""
_CANCEL = """
UPDATE allocation_requests SET status = 'CANCELED', decided_at = credits_now()
WHERE department_id = ANY($1) AND status = 'PENDING' RETURNING id, account_id
"""


async def ask(actor: Actor, place: Place, *, credits_wanted: int, reason: str) -> None:
    """Ask for more for the department. What the same person asks in the same words is asked once until it is answered.
    Refused: other than 1 to 1,000,000,000 credits, no reason, and one of over 500 characters."""
    check_amount(credits_wanted, field="credits")
    why = clean(reason, field="reason", lines=True) or ""
    if not why.strip():
        raise Refusal(RefusalCode.INVALID, "Say what for; whoever gives the credits reads it.", field="reason")
    # Made once: after a commit whose answer was lost it is found to be asked.
    request_id = make_id(Kind.ALLOCATION_REQUEST)

    async def work() -> None:
        async with in_transaction() as connection:
            values = [request_id, place.department_id, actor.kind.value, actor.id, credits_wanted, why]
            if await connection.execute_query_dict(_ASK, values):
                asked = message(REQUESTED_JOB, place.account_id, Queue.APPROVALS, {"request_id": request_id})
                await outbox.add(connection, [asked])

    await trying_again(work)


async def cancel_of(connection: BaseDBAsyncClient, department_ids: Sequence[str]) -> None:
    """Take back what is asked for departments that are being deleted, in the database transaction that does it."""
    canceled = await connection.execute_query_dict(_CANCEL, [list(department_ids)])
    await outbox.add(connection, [_decided(row["account_id"], row["id"]) for row in canceled])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What somebody says to a request; `transfer_id` names the movement that giving makes."""

    request_id: str
    user_id: str
    give: bool
    transfer_id: str

    @property
    def status(self) -> RequestStatus:
        """What becomes of the request."""
        return RequestStatus.GIVEN if self.give else RequestStatus.DECLINED


async def answer(publisher: Publisher, request_id: str, *, user_id: str, give: bool) -> None:
    """Give or decline. Giving moves the credits in the commit that decides. The same answer of the same person again
    changes nothing.

    Refused: ALREADY_DECIDED (with what, who and when), a department that was deleted (the request is canceled), and
    what the pool cannot give: then the request stays open. Raises NotFound and Forbidden for those who do not
    administer the pool, nor own the account.
    """
    about = await queries.request(request_id)
    if about is None:
        raise NotFound
    await _require_administrator(about, user_id)
    if about.closed and about.status is RequestStatus.PENDING:
        async with in_transaction() as connection:
            await cancel_of(connection, [about.department_id])
        raise Refusal(RefusalCode.WRONG_STATE, f"{about.department} was deleted; nothing can be given to it any more.")
    said = Answer(request_id=request_id, user_id=user_id, give=give, transfer_id=make_id(Kind.TRANSFER))

    async def work() -> list[BalanceChange] | None:
        async with in_transaction() as connection:
            return await _decide(connection, about, said)

    told = await trying_again(work)
    if told is None:
        await _require_ours(said)
    else:
        await tell(publisher, told)


async def _require_administrator(about: RequestView, user_id: str) -> None:
    place = (await department_places([about.department_id]))[about.department_id]
    standing = await refreshed(Standing(actor=Actor(kind=ActorKind.USER, id=user_id), user_id=user_id))
    if not visible(standing, place):
        raise NotFound
    if not may(standing, Action.ALLOCATE, place):
        raise Forbidden("Only an administrator of the pool or an owner of the account can answer this.")


async def _decide(connection: BaseDBAsyncClient, about: RequestView, said: Answer) -> list[BalanceChange] | None:
    """The balances that changed; None where it was decided before."""
    values = [about.id, said.status.value, said.user_id, said.transfer_id if said.give else None]
    if not await connection.execute_query_dict(_DECIDE, values):
        return None
    told = await _give(connection, about, said) if said.give else []
    await outbox.add(connection, [_decided(about.account_id, about.id)])
    return told


async def _give(connection: BaseDBAsyncClient, about: RequestView, said: Answer) -> list[BalanceChange]:
    command = Transfer(
        id=said.transfer_id,
        wallet_id=about.pool_wallet_id,
        to_wallet_id=about.wallet_id,
        actor=Actor(kind=ActorKind.USER, id=said.user_id),
        text=Text(salt=secrets.token_bytes(SALT_BYTES), reference=None, description=about.reason, metadata=None),
        kind=TransactionKind.ALLOCATION,
        credits=about.credits,
    )
    result = await post(connection, [command])
    match result.outcomes[0][0]:
        case Posted():
            return result.told
        case Refused(code=code, message=because):
            raise Refusal(code, because)
        case _:
            raise NotFound


async def _require_ours(said: Answer) -> None:
    """The same press again, after a worker that died before it could say that it was done, is no news; for anybody else
    it is that it was decided."""
    now = await queries.request(said.request_id)
    if now is None or (now.status is said.status and now.decided_by == said.user_id):
        return
    person = await User.get_or_none(id=now.decided_by) if now.decided_by else None
    by = person.name if person else "somebody who has left"
    raise Refusal(RefusalCode.ALREADY_DECIDED, f"This was {outcome(now, by=by)}.")


def _decided(account_id: str, request_id: str) -> outbox.Message:
    return message(DECIDED_JOB, account_id, Queue.APPROVALS, {"request_id": request_id})
