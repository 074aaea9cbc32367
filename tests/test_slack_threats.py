"""What may come from Slack, or become of it: a test or more for each row of the list of threats, in its order.

A press goes the whole way, from the signed request over the inbox and the outbox to what Slack holds afterwards.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Route
from tortoise.connection import get_connection
from tortoise.context import TortoiseContext

from app.database import tortoise_config
from app.gateways.slack import SlackChat
from app.routes.slack import WRITTEN_WITHIN_S, SlackInteractions
from app.sandbox.slack_people import LUMEN, SLACK_IDS, TEAM_ID
from app.settings import Settings
from credits.accounts.audit_log import AuditEntry
from credits.accounts.models import Membership, SlackLink, User
from credits.accounts.queries import owners_of
from credits.actors import Actor, ActorKind
from credits.approvals.models import Approval, ApprovalDecision
from credits.chat.messenger import About, Audience, Messenger
from credits.chat.models import ChatMessage, SlackConnection
from credits.chat.workspaces import connect
from credits.gateways.cards import Card
from credits.gateways.chat import Installed, Workspace
from credits.gateways.errors import GatewayUnavailable
from credits.inbox import InboxEvent
from credits.ledger.queries import now
from credits.outbox import OutboxMessage
from credits.purchases.models import Purchase
from tests.support.firm import APPROVE, Firm, new_firm
from tests.support.proxy import Proxy, proxy_to
from tests.support.scripted import Scripted, scripted
from tests.support.service import JWT_SECRET, SLACK_SECRET, WEBHOOK_SECRET, Service
from tests.support.slack import Posted, Slack, eventually
from tests.support.slack_inbound import (
    aged,
    command,
    event,
    form,
    json_body,
    pressed,
    signature,
    signed,
    submitted,
)

SECOND = "U0SECOND01"
TRY_AGAIN = "That did not reach us. Please try again in a minute."


@pytest.fixture
async def firm(service: Service) -> Firm:
    return await new_firm(service)


def key_of(payload: dict[str, Any]) -> str:
    """Of a press, as the inbox has it."""
    action = payload["actions"][0]
    return "|".join((payload["team"]["id"], action["action_ts"], payload["user"]["id"], action["action_id"]))


async def send(service: Service, body: bytes, where: str = "interactions") -> httpx.Response:
    return await service.http.post(f"/slack/{where}", content=body, headers=signed(body))


async def done_with(*bodies: httpx.Response) -> None:
    """Wait until what was taken is worked off."""
    assert [each.status_code for each in bodies] == [200] * len(bodies)
    await eventually(lambda: OutboxMessage.filter(job="slack.done").count(), lambda left: left == 0, within_s=20)


async def decisions(purchase: dict[str, Any]) -> int:
    return await ApprovalDecision.filter(approval_id=purchase["approval"]["id"]).count()


def value_of(purchase: dict[str, Any], version: int = 1) -> str:
    return f"{purchase['approval']['id']}:{version}"


# No signature, bad hex, `v1=`, the signature of a re-serialised body: 401, nothing stored.


def written_anew(body: bytes) -> bytes:
    """As a framework would write it that had parsed it first: the same meaning, other bytes."""
    return body.replace(b"%3A+", b"%3A").replace(b"%2C+", b"%2C")


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda _, __: "", id="missing"),
        pytest.param(lambda _, __: "v0=" + "0" * 64, id="wrong"),
        pytest.param(lambda _, __: "v0=not-hex", id="no hexadecimal number"),
        pytest.param(lambda body, stamp: signature(body, stamp)[:-1], id="cut short"),
        pytest.param(lambda body, stamp: signature(body, stamp, prefix="v1="), id="v1"),
        pytest.param(lambda body, stamp: signature(body, stamp, prefix=""), id="no version"),
        pytest.param(lambda body, stamp: signature(body, stamp, secret="another"), id="another secret"),
        pytest.param(lambda body, stamp: signature(body, stamp, secret=" "), id="an empty secret"),
        pytest.param(lambda body, stamp: signature(written_anew(body), stamp), id="of the body written anew"),
        pytest.param(lambda body, stamp: signature(body, f"{stamp}0"), id="of another time"),
        pytest.param(lambda body, stamp: signature(body, stamp) + "é", id="not ASCII"),
    ],
)
async def test_without_a_right_signature_nothing_is_taken(service: Service, made: Callable[[bytes, str], str]) -> None:
    payload, stamp = pressed(), aged()
    body = form(payload)
    headers = {b"X-Slack-Request-Timestamp": stamp.encode(), b"X-Slack-Signature": made(body, stamp).encode()}

    answer = await service.http.post("/slack/interactions", content=body, headers=headers)

    assert answer.status_code == 401
    assert not await InboxEvent.exists(event_id=key_of(payload))


# A time stamp 299 s old, 301 s old, 301 s in the future, non-numeric, missing.


# Made when the test runs: collecting a large suite may take longer than a signature is good for.
@pytest.mark.parametrize(
    ("stamp", "status"),
    [
        pytest.param(lambda: aged(295), 200, id="295 s old"),
        pytest.param(lambda: aged(-299), 200, id="299 s in the future"),
        pytest.param(lambda: aged(301), 401, id="301 s old"),
        pytest.param(lambda: aged(-305), 401, id="305 s in the future"),
        pytest.param(lambda: "", 401, id="missing"),
        pytest.param(lambda: "yesterday", 401, id="no number"),
        pytest.param(lambda: f"{aged()}.5", 401, id="a fraction"),
        pytest.param(lambda: f"+{aged()}", 401, id="with a sign"),
        pytest.param(lambda: f"{aged()[:-3]}_{aged()[-3:]}", 401, id="with an underscore"),
        pytest.param(lambda: "9" * 5000, 401, id="5,000 digits"),
    ],
)
async def test_what_is_not_of_the_last_five_minutes_is_not_taken(
    service: Service, stamp: Callable[[], str], status: int
) -> None:
    payload, at = pressed("unheard-of"), stamp()
    body = form(payload)
    headers = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": signature(body, at)}

    answer = await service.http.post("/slack/interactions", content=body, headers=headers)

    assert answer.status_code == status
    assert await InboxEvent.exists(event_id=key_of(payload)) is (status == 200)


# A byte-identical replay within five minutes.


async def test_the_same_press_replayed_byte_for_byte_has_one_effect(service: Service, firm: Firm) -> None:
    purchase = await firm.ask_for()
    payload = pressed(value=value_of(purchase))
    body = form(payload)
    headers = signed(body)

    def replay() -> Awaitable[httpx.Response]:
        return service.http.post("/slack/interactions", content=body, headers=headers)

    at_once = await asyncio.gather(*(replay() for _ in range(3)))
    await eventually(lambda: decisions(purchase), lambda count: count == 1)
    later = await replay()

    await done_with(*at_once, later)
    assert await InboxEvent.filter(event_id=key_of(payload)).count() == 1
    assert await decisions(purchase) == 1


# An empty signing secret in the configuration.


@pytest.mark.parametrize("secret", ["", " ", f"{SLACK_SECRET},"])
def test_with_an_empty_signing_secret_the_process_refuses_to_start(secret: str) -> None:
    settings = Settings(
        _env_file=None,
        database_url="postgresql://localhost/x",
        jwt_secret=SecretStr(JWT_SECRET),
        stripe_webhook_secret=SecretStr(WEBHOOK_SECRET),
        slack_signing_secret=SecretStr(secret),
    )

    with pytest.raises(ValueError, match="SLACK_SIGNING_SECRET is not set"):
        settings.require_secrets()
    with pytest.raises(ValueError, match="signing secret is empty"):
        SlackChat(signing_secrets=settings.slack_signing_secrets)


# The old secret and the new one while it is rotated.


@asynccontextmanager
async def endpoint(messenger: Messenger) -> AsyncIterator[httpx.AsyncClient]:
    """The endpoint alone, over that messenger and whatever database is open where it is called."""
    slack = SlackInteractions(messenger)
    app = Starlette(routes=[Route("/{what}", slack.receive, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://slack.test") as http:
        yield http


@asynccontextmanager
async def chat_of(**options: Any) -> AsyncIterator[SlackChat]:
    chat = SlackChat(**({"signing_secrets": (SLACK_SECRET,)} | options))
    try:
        yield chat
    finally:
        await chat.close()


async def test_both_secrets_sign_while_one_is_rotated(service: Service) -> None:
    async with (
        chat_of(signing_secrets=("the new one", "the old one")) as chat,
        endpoint(replace(service.shared.messenger, chat=chat)) as http,
    ):
        answers = []
        for secret in ("the new one", "the old one", SLACK_SECRET):
            body = form(pressed("unheard-of"))
            answers.append(await http.post("/interactions", content=body, headers=signed(body, secret=secret)))

    assert [answer.status_code for answer in answers] == [200, 200, 401]


# The database stalls; Slack waits three seconds, and people not much longer than one.

_STALLED_S = 60.0


def test_what_is_not_written_within_a_second_is_given_up() -> None:
    assert WRITTEN_WITHIN_S < 1


@dataclass(frozen=True, slots=True)
class Stalling:
    """The endpoint over a database that can stall, and a Slack that can be asked."""

    http: httpx.AsyncClient
    proxy: Proxy
    slack: Scripted

    async def tell(self, where: str, body: bytes) -> httpx.Response:
        """Fails where the answer waits for the database."""
        async with asyncio.timeout(_STALLED_S / 2):
            return await self.http.post(where, content=body, headers=signed(body))

    def stall(self, after_s: float) -> None:
        """So that it comes before anything is asked, or between the statements of a database transaction."""
        self.proxy.delay_s = 0.03 if after_s else _STALLED_S
        asyncio.get_running_loop().call_later(after_s, setattr, self.proxy, "delay_s", _STALLED_S)


@pytest.fixture
async def stalling(service: Service, database_url: str) -> AsyncIterator[Stalling]:
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(scripted({"response": {"ok": True}, "views.open": {"ok": True}}))
        chat = await stack.enter_async_context(chat_of(base_url=slack.url))
        context = TortoiseContext()
        stack.push_async_callback(context.close_connections)
        proxy = await stack.enter_async_context(proxy_to(database_url))
        stack.enter_context(context)
        # Whoever waits for this database waits as long as it stalls.
        await context.init(config=tortoise_config(proxy.url, pool=5, answer_within_s=None))
        http = await stack.enter_async_context(endpoint(replace(service.shared.messenger, chat=chat)))
        body = form(pressed("unheard-of"))
        assert (await http.post("/interactions", content=body, headers=signed(body))).status_code == 200
        yield Stalling(http, proxy, slack)


@pytest.mark.parametrize("after_s", [0, 0.1], ids=["at once", "in the middle"])
async def test_with_the_database_stalled_slack_need_not_wait_and_people_are_asked_to_try_again(
    stalling: Stalling, after_s: float
) -> None:
    reply_to = f"{stalling.slack.url}response"
    stalling.stall(after_s)

    press, submission, typed, happened = await asyncio.gather(
        stalling.tell("/interactions", form(pressed("unheard-of", response_url=reply_to))),
        stalling.tell("/interactions", form(submitted(user={"id": uuid4().hex}))),
        stalling.tell("/commands", urlencode(command()).encode()),
        stalling.tell("/events", json_body(event("app_home_opened", event_id=uuid4().hex, user="U1", tab="home"))),
    )

    assert (press.status_code, press.content) == (200, b"")
    assert submission.json() == {"response_action": "errors", "errors": {"typed": TRY_AGAIN}}
    assert typed.json() == {"response_type": "ephemeral", "text": TRY_AGAIN}
    assert happened.status_code == 503  # Slack tells events again by itself
    (whispered,) = await eventually(_asked_at(stalling.slack, "response"), bool)
    assert (whispered["response_type"], whispered["text"]) == ("ephemeral", TRY_AGAIN)


async def test_with_the_database_stalled_a_form_opens_all_the_same(stalling: Stalling) -> None:
    stalling.stall(0)

    answer = await stalling.tell("/interactions", form(pressed("reject")))
    (opened,) = await eventually(_asked_at(stalling.slack, "views.open"), bool)

    assert answer.status_code == 200
    assert opened["view"]["callback_id"] == "reject"


def _asked_at(slack: Scripted, path: str) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
    async def asked() -> list[dict[str, Any]]:
        return slack.of(path)

    return asked


# A user who is not linked.


async def test_who_is_not_linked_is_told_so_alone_and_decides_nothing(service: Service, firm: Firm) -> None:
    purchase = await firm.ask_for()
    card = (await firm.cards(purchase))[0]

    await Slack(service).press(card, "approve", "stranger")
    told = await eventually(lambda: Slack(service).whispers("U0STRANGER", since=card["ts"]), bool)

    assert "not linked" in told[0]
    assert await decisions(purchase) == 0
    (entry,) = await AuditEntry.filter(account_id=firm.account_id, target=purchase["id"])
    assert (entry.action, entry.after) == (
        "refuseSlackUser",
        {"org": TEAM_ID, "slackUser": "U0STRANGER", "pressed": "approve"},
    )


# A user who is linked in one workspace presses in another; enterprises; ids of one and of the other.


@pytest.mark.parametrize(
    ("where", "linked"),
    [
        ({"team_id": "T0ANOTHER1"}, None),
        ({"enterprise_id": "E0ANOTHER1"}, None),
        # Known there as well, but the account's messages do not go there.
        ({"team_id": "T0ANOTHER1"}, ("T0ANOTHER1", SLACK_IDS["approver"])),
        ({"team_id": "T0ANOTHER1", "enterprise_id": "E0ANOTHER1"}, ("E0ANOTHER1", SLACK_IDS["approver"])),
        ({"user": "W0APPROVER"}, ("E0ANOTHER1", "W0APPROVER")),
    ],
)
async def test_a_link_counts_in_its_own_workspace_or_enterprise_alone(
    service: Service, firm: Firm, where: dict[str, str], linked: tuple[str, str] | None
) -> None:
    purchase = await firm.ask_for()
    card = (await firm.cards(purchase))[0]
    approver = service.demo.users["approver"]
    link = await SlackLink.create(team_id=linked[0], slack_user_id=linked[1], user_id=approver) if linked else None

    fields = {"by": "approver"} | ({"by": where["user"]} if "user" in where else where)
    pressed_there = await Slack(service).press(card, "approve", **fields)
    await eventually(lambda: OutboxMessage.filter(job="slack.done").count(), lambda left: left == 0)

    assert pressed_there["status"] == 200
    assert await decisions(purchase) == 0
    if link:
        await link.delete()


async def test_in_its_enterprise_a_workspaces_people_are_the_enterprises(service: Service, firm: Firm) -> None:
    purchase = await firm.ask_for()
    card = (await firm.cards(purchase))[0]
    link = await SlackLink.create(
        team_id="E0SANDBOX1", slack_user_id="W0APPROVER", user_id=service.demo.users["approver"]
    )

    await Slack(service).press(card, "approve", "W0APPROVER", enterprise_id="E0SANDBOX1")
    await eventually(lambda: decisions(purchase), lambda count: count == 1)

    assert (await firm.state_of(purchase))["status"] == "AWAITING_PAYMENT"
    await link.delete()


# A button's value carries another account's request.


@asynccontextmanager
async def connected(service: Service, account_id: str) -> AsyncIterator[Workspace]:
    """The account has the sandbox's second workspace."""
    installed = Installed(
        workspace=Workspace(id=LUMEN.id, org=LUMEN.id, token=LUMEN.token), name=LUMEN.name, by="U0LUMENLEA"
    )
    (owner,) = await owners_of(account_id)
    actor = Actor(kind=ActorKind.USER, id=owner)
    await connect(service.shared.messenger.workspaces, actor, account_id, installed)
    await Slack(service).state(team=LUMEN.id, installed=True)
    try:
        yield installed.workspace
    finally:
        await SlackConnection.filter(account_id=account_id).delete()
        await SlackLink.filter(team_id=LUMEN.id).delete()
        await Slack(service).state(team=LUMEN.id, installed=True)


