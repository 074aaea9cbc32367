"""Slack connected to an account by OAuth, lost, connected again; nobody else's browser and nobody else's rights."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from app.auth import tickets_of
from app.parts import workspaces_of
from app.sandbox.slack_people import LUMEN, TEAM_ID
from credits.accounts.models import Account, AccountRole, Membership, SlackLink
from credits.accounts.queries import owners_of
from credits.accounts.service import add_membership
from credits.chat.messenger import About, Audience
from credits.chat.models import ChatMessage, SlackConnection
from credits.chat.workspaces import LEAVE_JOB, leave
from credits.gateways.cards import Card
from credits.gateways.chat import Workspace
from credits.gateways.errors import AccessRevoked
from credits.ledger.queries import now
from credits.outbox import OutboxMessage
from tests.support.service import Service, beside, settings_for
from tests.support.slack import Slack, eventually, lapsed
from tests.support.slack_inbound import event, json_body, signed

CONNECT = """mutation ($id: ID!) { done: connectSlack(input: {accountId: $id}) { url userErrors { code message } } }"""
DISCONNECT = """mutation ($id: ID!) { done: disconnectSlack(input: {accountId: $id}) {
  account { slack { team } } userErrors { code } } }"""
SHOWN = "query ($id: ID!) { account(id: $id) { slack { team channel installedAt } } }"


@dataclass(slots=True)
class Browser:
    """The owner's; they install the app as Una of the second workspace."""

    service: Service
    account_id: str
    http: httpx.AsyncClient

    async def begin(self) -> str:
        """Ask for an address and open it; where Slack sends the browser back to."""
        answer = await self.service.gql(CONNECT, "other_owner", id=self.account_id)
        begun = await self.http.get(answer.data["done"]["url"])
        assert begun.status_code == 303, begun.text
        return begun.headers["location"]

    async def at_slack(self, address: str, **more: str) -> str:
        """Agree there; the address to come back to."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        form = {"redirect_uri": query["redirect_uri"], "state": query["state"], "user": "lumen_una", "allow": "yes"}
        agreed = await self.http.post(address.partition("?")[0], data=form | more)
        assert agreed.status_code == 303, agreed.text
        return agreed.headers["location"]

    async def connect(self) -> httpx.Response:
        """All of it."""
        return await self.http.get(await self.at_slack(await self.begin()))

    async def disconnect(self) -> dict[str, Any]:
        """What the API answers, when the token has been given back, too."""
        answer = await self.service.gql(DISCONNECT, "other_owner", id=self.account_id)
        leaving = OutboxMessage.filter(account_id=self.account_id, job=LEAVE_JOB)
        await eventually(leaving.exists, lambda still: not still)
        done: dict[str, Any] = answer.data["done"]
        return done

    async def shown(self) -> Any:
        """What the API says."""
        return (await self.service.gql(SHOWN, "other_owner", id=self.account_id)).data["account"]["slack"]


@pytest.fixture
async def browser(service: Service) -> AsyncIterator[Browser]:
    """Of an owner of a fresh account, whose address Slack knows too. Afterwards nothing is connected."""
    place, at = await service.account(), await now()
    async with in_transaction() as connection:
        await add_membership(
            connection,
            account_id=place.account_id,
            user_id=service.demo.users["other_owner"],
            role=AccountRole.OWNER,
            at=at,
        )
    async with httpx.AsyncClient(base_url=service.settings.url, timeout=30, trust_env=False) as http:
        yield Browser(service, place.account_id, http)
    await SlackConnection.filter(account_id=place.account_id).delete()
    await SlackLink.filter(team_id=LUMEN.id).delete()
    await Slack(service).state(team=LUMEN.id, installed=True)


def _about(browser: Browser, occasion: str) -> About:
    subject = f"news:{browser.account_id}"
    return About(account_id=browser.account_id, subject=subject, occasion=f"{subject}:{occasion}")


async def test_an_account_connects_its_own_workspace_and_is_told_there(browser: Browser) -> None:
    assert await browser.shown() is None

    page = await browser.connect()
    audience = Audience(channel="#lumen-credits")
    await browser.service.shared.messenger.tell(audience, Card(summary="News"), _about(browser, "1"))

    assert (page.status_code, "in Lumen Partners now" in page.text) == (200, True)
    shown = await browser.shown()
    assert (shown["team"], shown["channel"]) == ("Lumen Partners", None)
    (message,) = await Slack(browser.service).messages(f"news:{browser.account_id}:")
    assert message["channel"] == "C0LUMENCRE"
    # Whoever installed it is who their address says, and known at once.
    link = await SlackLink.get(team_id=LUMEN.id, slack_user_id="U0LUMENUNA")
    assert link.__dict__["user_id"] == browser.service.demo.users["other_owner"]


async def test_the_token_stands_nowhere_in_the_database(browser: Browser) -> None:
    await browser.connect()

    connection = get_connection("default")
    tables = await connection.execute_query_dict("SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public'")
    found = []
    for name in (row["t"] for row in tables if not row["t"].startswith("sandbox_")):
        rows = await connection.execute_query_dict(
            f'SELECT count(*) AS n FROM "{name}" r WHERE r::text LIKE $1', [f"%{LUMEN.token}%"]
        )
        found += [name] if rows[0]["n"] else []
    assert found == []
    assert await SlackConnection.exists(account_id=browser.account_id)


Spoil = Callable[[Browser, str], Awaitable[str]]


async def _tampered(_: Browser, back: str) -> str:
    return back.replace("state=ey", "state=eY")


async def _of_another_kind(browser: Browser, back: str) -> str:
    url = tickets_of(browser.service.settings).install_address("usr_any", browser.account_id)[0]
    state = parse_qs(urlsplit(back).query)["state"][0]
    return back.replace(state, parse_qs(urlsplit(url).query)["state"][0])


async def _in_another_browser(browser: Browser, back: str) -> str:
    browser.http.cookies.clear()
    return back


async def _after_another_was_begun(browser: Browser, back: str) -> str:
    await browser.begin()
    return back


async def _without_rights(browser: Browser, back: str) -> str:
    user_id = browser.service.demo.users["other_owner"]
    await Membership.filter(account_id=browser.account_id, user_id=user_id).update(role=AccountRole.AUDITOR)
    return back


async def _with_a_code_of_nothing(_: Browser, back: str) -> str:
    return back.partition("code=")[0] + "code=none"


@pytest.mark.parametrize(
    ("spoil", "status", "told"),
    [
        (_tampered, 403, "not one of ours"),
        (_of_another_kind, 403, "not one of ours"),
        (_in_another_browser, 403, "another browser"),
        (_after_another_was_begun, 403, "another browser"),
        (_without_rights, 403, "no longer"),
        (_with_a_code_of_nothing, 502, "invalid_code"),
    ],
)
async def test_who_comes_back_otherwise_connects_nothing_and_is_told_what_to_do(
    browser: Browser, spoil: Spoil, status: int, told: str
) -> None:
    back = await spoil(browser, await browser.at_slack(await browser.begin()))

    page = await browser.http.get(back)

    assert (page.status_code, told in page.text) == (status, True), page.text
    assert "Begin anew" in page.text or "Ask one of its owners" in page.text
    assert not await SlackConnection.exists(account_id=browser.account_id)


async def test_who_says_no_at_slack_can_say_yes_after_all(browser: Browser) -> None:
    address = await browser.begin()

    refused = await browser.http.get(await browser.at_slack(address, allow=""))
    agreed = await browser.http.get(await browser.at_slack(address))

    assert "access_denied" in refused.text
    assert "in Lumen Partners now" in agreed.text


async def test_an_address_connects_once(browser: Browser) -> None:
    address = await browser.begin()
    cookies = dict(browser.http.cookies)
    back = await browser.at_slack(address)
    await browser.http.get(back)
    await browser.disconnect()

    pages = []
    for again in (back, await browser.at_slack(address)):
        browser.http.cookies.update(cookies)
        pages.append(await browser.http.get(again))

    assert [("used already" in page.text, page.status_code) for page in pages] == [(True, 403)] * 2
    assert await browser.shown() is None


async def test_an_address_is_good_for_ten_minutes(browser: Browser) -> None:
    url, until = tickets_of(browser.service.settings).install_address("usr_any", browser.account_id)
    late = lapsed(parse_qs(urlsplit(url).query)["state"][0])

    page = await browser.http.get(f"/slack/install?state={late}")

    assert timedelta(minutes=9) < until - datetime.now(UTC) <= timedelta(minutes=10)

    assert (page.status_code, "has expired" in page.text, "Begin anew" in page.text) == (403, True, True)


async def test_the_browser_is_marked_so_that_no_script_and_no_other_site_has_the_mark(browser: Browser) -> None:
    answer = await browser.service.gql(CONNECT, "other_owner", id=browser.account_id)

    begun = await browser.http.get(answer.data["done"]["url"])

    mark = begun.headers["set-cookie"].lower()
    assert all(word in mark for word in ("httponly", "samesite=lax", "path=/slack", "max-age=600"))


async def test_of_an_app_that_was_removed_owners_are_told_once_and_can_connect_again(browser: Browser) -> None:
    await browser.connect()
    owners = await owners_of(browser.account_id)

    async def told() -> list[str]:
        rows = await ChatMessage.filter(account_id=browser.account_id, subject=f"lost:{browser.account_id}")
        return sorted(str(row.user_id) for row in rows if row.ts)

    await Slack(browser.service).state(team=LUMEN.id, installed=False)  # two events tell of it
    await eventually(told, lambda people: len(people) >= len(owners))
    gone = await browser.shown()
    await browser.connect()

    assert gone is None
    assert (await browser.shown())["team"] == "Lumen Partners"
    assert await told() == sorted(owners)


async def test_a_removal_told_late_does_not_cut_what_is_connected_by_then(browser: Browser) -> None:
    await browser.connect()

    body = json_body({**event("app_uninstalled", event_id=f"Ev{uuid4().hex}"), "team_id": LUMEN.id})
    told = await browser.service.http.post("/slack/events", content=body, headers=signed(body))
    await eventually(OutboxMessage.filter(job="slack.done").exists, lambda still: not still)

    assert told.status_code == 200
    assert (await browser.shown())["team"] == "Lumen Partners"


async def test_who_disconnects_gives_the_token_back_unless_another_account_needs_it(browser: Browser) -> None:
    other = await browser.service.account()
    await browser.connect()
    shared = await SlackConnection.get(account_id=browser.account_id)
    shared.account_id = other.account_id
    await SlackConnection.bulk_create([shared])
    slack = browser.service.shared.messenger.chat.at(Workspace(id=LUMEN.id, org=LUMEN.id, token=LUMEN.token))

    await browser.disconnect()
    await slack.check()
    await SlackConnection.filter(account_id=other.account_id).delete()
    await browser.connect()
    await browser.disconnect()

    with pytest.raises(AccessRevoked, match="token_revoked"):
        await slack.check()


async def test_who_connects_another_workspace_parts_with_the_one_before(browser: Browser) -> None:
    await browser.connect()
    await SlackConnection.filter(account_id=browser.account_id).update(team_id="T0BEFORE01", org_id="T0BEFORE01")
    await Account.filter(id=browser.account_id).update(slack_channel="C0BEFORE01")

    async with browser.service.workers.away():
        await browser.connect()
        (leaving,) = await OutboxMessage.filter(account_id=browser.account_id, job=LEAVE_JOB)
    of_another = (await Account.get(id=browser.account_id)).slack_channel
    await Account.filter(id=browser.account_id).update(slack_channel="C0LUMENCRE")
    await browser.connect()

    assert (leaving.payload["team_id"], of_another) == ("T0BEFORE01", None)
    assert (await Account.get(id=browser.account_id)).slack_channel == "C0LUMENCRE"


async def test_the_workspace_of_the_settings_is_never_left(browser: Browser) -> None:
    messenger = browser.service.shared.messenger
    own = messenger.workspaces.own
    assert own
    sealed = messenger.workspaces.seal.closed(own.token)

    await leave(messenger.workspaces, messenger.chat, {"team_id": own.id, "org_id": own.org, "sealed_token": sealed})

    await messenger.chat.at(own).check()


async def test_what_is_not_connected_cannot_be_disconnected(browser: Browser) -> None:
    await browser.connect()

    first, second = [await browser.disconnect() for _ in range(2)]

    assert first == {"account": {"slack": None}, "userErrors": []}
    assert [error["code"] for error in second["userErrors"]] == ["WRONG_STATE"]


async def test_where_all_accounts_share_a_workspace_there_is_nothing_to_connect(browser: Browser) -> None:
    async with beside(browser.service) as deployed:  # no client id, and no sandbox
        answer = await deployed.gql(CONNECT, "other_owner", id=browser.account_id)

    (error,) = answer.data["done"]["userErrors"]
    assert (answer.data["done"]["url"], error["code"]) == (None, "WRONG_STATE")


@pytest.mark.parametrize("client_id", ["", "123.456"])
async def test_the_settings_workspace_is_everybodys_or_the_platforms_alone(browser: Browser, client_id: str) -> None:
    key = SecretStr("k" * 43 + "=")
    settings = settings_for(
        8000,
        data_dir=browser.service.settings.data_dir,
        slack_bot_token=SecretStr("xoxb-own"),
        slack_team_id=TEAM_ID,
        **({"slack_client_id": client_id, "slack_client_secret": key, "slack_token_keys": (key,)} if client_id else {}),
    )

    workspaces = workspaces_of(settings)
    of_account, of_team = await workspaces.of_account(browser.account_id), await workspaces.of_team(TEAM_ID)

    assert of_team is not None
    assert of_account == (None if client_id else of_team)
    assert await workspaces.serves(browser.account_id, TEAM_ID) is (not client_id)
