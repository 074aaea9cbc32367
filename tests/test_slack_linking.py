"""Who a user of Slack is: by an address that both sides have verified, once, or by a ticket that works once."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from app.auth import tickets_of
from app.sandbox.slack_people import LUMEN, SLACK_IDS, TEAM_ID
from credits.accounts.models import AccountRole, Identity, Membership, SlackLink
from credits.accounts.service import add_membership
from credits.actors import Actor, ActorKind
from credits.chat.linking import unlink
from credits.chat.models import ChatMessage, SlackConnection
from credits.chat.workspaces import connect
from credits.gateways.chat import Installed, Workspace
from credits.inbox import InboxEvent
from credits.ledger.queries import now
from tests.support.service import Service
from tests.support.slack import Slack, eventually, lapsed

LINK = """mutation ($shown: String!) { done: linkSlackUser(input: {token: $shown}) {
  user { id slackLinked } userErrors { code message field } } }"""
LINKED = "{ viewer { user { slackLinked } } }"
HELP = "help"


@pytest.fixture(autouse=True)
async def as_before(service: Service) -> AsyncIterator[None]:
    """Afterwards Slack knows whom it knew, and whom it was to know once it may know anew."""
    yield
    await InboxEvent.filter(source="slack.known").delete()
    await SlackLink.filter(team_id=TEAM_ID, slack_user_id="U0STRANGER").delete()
    await SlackLink.filter(team_id=LUMEN.id).delete()
    await SlackConnection.filter(team_id=LUMEN.id).delete()
    for name, slack_user_id in SLACK_IDS.items():
        await SlackLink.update_or_create(
            {"user_id": service.demo.users[name]}, team_id=TEAM_ID, slack_user_id=slack_user_id
        )


async def linked(slack_user_id: str, team_id: str = TEAM_ID) -> str | None:
    """The person whom this user is."""
    row = await SlackLink.get_or_none(team_id=team_id, slack_user_id=slack_user_id)
    return str(row.__dict__["user_id"]) if row else None


async def asked_who(service: Service, name: str, slack_user_id: str) -> str:
    """What somebody does whom nobody knows; the address of the button that they get for it."""
    since = f"{time.time():.6f}"
    await Slack(service).command(name, HELP)

    async def told() -> list[dict[str, Any]]:
        found = (await service.http.get("/sandbox/slack/messages")).json()
        return [each for each in found if each["user"] == slack_user_id and each["ts"] > since]

    (message,) = await eventually(told, bool)
    assert "not linked" in message["text"]
    urls = [each["url"] for block in message["blocks"] if block["type"] == "actions" for each in block["elements"]]
    return str(urls[0])


def token_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["token"][0]


async def settle() -> None:
    async def at_work() -> int:
        rows = await get_connection("default").execute_query_dict("SELECT 1 FROM outbox WHERE job = 'slack.done'")
        return len(rows)

    await eventually(at_work, lambda left: left == 0)


async def test_an_address_that_both_sides_have_verified_links_once(service: Service) -> None:
    approver, user = service.demo.users["approver"], SLACK_IDS["approver"]
    await service.gql(LINKED, "approver")  # signs in: the address is theirs here
    await SlackLink.filter(slack_user_id=user).delete()

    await Slack(service).command("approver", HELP)
    await eventually(lambda: linked(user), lambda found: found == approver)
    await unlink("approver@demo.example", how="a test")
    address = await asked_who(service, "approver", user)

    assert await linked(user) is None
    assert address.startswith(f"{service.settings.url}/slack/link?token=")


@pytest.mark.parametrize("never", ["signed in here", "belonged to an account of the workspace"])
async def test_an_address_alone_links_nobody_who(service: Service, never: str) -> None:
    user_id, lumens_una = service.demo.users["other_owner"], "U0LUMENUNA"
    await service.gql(LINKED, "other_owner")
    place = await service.account()
    await _connect(service, place.account_id)
    identities = await Identity.filter(user_id=user_id)
    if never == "signed in here":
        await _join(place.account_id, user_id)
        await Identity.filter(user_id=user_id).delete()

    await asked_who(service, "lumen_una", lumens_una)

    assert await linked(lumens_una, LUMEN.id) is None
    await Identity.bulk_create(identities, ignore_conflicts=True)


async def _connect(service: Service, account_id: str) -> None:
    workspace = Workspace(id=LUMEN.id, org=LUMEN.id, token=LUMEN.token)
    installed = Installed(workspace=workspace, name=LUMEN.name, by="U0LUMENLEA")
    actor = Actor(kind=ActorKind.USER, id=service.demo.users["other_owner"])
    await connect(service.shared.messenger.workspaces, actor, account_id, installed)


async def _join(account_id: str, user_id: str) -> None:
    at = await now()
    async with in_transaction() as connection:
        await add_membership(connection, account_id=account_id, user_id=user_id, role=AccountRole.MEMBER, at=at)


async def test_a_ticket_links_whoever_shows_it_here_with_whoever_got_it_there(service: Service) -> None:
    token = await service.owner_token((await service.account()).account_id)
    before = (await service.gql(LINKED, token)).data["viewer"]["user"]["slackLinked"]
    address = await asked_who(service, "stranger", "U0STRANGER")

    done, again = [(await service.gql(LINK, token, shown=token_of(address))).data["done"] for _ in range(2)]

    assert (before, done["user"]["slackLinked"], done["userErrors"]) == (False, True, [])
    assert await linked("U0STRANGER") == done["user"]["id"]
    (error,) = again["userErrors"]
    assert (error["code"], error["field"], "used already" in error["message"]) == ("INVALID", ["token"], True)
    # They learn of it where whoever is in Slack does not read it.
    about = f"linked:{done['user']['id']}"
    (mail,) = await eventually(lambda: ChatMessage.filter(subject=about, ts__not_isnull=True), bool)
    assert (mail.channel, mail.recipient) == (None, done["user"]["id"])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lapsed, "has expired"),
        (lambda token: token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), "not one of ours"),
        (lambda _: "nonsenß..", "not one of ours"),
        (lambda _: "", "not one of ours"),
    ],
    ids=["expired", "tampered", "nonsense", "empty"],
)
async def test_another_ticket_links_nobody_and_says_what_to_do(
    service: Service, spoil: Callable[[str], str], told: str
) -> None:
    made = tickets_of(service.settings).link_address(team_id=TEAM_ID, org=TEAM_ID, chat_user_id="U0STRANGER")

    answer = await service.gql(LINK, "member", shown=spoil(token_of(made)))

    (error,) = answer.data["done"]["userErrors"]
    assert (error["code"], told in error["message"], "once more" in error["message"]) == ("INVALID", True, True)
    assert await linked("U0STRANGER") is None


async def test_a_ticket_to_connect_a_workspace_links_nobody(service: Service) -> None:
    url, _ = tickets_of(service.settings).install_address(service.demo.users["owner"], service.demo.accounts["demo"])

    answer = await service.gql(LINK, "member", shown=parse_qs(urlsplit(url).query)["state"][0])

    assert [error["code"] for error in answer.data["done"]["userErrors"]] == ["INVALID"]


async def test_in_the_sandbox_the_page_lets_one_choose(service: Service) -> None:
    made = tickets_of(service.settings).link_address(team_id=TEAM_ID, org=TEAM_ID, chat_user_id="U0STRANGER")
    person = service.demo.users["member"]

    asked = await service.http.get(made)
    done = await service.http.post("/slack/link", data={"token": token_of(made), "person": person})
    again = await service.http.post("/slack/link", data={"token": token_of(made), "person": person})

    assert f'value="{person}">Milo Member' in asked.text
    assert "You are Milo Member in Slack now" in done.text
    assert (again.status_code, "used already" in again.text) == (403, True)
    assert await linked("U0STRANGER") == person


async def test_whose_button_opens_the_page_is_not_asked_again(service: Service) -> None:
    await asked_who(service, "stranger", "U0STRANGER")
    (card,) = [
        each for each in (await service.http.get("/sandbox/slack/messages")).json() if each["user"] == "U0STRANGER"
    ][-1:]

    await Slack(service).press(card, "link_account", "stranger")
    await settle()

    assert await Slack(service).whispers("stranger", since=card["ts"]) == []


async def test_who_opens_the_apps_home_unknown_is_asked_there(service: Service) -> None:
    await Slack(service).home("stranger")

    views = await eventually(lambda: Slack(service).views("stranger"), bool)

    assert "Link my account" in str(views[0]["view"]["blocks"])


@pytest.mark.parametrize(
    ("linked_in", "connected", "known"),
    [
        (TEAM_ID, False, True),
        (LUMEN.id, False, False),
        (LUMEN.id, True, True),
        # Their account's messages go elsewhere.
        (TEAM_ID, True, False),
    ],
)
async def test_who_is_known_is_known_where_their_account_is(
    service: Service, linked_in: str, connected: bool, known: bool
) -> None:
    place = await service.account()
    membership = await Membership.get(account_id=place.account_id)
    await SlackLink.create(team_id=linked_in, slack_user_id="U0STRANGER", user_id=membership.__dict__["user_id"])
    if connected:
        await _connect(service, place.account_id)

    answer = await service.gql(LINKED, await service.owner_token(place.account_id))

    assert answer.data["viewer"]["user"]["slackLinked"] is known