async def test_a_request_of_an_account_that_the_workspace_does_not_serve_is_not_there(
    service: Service, firm: Firm
) -> None:
    purchase = await firm.ask_for()
    async with connected(service, firm.account_id):
        since = f"{time.time():.6f}"
        await done_with(await send(service, form(pressed(value=value_of(purchase)))))

    (told,) = await Slack(service).whispers("approver", since=since)
    assert "There is nothing with this id here" in told
    assert await decisions(purchase) == 0


@pytest.mark.parametrize("value", ["", ":", "apr_01", "apr_01:x", "apr_01:1", "pur_01:1:1", "' or 1=1 --:1", "é" * 900])
async def test_a_value_that_is_no_request_is_refused_with_words(service: Service, value: str) -> None:
    since = f"{time.time():.6f}"

    await done_with(await send(service, form(pressed(value=value))))

    (told,) = await Slack(service).whispers("approver", since=since)
    assert "There is nothing with this id here" in told


# The approver is the requester, also through a second linked user of Slack; or an owner who is not named.


@pytest.mark.parametrize("by", [SLACK_IDS["approver"], SECOND])
async def test_nobody_decides_their_own_request_by_whichever_user_of_slack(
    service: Service, firm: Firm, by: str
) -> None:
    approver = service.demo.users["approver"]
    link = await SlackLink.create(team_id=TEAM_ID, slack_user_id=SECOND, user_id=approver)
    purchase = await firm.ask_for(by="approver")
    (card,) = await firm.cards(purchase, 1)

    await Slack(service).press(card, "approve", by)
    told = await eventually(lambda: Slack(service).whispers(by, since=card["ts"]), bool)

    await link.delete()
    assert "You asked for this purchase yourself" in told[0]
    assert await decisions(purchase) == 0
    (entry,) = await AuditEntry.filter(account_id=firm.account_id, target=purchase["id"])
    assert (entry.action, entry.actor_id, entry.after) == (
        "approvePurchase",
        approver,
        {"refused": "SELF_APPROVAL", "via": "SLACK"},
    )


