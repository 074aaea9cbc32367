"""What people do in the chat for themselves: commands, the app's home, buying."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tortoise.transactions import in_transaction

from app.sandbox.slack_people import PEOPLE, SLACK_IDS
from credits.accounts.audit_log import AuditEntry
from credits.accounts.models import Account, AccountRole, Membership
from credits.accounts.service import add_membership
from credits.actors import SYSTEM
from credits.chat.channels import set_channel
from credits.chat.models import SlackConnection
from credits.ledger.queries import now
from credits.purchases.models import Purchase
from tests.support.firm import Firm, new_firm, policy
from tests.support.service import Service
from tests.support.slack import Posted, Slack, eventually

CREDITS = "C0CREDITS1"


@pytest.fixture
async def firm(service: Service) -> Firm:
    """Of whose people nothing is asked by other tests."""
    made = await new_firm(service)
    for name in ("pool_admin", "department_member"):
        await made.join(name)
    await policy(service, made.account_id, required=1, approvers=("pool_admin", "department_member"))
    return made


async def answered(service: Service, to: str, *, after: int) -> Posted:
    """The next thing that only this demo person sees."""
    seen = await eventually(lambda: whispers(service, to), lambda seen: len(seen) > after)
    return seen[after]


async def whispers(service: Service, to: str) -> list[Posted]:
    (user_id,) = [person.id for person in PEOPLE.values() if person.name == to]
    response = await service.http.get("/sandbox/slack/messages")
    return [each for each in response.json() if each["user"] == user_id]


async def typed(service: Service, by: str, text: str, **where: str) -> Posted:
    before = len(await whispers(service, by))
    answer = await Slack(service).command(by, text, **where)
    assert answer["status"] == 200
    return await answered(service, by, after=before)


async def home_of(service: Service, of: str, *, showing: str) -> dict[str, Any]:
    def shows(views: list[dict[str, Any]]) -> bool:
        return any(showing in str(view["view"]) for view in views if view["home"])

    views = await eventually(lambda: Slack(service).views(of), shows)
    home: dict[str, Any] = next(view["view"] for view in views if view["home"])
    return home


def pressable(blocks: list[dict[str, Any]], action: str) -> list[dict[str, Any]]:
    elements = [element for block in blocks if block["type"] == "actions" for element in block["elements"]]
    return [element for element in elements if element["action_id"].startswith(action)]


async def test_the_balance_is_told_to_whoever_asks_of_what_they_may_see(service: Service) -> None:
    owner = await typed(service, "owner", "balance")
    member = await typed(service, "department_member", " BALANCE ")
    stranger = await typed(service, "stranger", "balance")

    assert "Downtown" in str(owner["blocks"])
    assert "Suburbs" in str(owner["blocks"])
    assert "Downtown" in str(member["blocks"])
    assert "Suburbs" not in str(member["blocks"])
    assert "credits" not in stranger["text"]
    assert "linked" in stranger["text"]


@pytest.mark.parametrize(("text", "told"), [("", "This is what I do:"), ("help", "/credits pending"), ("fly", "“fly”")])
async def test_what_is_not_known_is_answered_with_help(service: Service, text: str, told: str) -> None:
    assert told in str((await typed(service, "owner", text))["blocks"])


async def test_what_waits_is_decided_where_it_is_listed(service: Service, firm: Firm) -> None:
    purchase = await firm.ask_for()
    about = purchase["approval"]["id"]
    listed = await typed(service, "pool_admin", "pending")
    asked = await typed(service, "member", "pending")

    (approve,) = [each for each in pressable(listed["blocks"], "approve") if each["value"].startswith(about)]
    await Slack(service).press(listed, "approve", "pool_admin", value=approve["value"])

    assert "500 credits" in str(asked["blocks"])
    assert "waits for approval" in str(asked["blocks"])
    decided = await eventually(lambda: firm.state_of(purchase), lambda seen: seen["status"] == "AWAITING_PAYMENT")
    assert decided["approval"]["status"] == "APPROVED"


async def test_credits_are_bought_from_the_chat_once_for_a_press(service: Service) -> None:
    slack, wallet_id = Slack(service), service.demo.wallets["department"]
    chosen = await typed(service, "department_member", "buy")
    (wallet,) = [each for each in pressable(chosen["blocks"], "buy") if each["value"] == wallet_id]
    before = len(await whispers(service, "department_member"))

    await slack.press(chosen, wallet["action_id"], "department_member", value=wallet["value"])
    offered = await answered(service, "department_member", after=before)
    (starter,) = pressable(offered["blocks"], "buy_package.STARTER")
    await slack.press(offered, starter["action_id"], "department_member", deliveries=3)
    bought = await answered(service, "department_member", after=before + 1)

    (pay,) = pressable(bought["blocks"], "pay")
    (purchase,) = await Purchase.filter(wallet_id=wallet_id, checkout_url=pay["url"])
    assert (purchase.credits, purchase.total_minor, pay["url"]) == (100, 19900, purchase.checkout_url)
    assert starter["confirm"]["text"]["text"].startswith("Buy 100 credits for")


async def test_who_may_not_buy_for_a_wallet_is_told_so(service: Service) -> None:
    card = await typed(service, "auditor", "buy")
    listed = await typed(service, "owner", "buy")
    wallet = pressable(listed["blocks"], "buy")[0]
    before = len(await whispers(service, "auditor"))

    await Slack(service).press(listed, wallet["action_id"], "auditor", value=wallet["value"])
    refused = await answered(service, "auditor", after=before)

    assert "no wallet that you may buy for" in card["text"]
    assert "You may not buy for this wallet" in refused["text"]


async def test_the_home_shows_what_waits_first_and_is_shown_anew_after_a_decision(service: Service, firm: Firm) -> None:
    purchase = await firm.ask_for()
    about = purchase["approval"]["id"]
    await Slack(service).home("pool_admin")
    home = await home_of(service, "pool_admin", showing=about)
    (approve,) = [each for each in pressable(home["blocks"], "approve") if each["value"].startswith(about)]
    texts = [str(block) for block in home["blocks"]]

    body = {"ts": "", "action_id": "approve", "user": "pool_admin", "value": approve["value"]}
    pressed = await service.http.post("/sandbox/slack/click", json=body)

    assert pressed.status_code == 200
    assert next(n for n, text in enumerate(texts) if about in text) < next(
        n for n, text in enumerate(texts) if "Balances" in text
    )
    await eventually(lambda: firm.state_of(purchase), lambda seen: seen["status"] == "AWAITING_PAYMENT")
    anew = await eventually(
        lambda: Slack(service).views("pool_admin"), lambda views: all(about not in str(view) for view in views)
    )
    assert len(anew) == 1


async def test_a_refusal_in_the_home_stands_above_it(service: Service, firm: Firm) -> None:
    purchase = await firm.ask_for()
    await Slack(service).home("pool_admin")
    home = await home_of(service, "pool_admin", showing=purchase["approval"]["id"])
    (approve,) = [
        each for each in pressable(home["blocks"], "approve") if each["value"].startswith(purchase["approval"]["id"])
    ]
    await service.gql(
        "mutation ($id: ID!) { cancelPurchase(input: {purchaseId: $id}) { userErrors { code } } }",
        "member", id=purchase["id"],
    )  # fmt: skip

    await service.http.post(
        "/sandbox/slack/click",
        json={"ts": "", "action_id": "approve", "user": "pool_admin", "value": approve["value"]},
    )

    shown = await home_of(service, "pool_admin", showing="canceled")
    assert "canceled" in str(shown["blocks"][0])


async def test_a_stranger_sees_nothing_but_how_to_be_known(service: Service) -> None:
    await Slack(service).home("stranger")

    home = await home_of(service, "stranger", showing="linked")

    assert "Balances" not in str(home)


@pytest.fixture
async def owned(service: Service) -> AsyncIterator[str]:
    """An account that a demo person owns for as long as the test takes, who owns no other."""
    account_id, user_id = (await service.account()).account_id, service.demo.users["member"]
    async with in_transaction() as connection:
        await add_membership(connection, account_id=account_id, user_id=user_id, role=AccountRole.OWNER, at=await now())
    yield account_id
    await Membership.filter(user_id=user_id, role=AccountRole.OWNER).delete()


async def channel_of(account_id: str) -> str | None:
    return (await Account.get(id=account_id)).slack_channel


async def news_in(service: Service, channel: str, since: str) -> list[str]:
    return [
        each["text"]
        for each in await Slack(service).messages("here:")
        if (each["channel"], each["ts"] > since) == (channel, True)
    ]


async def test_an_owner_brings_the_news_of_their_account_to_a_channel(service: Service, owned: str) -> None:
    since = f"{time.time():.6f}"

    told = await typed(service, "member", "here", channel="#credits")

    entry = await AuditEntry.get(account_id=owned, action="setSlackChannel")
    assert "Done" in told["text"]
    assert await news_in(service, CREDITS, since) == ["News of Test account comes to this channel from now on."]
    assert await channel_of(owned) == CREDITS
    assert (entry.actor_id, entry.after) == (service.demo.users["member"], {"channel": CREDITS})


@pytest.mark.parametrize(
    ("by", "where", "told"),
    [
        ("member", f"D{SLACK_IDS['member'][1:]}", "Type this in the channel"),
        ("auditor", "#credits", "Only an owner"),
        ("member", "#credits", "/invite"),
    ],
)
async def test_where_it_cannot_be_nothing_changes_and_they_are_told_why(
    service: Service, owned: str, by: str, where: str, told: str
) -> None:
    slack, since = Slack(service), f"{time.time():.6f}"
    await slack.state(channel="#credits", gone="left" if told == "/invite" else None)
    try:
        answer = await typed(service, by, "here", channel=where)
    finally:
        await slack.state(channel="#credits", gone=None)

    assert told in answer["text"]
    assert await channel_of(owned) is None
    assert await news_in(service, CREDITS, since) == []


async def test_an_account_of_another_workspace_is_none_of_this_ones(service: Service, owned: str) -> None:
    await SlackConnection.create(
        account_id=owned,
        team_id="T0ELSEWHERE",
        org_id="T0ELSEWHERE",
        team="Elsewhere",
        sealed_token="-",
        connected_by="-",
        installed_at=await now(),
    )
    try:
        told = await typed(service, "member", "here", channel="#credits")
    finally:
        await SlackConnection.filter(account_id=owned).delete()

    assert "Only an owner" in told["text"]
    assert await channel_of(owned) is None


async def test_what_was_typed_and_is_done_late_moves_nothing_back(service: Service, owned: str) -> None:
    slack, since = Slack(service), f"{time.time():.6f}"
    before = len(await whispers(service, "member"))
    async with service.workers.away():
        await slack.command("member", "here", channel="#credits")
        await set_channel(SYSTEM, owned, "#elsewhere")

    told = await answered(service, "member", after=before)

    assert "was moved elsewhere meanwhile" in told["text"]
    assert await news_in(service, CREDITS, since) == []
    assert await channel_of(owned) == "#elsewhere"


async def test_who_owns_several_accounts_is_asked_of_which(service: Service, owned: str, firm: Firm) -> None:
    slack = Slack(service)
    await Membership.filter(account_id=firm.account_id, user_id=service.demo.users["member"]).update(
        role=AccountRole.OWNER
    )
    asked = await typed(service, "member", "here", channel="#credits")
    (chosen,) = [each for each in pressable(asked["blocks"], "here") if each["value"] == firm.account_id]
    before = {by: len(await whispers(service, by)) for by in ("auditor", "member")}

    await slack.press(asked, chosen["action_id"], "auditor", value=chosen["value"])
    refused = await answered(service, "auditor", after=before["auditor"])
    unchanged = await channel_of(firm.account_id)
    await slack.press(asked, chosen["action_id"], "member", value=chosen["value"])
    done = await answered(service, "member", after=before["member"])

    assert "Of which account" in asked["text"]
    assert "nothing with this id" in refused["text"]
    assert unchanged is None
    assert "Done" in done["text"]
    assert (await channel_of(firm.account_id), await channel_of(owned)) == (CREDITS, None)
