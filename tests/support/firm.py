"""A firm in which large purchases need consent: an account of its own with people of the demonstration in it."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tortoise.transactions import in_transaction

from credits.accounts.models import AccountRole
from credits.accounts.service import add_membership
from credits.actors import SYSTEM
from credits.approvals.rules import PolicyView
from credits.approvals.service import set_policy
from credits.ledger.queries import now
from tests.support.service import Service
from tests.support.slack import Posted, Slack, eventually

BUY = """mutation ($wallet: ID!, $package: String!, $key: String!) { purchaseCredits(input:
  {walletId: $wallet, packageCode: $package, idempotencyKey: $key, justification: "Open house <!channel>"}) {
    purchase { id status checkoutUrl approval { id status viewerCanDecide } } userErrors { code } } }"""
APPROVE = """mutation ($id: ID!) { approvePurchase(input: {purchaseId: $id}) {
  purchase { status approval { status decisions { approver { name } verdict via } } } userErrors { code message } } }"""
REJECT = """mutation ($id: ID!, $reason: String!) { rejectPurchase(input: {purchaseId: $id, reason: $reason}) {
  purchase { status failureReason } userErrors { code field } } }"""
STATE = "query ($id: ID!) { purchase(id: $id) { status checkoutUrl failureReason approval { status } } }"


@dataclass(frozen=True, slots=True)
class Firm:
    """Member buys, approver and deputy consent; `owner` is the token of somebody else."""

    service: Service
    account_id: str
    wallet: str
    owner: str

    async def join(self, name: str) -> str:
        """One more demo person is a member; returns their id."""
        user_id, at = self.service.demo.users[name], await now()
        async with in_transaction() as connection:
            await add_membership(
                connection, account_id=self.account_id, user_id=user_id, role=AccountRole.MEMBER, at=at
            )
        return user_id

    async def ask_for(self, package: str = "PROFESSIONAL", *, by: str = "member") -> dict[str, Any]:
        answer = await self.service.gql(BUY, by, wallet=self.wallet, package=package, key=uuid4().hex)
        purchase: dict[str, Any] = answer.data["purchaseCredits"]["purchase"]
        return purchase

    async def state_of(self, purchase: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.service.gql(STATE, "member", id=purchase["id"])).data["purchase"]
        return found

    async def cards(self, purchase: dict[str, Any], count: int = 2) -> list[Posted]:
        about = f"approval:{purchase['approval']['id']}:"
        return await eventually(lambda: Slack(self.service).messages(about), lambda seen: len(seen) >= count)


async def new_firm(service: Service) -> Firm:
    """A firm in which either of approver and deputy consents to 500 credits or more."""
    place = await service.account()
    owner = await service.owner_token(place.account_id)
    at = await now()
    async with in_transaction() as connection:
        for name in ("member", "approver", "deputy"):
            user_id = service.demo.users[name]
            await add_membership(
                connection, account_id=place.account_id, user_id=user_id, role=AccountRole.MEMBER, at=at
            )
    await policy(service, place.account_id, required=1, approvers=("approver", "deputy"))
    return Firm(service, place.account_id, place.wallet_id or "", owner)


async def policy(
    service: Service, account_id: str, *, required: int, approvers: tuple[str, ...], **changes: Any
) -> None:
    """From 500 credits on these people's consent is asked for; in place of an earlier policy for that."""
    fields: dict[str, Any] = {
        "expires_after_hours": 72,
        "remind_after_hours": None,
        "escalate_after_hours": None,
        "escalate_to_ids": (),
        "slack_channel": None,
    }
    wanted = PolicyView(
        id="",
        account_id=account_id,
        pool_id=None,
        minimum_credits=500,
        approver_ids=tuple(service.demo.users[name] for name in approvers),
        required_approvals=required,
        **(fields | changes),
    )
    await set_policy(SYSTEM, wanted, now=await now())