# The approver lost the role after the message was posted.


@pytest.mark.parametrize("lost", ["membership", "name in the request"])
async def test_who_may_decide_is_looked_up_when_they_press(service: Service, firm: Firm, lost: str) -> None:
    purchase = await firm.ask_for()
    card = (await firm.cards(purchase))[0]
    approver = service.demo.users["approver"]
    if lost == "membership":
        await Membership.filter(account_id=firm.account_id, user_id=approver).delete()
    else:
        rest = [service.demo.users["deputy"]]
        await Approval.filter(id=purchase["approval"]["id"]).update(approver_ids=rest)

    await Slack(service).press(card, "approve", "approver", force=True)
    told = await eventually(lambda: Slack(service).whispers("approver", since=card["ts"]), bool)

    assert "does not name you" in told[0]
    assert await decisions(purchase) == 0


# Two clicks, two approvers at once, yes and no together.


async def test_of_all_who_press_at_once_one_decides_and_the_others_are_told_who_did(
    service: Service, firm: Firm
) -> None:
    purchase = await firm.ask_for()
    value, since = value_of(purchase), f"{time.time():.6f}"
    deputy = {"id": SLACK_IDS["deputy"]}
    bodies = [
        form(pressed(value=value)),
        form(pressed(value=value, by="deputy")),
        form(submitted(value, user=deputy)),
        form(submitted(value)),
    ]

    await done_with(*await asyncio.gather(*(send(service, body) for body in bodies)))

    slack = Slack(service)
    told = [*await slack.whispers("approver", since=since), *await slack.whispers("deputy", since=since)]
    assert await decisions(purchase) == 1
    assert all(each.startswith("This was ") and " by " in each for each in told)
    assert {word for each in told for word in ("Abel Approver", "Dana Deputy") if word in each} == {
        "Abel Approver" if " by Abel " in told[0] else "Dana Deputy"
    }
    assert len(told) == 3


