"""What time does to open requests: one reminder, one escalation, and their end. By the database's clock, and safe to be
done twice at once.
"""

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from credits import outbox
from credits.access.queries import maker_of
from credits.accounts.models import AccountRole, Membership
from credits.approvals.models import Approval
from credits.approvals.requests import DECIDED_JOB, ESCALATED_JOB, REMIND_JOB, approvals_channel, message
from credits.approvals.rules import added_by_escalation
from credits.gateways.publisher import Publisher
from credits.purchases.channel import purchase_channel
from credits.purchases.models import Purchase, PurchaseStatus
from credits.purchases.moves import move

_OPEN = "status = 'PENDING' AND expires_at > (SELECT credits_now())"
_REMIND = f"""
WITH due AS (
    SELECT id FROM approvals WHERE {_OPEN} AND reminded_at IS NULL
        AND created_at + make_interval(hours => remind_after_hours) <= (SELECT credits_now())
    ORDER BY created_at LIMIT 100 FOR UPDATE SKIP LOCKED
)
UPDATE approvals SET reminded_at = credits_now() WHERE id IN (SELECT id FROM due) RETURNING id, account_id
"""
_ESCALATE = f"""
SELECT id FROM approvals WHERE {_OPEN} AND escalated_at IS NULL
    AND created_at + make_interval(hours => escalate_after_hours) <= (SELECT credits_now())
ORDER BY created_at LIMIT 100 FOR UPDATE SKIP LOCKED
"""
_EXPIRE = """
WITH late AS (
    SELECT id FROM approvals WHERE status = 'PENDING' AND expires_at <= (SELECT credits_now())
    ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED
)
UPDATE approvals SET status = 'EXPIRED', decided_at = credits_now(), version = version + 1
WHERE id IN (SELECT id FROM late) RETURNING id, account_id, purchase_id
"""


async def look_at_open(publisher: Publisher) -> None:
    """All that is due."""
    await expire_due(publisher)
    await escalate_due(publisher)
    await remind_due()


async def remind_due() -> int:
    """Have those reminded who have not decided a request yet, once; returns of how many requests."""
    async with in_transaction() as connection:
        due = await connection.execute_query_dict(_REMIND)
        await outbox.add(connection, [message(REMIND_JOB, row["account_id"], row["id"]) for row in due])
    return len(due)


async def escalate_due(publisher: Publisher) -> int:
    """Let further people decide the requests that nobody has decided for too long, and have them asked, once; returns
    how many requests that are."""
    async with in_transaction() as connection:
        ids = [row["id"] for row in await connection.execute_query_dict(_ESCALATE)]
        rows = await Approval.filter(id__in=ids).using_db(connection).order_by("created_at")
        (clock,) = await connection.execute_query_dict("SELECT credits_now() AS now")
        for row in rows:
            row.escalate_to_ids = await _added(connection, row)
            row.approver_ids = [*row.approver_ids, *row.escalate_to_ids]
            row.escalated_at = clock["now"]
            await row.save(using_db=connection, update_fields=["escalate_to_ids", "approver_ids", "escalated_at"])
        asked = [row for row in rows if row.escalate_to_ids]
        await outbox.add(connection, [message(ESCALATED_JOB, row.__dict__["account_id"], row.id) for row in asked])
    for row in asked:
        await publisher.publish(approvals_channel(row.__dict__["account_id"]), row.id)
    return len(rows)


async def _added(connection: BaseDBAsyncClient, row: Approval) -> list[str]:
    account_id, purchase_id = row.__dict__["account_id"], row.__dict__["purchase_id"]
    requester = (await Purchase.get(id=purchase_id, using_db=connection)).requested_by_id
    members = await Membership.filter(
        account_id=account_id, user_id__in=row.escalate_to_ids, role__not=AccountRole.AUDITOR
    ).using_db(connection)
    return added_by_escalation(
        row.escalate_to_ids,
        approver_ids=row.approver_ids,
        members={str(each.__dict__["user_id"]) for each in members},
        requested_by=await maker_of(requester) or requester,
    )


async def expire_due(publisher: Publisher) -> int:
    """End the requests whose time is up, and their purchases; returns how many. Safe to be done twice at once."""
    async with in_transaction() as connection:
        ended = await connection.execute_query_dict(_EXPIRE)
        undecided = Purchase.filter(
            id__in=[row["purchase_id"] for row in ended], status=PurchaseStatus.PENDING_APPROVAL
        ).using_db(connection)
        await move(undecided, PurchaseStatus.EXPIRED, reason="Nobody decided in time.")
        await outbox.add(connection, [message(DECIDED_JOB, row["account_id"], row["id"]) for row in ended])
    for row in ended:
        await publisher.publish(approvals_channel(row["account_id"]), row["id"])
        await publisher.publish(purchase_channel(row["purchase_id"]), row["purchase_id"])
    return len(ended)