# A stale button: expired, canceled, paid; a request that has changed since.


async def expire(firm: Firm, purchase: dict[str, Any]) -> None:
    await Approval.filter(id=purchase["approval"]["id"]).update(expires_at=await now())


async def cancel(firm: Firm, purchase: dict[str, Any]) -> None:
    canceling = "mutation ($id: ID!) { cancelPurchase(input: {purchaseId: $id}) { purchase { status } } }"
    await firm.service.gql(canceling, "member", id=purchase["id"])


async def pay(firm: Firm, purchase: dict[str, Any]) -> None:
    await firm.service.gql(APPROVE, "deputy", id=purchase["id"])
    state = await eventually(lambda: firm.state_of(purchase), lambda seen: bool(seen["checkoutUrl"]))
    await firm.service.pay(state["checkoutUrl"])


async def change(firm: Firm, purchase: dict[str, Any]) -> None:
    await Approval.filter(id=purchase["approval"]["id"]).update(version=2)


@pytest.mark.parametrize(
    ("happened", "told"),
    [
        (expire, "Nobody decided in time"),
        (cancel, "This was canceled"),
        (pay, "by Dana Deputy"),
        (change, "has changed since"),
    ],
)
async def test_a_stale_button_is_refused_with_what_has_become_of_it(
    service: Service, firm: Firm, happened: Callable[[Firm, dict[str, Any]], Awaitable[None]], told: str
) -> None:
    purchase = await firm.ask_for()
    await happened(firm, purchase)
    before, status = await decisions(purchase), (await Purchase.get(id=purchase["id"])).status
    since = f"{time.time():.6f}"

    await done_with(await send(service, form(pressed(value=value_of(purchase)))))

    (whisper,) = await Slack(service).whispers("approver", since=since)
    assert told in whisper
    assert await decisions(purchase) == before
    assert (await Purchase.get(id=purchase["id"])).status == status


# chat.update fails.


async def test_when_a_card_cannot_be_edited_the_decision_stands_and_the_card_follows(
    service: Service, firm: Firm
) -> None:
    purchase = await firm.ask_for()
    cards = await firm.cards(purchase)
    await Slack(service).fault("chat.update", next=2, status=500)

    await Slack(service).press(cards[0], "approve", "approver")

    await eventually(lambda: decisions(purchase), lambda count: count == 1)
    edited = await eventually(
        lambda: firm.cards(purchase), lambda seen: all("approved by Abel" in card["text"] for card in seen), within_s=60
    )
    assert len(edited) == len(cards)


# A post whose answer was lost; Retry-After; and what is gone for good. (Channels, threads and the SDK's own retries
# have tests in tests/app/gateways, how fast a channel takes messages in tests/credits/chat.)


@dataclass(frozen=True, slots=True)
class Told:
    """A card for a channel, and for a person where there is none."""

    service: Service
    firm: Firm

    async def tell(self, channel: str | None = "#approvals", occasion: str = "1") -> None:
        audience = Audience(channel=channel, user_ids=[self.service.demo.users["approver"]])
        about = About(
            account_id=self.firm.account_id,
            subject=f"news:{self.firm.account_id}",
            occasion=f"news:{self.firm.account_id}:{occasion}",
        )
        await self.service.shared.messenger.tell(audience, Card(summary="News"), about)

    async def turned_away(self) -> float:
        """After how many seconds to come again."""
        with pytest.raises(GatewayUnavailable) as unavailable:
            await self.tell("#credits")
        assert unavailable.value.retry_after_s is not None
        return unavailable.value.retry_after_s

    async def posted(self) -> list[Posted]:
        return await Slack(self.service).messages(f"news:{self.firm.account_id}:")

    async def lost(self) -> list[Posted]:
        """What the platform's own staff was told."""
        return await Slack(self.service).messages(f"operators:lost:{self.firm.account_id}:")

    async def mails_to(self, user_id: str, subject: str) -> int:
        """How many that begin so lie in the person's mailbox, of this account's."""
        sent = await ChatMessage.filter(account_id=self.firm.account_id, user_id=user_id, channel=None)
        response = await self.service.http.get(
            "/sandbox/mail/messages", params={"to": (await User.get(id=user_id)).email}
        )
        ids = {each.id for each in sent}
        return sum(
            mail["subject"].startswith(subject) and mail["message_id"].strip("<>").partition("@")[0] in ids
            for mail in response.json()
        )


@pytest.fixture
def told(service: Service, firm: Firm) -> Told:
    return Told(service, firm)


@pytest.mark.parametrize("status", [500, 0])
async def test_what_may_have_been_posted_is_looked_for_before_it_is_posted_again(told: Told, status: int) -> None:
    await Slack(told.service).fault("chat.postMessage", next=1, status=status, after=True)

    with pytest.raises(GatewayUnavailable):
        await told.tell()
    await told.tell()
    await told.tell()

    assert [message["text"] for message in await told.posted()] == ["News"]


async def test_while_what_was_posted_cannot_be_looked_for_nothing_is_posted_again(told: Told) -> None:
    await Slack(told.service).fault("chat.postMessage", next=1, status=500, after=True)
    await Slack(told.service).fault("conversations.history", next=2, status=503)

    for _ in range(2):
        with pytest.raises(GatewayUnavailable):
            await told.tell()

    assert len(await told.posted()) == 1


# 429, 5xx, and what is gone for good: a channel, a token, the app.


async def test_who_is_asked_to_wait_comes_again_then_and_not_before(told: Told) -> None:
    await Slack(told.service).fault("chat.postMessage", next=1, status=429, retry_after_s=600)

    asked_to_wait = [await told.turned_away() for _ in range(2)]
    await told.tell(channel="#operators", occasion="elsewhere")  # others do not wait
    posted_meanwhile = await told.posted()
    await get_connection("default").execute_query("UPDATE chat_paces SET free_at = now() WHERE channel = '#credits'")
    await told.tell("#credits")

    assert asked_to_wait[0] == 600 >= asked_to_wait[1] > 300
    assert [message["channel"] for message in posted_meanwhile] == ["C0OPERATOR"]
    assert [message["channel"] for message in await told.posted()] == ["C0OPERATOR", "C0CREDITS1"]


@pytest.mark.parametrize("gone", ["archived", "left", "deleted"])
async def test_of_a_channel_that_is_gone_people_are_told_one_by_one_and_the_owner_once(told: Told, gone: str) -> None:
    (owner,) = await owners_of(told.firm.account_id)
    slack = Slack(told.service)
    await slack.state(channel="#credits", gone=gone)
    try:
        await told.tell(channel="#credits", occasion="1")
        await told.tell(channel="#credits", occasion="2")
    finally:
        await slack.state(channel="#credits", gone=None)

    assert [message["channel"] for message in await told.posted()] == ["D0APPROVER"] * 2
    assert await told.mails_to(owner, "Messages for the channel #credits do not get there") == 1
    (notice,) = await eventually(told.lost, bool)
    assert "#credits" in notice["text"]


@pytest.mark.parametrize("how", [{"revoked": True}, {"installed": False}], ids=["revoked", "uninstalled"])
async def test_of_a_workspace_that_is_gone_everybody_is_told_by_mail(told: Told, how: dict[str, bool]) -> None:
    account_id, approver = told.firm.account_id, told.service.demo.users["approver"]
    (owner,) = await owners_of(account_id)
    async with connected(told.service, account_id):
        await told.tell(channel="#lumen-credits", occasion="before")
        await Slack(told.service).state(team=LUMEN.id, **how)
        if "installed" in how:
            await eventually(lambda: SlackConnection.exists(account_id=account_id, revoked_at=None), lambda on: not on)
        await told.tell(channel="#lumen-credits", occasion="1")
        await told.tell(channel="#lumen-credits", occasion="2")

        assert not await SlackConnection.exists(account_id=account_id, revoked_at=None)

    assert [message["channel"] for message in await told.posted()] == ["C0LUMENCRE"]
    assert await told.mails_to(approver, "News") == 2
    # The owner once, however we learned of it.
    assert await eventually(lambda: told.mails_to(owner, "Our messages do not reach Lumen Partners"), bool) == 1


# url_verification, ssl_check, an unknown type, 1 MB of payload, payload not JSON, missing actions.


async def test_what_is_only_a_check_is_answered_as_slack_wants_it(service: Service) -> None:
    verification = json_body({"type": "url_verification", "token": "deprecated", "challenge": "3eZbrw1aB10"})

    echoed = await send(service, verification, "events")
    unsigned = await service.http.post("/slack/events", content=verification)
    certificate = await service.http.post("/slack/commands", content=b"ssl_check=1&token=deprecated")

    assert (echoed.status_code, echoed.json()) == (200, {"challenge": "3eZbrw1aB10"})
    assert unsigned.status_code == 401
    assert (certificate.status_code, certificate.content) == (200, b"")


@pytest.mark.parametrize(
    "body",
    [
        form(pressed(type="shortcut")),
        form({"type": "view_closed"}),
        form({"type": "block_suggestion"}),
        form({}),
        json_body({"type": "app_rate_limited"}),
        json_body(event("message", text="Hello")),
    ],
)
async def test_what_is_of_an_unknown_type_is_taken_and_left_at_that(service: Service, body: bytes) -> None:
    before = await InboxEvent.filter(source="slack").count()

    answer = await send(service, body)

    assert (answer.status_code, answer.content) == (200, b"")
    assert await InboxEvent.filter(source="slack").count() == before


async def test_a_megabyte_is_larger_than_anything_that_slack_sends(service: Service) -> None:
    assert (await send(service, form(pressed(padding="x" * 1_000_000)))).status_code == 413


def _view(**changes: object) -> dict[str, Any]:
    return {**submitted()["view"], **changes}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload=",
        b"payload={",
        b"payload=null",
        b"payload=[]",
        b"payload=1",
        b"other=1",
        b"null",
        b"{",
        b"payload=" + b"[" * 100_000,
        form(pressed(actions=[])),
        form(pressed(actions=None)),
        form(pressed(actions={})),
        form(pressed(actions=["approve"])),
        form(pressed(actions=[{"action_id": "approve"}])),
        form(pressed(actions=[{"action_id": 1, "action_ts": "2.000002"}])),
        form(pressed(actions=[{"action_id": "approve", "action_ts": "2.000002", "value": 1}])),
        form(pressed(actions=[{"action_id": "approve", "action_ts": "2.000002", "value": "a\0"}])),
        form(pressed(user=None)),
        form(pressed(team=None)),
        form(pressed(container={"type": "message"})),
        form({"type": "block_actions"}),
        form(submitted(view=None)),
        form(submitted(view=_view(private_metadata="{"))),
        form(submitted(view=_view(private_metadata="[]"))),
        form(submitted(view=_view(state={"values": []}))),
        form(submitted(view=_view(state={"values": {"typed": {"typed": "Too dear"}}}))),
        form(submitted(text="\ud800")),
        urlencode({"command": "/credits"}).encode(),
        json_body({"type": "event_callback"}),
        json_body(event("app_home_opened", tab="home")),
        json_body(event("tokens_revoked", tokens=[])),
        json_body({**event("app_uninstalled"), "team_id": None}),
    ],
)
async def test_what_is_signed_and_has_no_shape_of_slacks_is_refused(service: Service, body: bytes) -> None:
    before = await InboxEvent.filter(source="slack").count()

    answer = await send(service, body)

    assert answer.status_code == 400
    assert await InboxEvent.filter(source="slack").count() == before


# An answer to one person is not found again by looking: whoever dies after giving it gives it no second time.


async def test_who_was_answered_is_not_answered_again_by_the_next_worker(service: Service) -> None:
    payload, since = pressed(by="U0STRANGER"), f"{time.time():.6f}"
    body = form(payload)
    await done_with(await send(service, body))
    taken = await InboxEvent.get(event_id=key_of(payload))

    await _do_again(taken.payload)

    assert taken.outcome == "answered"
    assert len(await Slack(service).whispers("U0STRANGER", since=since)) == 1


async def test_who_could_not_be_answered_yet_is_answered_later(service: Service) -> None:
    await Slack(service).fault("chat.postEphemeral", next=1, status=429, retry_after_s=0)
    since = f"{time.time():.6f}"

    await done_with(await send(service, form(pressed(by="U0STRANGER"))))

    assert len(await Slack(service).whispers("U0STRANGER", since=since)) == 1


async def _do_again(payload: dict[str, object]) -> None:
    """As if the worker had died before it could say that the work was done."""
    await get_connection("default").execute_query(
        "INSERT INTO outbox (id, account_id, queue, job, payload, created_at, due_at, attempts)"
        " VALUES ($1, '', 'approvals', 'slack.done', $2, credits_now(), credits_now(), 0)",
        [f"obx_{uuid4().hex[:26]}", json.dumps(payload)],
    )
    await eventually(lambda: OutboxMessage.filter(job="slack.done").count(), lambda left: left == 0)
