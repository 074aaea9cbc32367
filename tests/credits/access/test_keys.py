"""API keys over HTTP and websocket: made once, good for what they were made for, and gone when they are revoked."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction
from websockets.exceptions import ConnectionClosed

from credits.access import changes
from credits.access.keys import MAX_KEYS, MAX_WALLETS
from credits.access.models import ApiKey
from credits.accounts.audit_log import AuditEntry
from credits.accounts.models import AccountRole, Membership
from credits.accounts.rules import Place
from credits.accounts.service import add_membership, find_or_make_user
from credits.actors import SYSTEM
from credits.approvals.rules import PolicyView
from credits.approvals.service import set_policy
from tests.app.routes.support import BALANCE, PURCHASE, closed, token_for
from tests.schema.world import digest
from tests.support.service import Live, Service
from tests.support.slack import eventually

KEY = "id name prefix scopes wallets { id } createdAt lastUsedAt expiresAt revokedAt"
CREATE = f"""mutation ($input: CreateApiKeyInput!) {{ done: createApiKey(input: $input) {{ apiKey {{ {KEY} }} secret
  userErrors {{ code message field }} }} }}"""
REVOKE = "mutation ($id: ID!) { done: revokeApiKey(input: {id: $id}) { id userErrors { code } } }"
LIST = f"query ($id: ID!) {{ account(id: $id) {{ apiKeys {{ {KEY} }} }} }}"
NODE = f"query ($id: ID!) {{ node(id: $id) {{ ... on ApiKey {{ {KEY} }} }} }}"
READ = "query ($id: ID!) { wallet(id: $id) { id balance { available } } }"
BUY = """mutation ($id: ID!, $key: String!, $quantity: Int!) { done: purchaseCredits(input: {walletId: $id,
  packageCode: "STARTER", quantity: $quantity, idempotencyKey: $key}) { purchase { id status }
  userErrors { code } } }"""
APPROVE = """mutation ($id: ID!) { done: approvePurchase(input: {purchaseId: $id}) { purchase { status }
  userErrors { code } } }"""
WITHIN_S = 1.0


@pytest.fixture
async def place(service: Service) -> Place:
    """A fresh account with credits."""
    return await service.account(credits_given=100)


@pytest.fixture
async def owner(service: Service, place: Place) -> str:
    """Its owner's token."""
    return await service.owner_token(place.account_id)


async def make_key(service: Service, owner: str, place: Place, **changes: Any) -> dict[str, Any]:
    """What is answered to a key for reading and spending."""
    wanted = {"accountId": place.account_id, "name": "Nightly", "scopes": ["read", "spend"]} | changes
    done: dict[str, Any] = (await service.gql(CREATE, owner, input=wanted)).data["done"]
    return done


async def test_a_key_is_shown_once_and_listed_from_then_on(service: Service, place: Place, owner: str) -> None:
    expiry = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0)

    made = await make_key(
        service,
        owner,
        place,
        name=" Nightly ",
        scopes=["spend", "read", "read"],
        walletIds=[place.wallet_id, place.wallet_id],
        expiresAt=expiry.isoformat(),
    )
    listed = (await service.gql(LIST, owner, id=place.account_id)).data["account"]["apiKeys"]
    found = (await service.gql(NODE, owner, id=made["apiKey"]["id"])).data["node"]
    maker = (await service.gql("{ viewer { user { id } } }", owner)).data["viewer"]["user"]["id"]

    key = made["apiKey"]
    assert key["name"] == "Nightly"
    assert key["scopes"] == ["read", "spend"]
    assert key["wallets"] == [{"id": place.wallet_id}]
    assert datetime.fromisoformat(key["expiresAt"]) == expiry
    assert (key["lastUsedAt"], key["revokedAt"], made["userErrors"]) == (None, None, [])
    assert made["secret"].startswith(key["prefix"])
    assert len(made["secret"]) > len(key["prefix"]) + 30
    assert listed == [key]
    assert found == key
    assert (await ApiKey.get(id=key["id"])).made_by == maker
    (entry,) = await AuditEntry.filter(account_id=place.account_id, action="createApiKey")
    assert (entry.actor_id, entry.target) == (maker, key["id"])
    assert entry.after == {
        "name": "Nightly",
        "scopes": "read, spend",
        "walletIds": place.wallet_id,
        "expiresAt": expiry.isoformat(),
    }


async def test_no_secret_is_kept(service: Service, place: Place, owner: str) -> None:
    secret = (await make_key(service, owner, place))["secret"]

    rows = await get_connection("default").execute_query_dict(
        "SELECT api_keys::text AS row FROM api_keys UNION ALL SELECT audit_entries::text FROM audit_entries"
    )

    assert not [row for row in rows if secret in row["row"]]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": " "}, "name"),
    "a long name": ({"name": "n" * 201}, "name"),
    "no scope": ({"scopes": []}, "scopes"),
    "an unknown scope": ({"scopes": ["read", "everything"]}, "scopes"),
    "a scope in capitals": ({"scopes": ["READ"]}, "scopes"),
    "no wallet of those that it is for": ({"walletIds": []}, "walletIds"),
    "no id of a wallet": ({"walletIds": ["x"]}, "walletIds"),
    "expired already": ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
}


@pytest.mark.parametrize(("changes", "field"), REFUSED.values(), ids=REFUSED)
async def test_a_key_that_makes_no_sense_is_not_made(
    service: Service, place: Place, owner: str, changes: dict[str, Any], field: str
) -> None:
    await service.gql("{ viewer { operator } }", owner)
    async with service.workers.away():
        before = await digest()

        done = await make_key(service, owner, place, **changes)

        after = await digest()
    (error,) = done["userErrors"]
    assert (error["code"], error["field"]) == ("INVALID", [field])
    assert (done["apiKey"], done["secret"]) == (None, None)
    assert after == before


async def test_a_key_is_for_so_many_wallets_and_an_account_has_so_many_keys(
    service: Service, place: Place, owner: str
) -> None:
    too_many = await make_key(service, owner, place, walletIds=[place.wallet_id] * (MAX_WALLETS + 1))
    for _ in range(MAX_KEYS):
        await make_key(service, owner, place)
    one_more = await make_key(service, owner, place)

    assert too_many["userErrors"][0]["field"] == ["walletIds"]
    assert one_more["userErrors"][0]["message"] == f"An account has at most {MAX_KEYS} keys. Revoke one first."


@pytest.mark.parametrize("whose", ["another's", "the owner's other account's"])
async def test_a_key_is_for_wallets_of_its_account_only(service: Service, place: Place, owner: str, whose: str) -> None:
    other = await service.account()
    if whose != "another's":
        membership = await Membership.get(account_id=place.account_id)
        async with in_transaction() as connection:
            await add_membership(
                connection,
                account_id=other.account_id,
                user_id=membership.__dict__["user_id"],
                role=AccountRole.OWNER,
                at=datetime.now(UTC),
            )
    wanted = {"accountId": place.account_id, "name": "Nightly", "scopes": ["read"], "walletIds": [other.wallet_id]}

    answer = await service.gql(CREATE, owner, input=wanted)

    assert answer.codes == ["NOT_FOUND"]
    assert await ApiKey.filter(account_id=place.account_id).count() == 0


async def test_a_revoked_key_is_refused_at_once_and_stays_listed(service: Service, place: Place, owner: str) -> None:
    made, kept = [await make_key(service, owner, place) for _ in range(2)]
    key_id, secret = made["apiKey"]["id"], made["secret"]
    good = await service.gql(READ, secret, id=place.wallet_id)

    revoked = (await service.gql(REVOKE, owner, id=key_id)).data["done"]
    refused = [await service.gql(READ, secret, id=place.wallet_id) for _ in range(2)]
    again = (await service.gql(REVOKE, owner, id=key_id)).data["done"]
    listed = (await service.gql(LIST, owner, id=place.account_id)).data["account"]["apiKeys"]

    assert good.data["wallet"]["id"] == place.wallet_id
    assert revoked == again == {"id": key_id, "userErrors": []}
    assert [answer.status for answer in refused] == [401, 401]
    assert [(each["id"], each["revokedAt"] is None) for each in listed] == [
        (kept["apiKey"]["id"], True),
        (key_id, False),
    ]
    assert await AuditEntry.filter(account_id=place.account_id, action="revokeApiKey").count() == 1


async def test_a_revoked_key_hears_no_more_within_a_second(service: Service, place: Place, owner: str) -> None:
    made = await make_key(service, owner, place)

    async with service.live(made["secret"]) as live, service.live(owner) as other:
        for each in (live, other):
            await each.subscribe(BALANCE, wallet=place.wallet_id)
            await each.next()
        await service.gql(REVOKE, owner, id=made["apiKey"]["id"])

        assert await closed(live.socket, within_s=WITHIN_S) == (4403, "You may no longer see this")
        await service.give(place, 1)
        assert (await other.next())["balanceChanged"]["balance"]["available"] == 101


async def test_on_an_open_connection_a_revoked_key_begins_nothing_new(
    service: Service, place: Place, owner: str
) -> None:
    made = await make_key(service, owner, place)

    async with service.live(made["secret"]) as live:
        await service.gql(REVOKE, owner, id=made["apiKey"]["id"])
        await live.subscribe(BALANCE, wallet=place.wallet_id)
        code, reason = await closed(live.socket, within_s=WITHIN_S)

    assert (code, (reason or "")[:26]) == (4403, "This API key is not valid.")


async def _balance(live: Live, service: Service, place: Place, token: str) -> None:
    await live.subscribe(BALANCE, wallet=place.wallet_id)


async def _purchase(live: Live, service: Service, place: Place, token: str) -> None:
    bought = (await service.gql(BUY, token, id=place.wallet_id, key=uuid4().hex, quantity=1)).data["done"]["purchase"]
    await live.subscribe(PURCHASE, purchase=bought["id"])


@pytest.mark.parametrize("watch", [_balance, _purchase])
async def test_who_loses_their_role_hears_no_more_within_a_second(
    service: Service, place: Place, watch: Callable[[Live, Service, Place, str], Awaitable[None]]
) -> None:
    email = f"{uuid4().hex}@test.example"
    async with in_transaction() as connection:
        at = datetime.now(UTC)
        person = await find_or_make_user(connection, name="A member", email=email, at=at)
        await add_membership(connection, account_id=place.account_id, user_id=person.id, role=AccountRole.MEMBER, at=at)
    token = token_for(service, email)

    async with service.live(token) as live:
        await watch(live, service, place, token)
        await live.next()
        await Membership.filter(user_id=person.id).delete()
        await changes.told(service.shared.hub, account_id=place.account_id)

        with pytest.raises(ConnectionClosed, match="4403"):
            await live.receive(within_s=WITHIN_S)


async def test_the_last_use_is_noted_to_the_minute_and_written_beside_the_requests(
    service: Service, place: Place, owner: str
) -> None:
    made = await make_key(service, owner, place)
    row = ApiKey.filter(id=made["apiKey"]["id"])

    async def last_use() -> datetime | None:
        return (await row.get()).last_used_at

    await asyncio.gather(*(service.gql(READ, made["secret"], id=place.wallet_id) for _ in range(10)))
    first = await eventually(last_use, lambda at: at is not None)
    await service.gql(READ, made["secret"], id=place.wallet_id)
    same = await last_use()
    await row.update(last_used_at=datetime.now(UTC) - timedelta(minutes=2))
    await service.gql(READ, made["secret"], id=place.wallet_id)
    later = await eventually(last_use, lambda at: at is not None and first is not None and at > first)
    listed = (await service.gql(LIST, owner, id=place.account_id)).data["account"]["apiKeys"]

    assert same == first
    assert later
    assert datetime.fromisoformat(listed[0]["lastUsedAt"]) == later


@pytest.fixture
async def people(service: Service, place: Place) -> dict[str, tuple[str, str]]:
    """Two more owners: who they are, and their tokens."""
    found = {}
    async with in_transaction() as connection:
        for name in ("first", "second"):
            email, at = f"{name}.{uuid4().hex}@test.example", datetime.now(UTC)
            person = await find_or_make_user(connection, name=name, email=email, at=at)
            await add_membership(
                connection, account_id=place.account_id, user_id=person.id, role=AccountRole.OWNER, at=at
            )
            found[name] = (person.id, token_for(service, email))
    return found


@pytest.fixture
async def consent(place: Place, people: dict[str, tuple[str, str]]) -> None:
    """From 200 credits on one of the two consents."""
    wanted = PolicyView(
        id="",
        account_id=place.account_id,
        pool_id=None,
        minimum_credits=200,
        approver_ids=tuple(user_id for user_id, _ in people.values()),
        required_approvals=1,
        expires_after_hours=72,
        remind_after_hours=None,
        escalate_after_hours=None,
        escalate_to_ids=(),
        slack_channel=None,
    )
    await set_policy(SYSTEM, wanted, now=datetime.now(UTC))


@pytest.mark.usefixtures("consent")
async def test_what_a_key_buys_its_maker_does_not_approve(
    service: Service, place: Place, people: dict[str, tuple[str, str]]
) -> None:
    (_, maker), (_, other) = people["first"], people["second"]
    secret = (await make_key(service, maker, place, scopes=["purchase", "read"]))["secret"]
    waiting = "{ viewer { approvalsWaiting { purchase { id } } } }"

    bought = (await service.gql(BUY, secret, id=place.wallet_id, key=uuid4().hex, quantity=2)).data["done"]["purchase"]
    asked = [
        {"purchase": {"id": bought["id"]}} in (await service.gql(waiting, token)).data["viewer"]["approvalsWaiting"]
        for token in (maker, other)
    ]
    own = (await service.gql(APPROVE, maker, id=bought["id"])).data["done"]
    others = (await service.gql(APPROVE, other, id=bought["id"])).data["done"]

    assert bought["status"] == "PENDING_APPROVAL"
    assert asked == [False, True]
    assert own == {"purchase": None, "userErrors": [{"code": "SELF_APPROVAL"}]}
    assert others["userErrors"] == []


@pytest.mark.usefixtures("consent")
async def test_what_a_person_and_their_keys_buy_counts_together(
    service: Service, place: Place, people: dict[str, tuple[str, str]]
) -> None:
    _, maker = people["first"]
    _, other = people["second"]
    keys = [(await make_key(service, maker, place, scopes=["purchase"]))["secret"] for _ in range(2)]

    async def status(token: str) -> str:
        done = (await service.gql(BUY, token, id=place.wallet_id, key=uuid4().hex, quantity=1)).data["done"]
        found: str = done["purchase"]["status"]
        return found

    by_a_key, by_another_person = await status(keys[0]), await status(other)
    by_the_other_key, by_the_maker = await status(keys[1]), await status(maker)

    assert (by_a_key, by_another_person) == ("AWAITING_PAYMENT", "AWAITING_PAYMENT")
    assert (by_the_other_key, by_the_maker) == ("PENDING_APPROVAL", "PENDING_APPROVAL")


MANY = """mutation ($id: ID!, $key: String!, $for: ID) { done: deductCreditsMany(input: {deductions: [{walletId: $id,
  stagingType: "BASIC_ROOM", idempotencyKey: $key, onBehalfOf: $for}]}) { results {
  transaction { id } userErrors { code field } } userErrors { code field } } }"""
HOLD = """mutation ($id: ID!, $key: String!, $for: ID) { done: placeHold(input: {walletId: $id, idempotencyKey: $key,
  items: [{stagingType: "BASIC_ROOM"}], onBehalfOf: $for}) { hold { id }
  userErrors { code field } } }"""


@pytest.mark.parametrize("by", ["a key", "the service"])
@pytest.mark.parametrize("document", [MANY, HOLD], ids=["many", "hold"])
async def test_keys_and_the_service_act_for_members_who_may_spend_there(
    service: Service, place: Place, owner: str, by: str, document: str
) -> None:
    token = (await make_key(service, owner, place))["secret"] if by == "a key" else "service"
    member = (await service.gql("{ viewer { user { id } } }", owner)).data["viewer"]["user"]["id"]

    done = (await service.gql(document, token, id=place.wallet_id, key=uuid4().hex, **{"for": member})).data["done"]
    strangers = {"for": service.demo.users["member"]}
    async with service.workers.away():
        before = await digest()
        refused = (await service.gql(document, token, id=place.wallet_id, key=uuid4().hex, **strangers)).data["done"]
        after = await digest()

    table = "holds" if document is HOLD else "transactions"
    kept = await get_connection("default").execute_query_dict(
        f"SELECT on_behalf_of FROM {table} WHERE wallet_id = $1 ORDER BY created_at DESC LIMIT 1", [place.wallet_id]
    )
    assert "'userErrors': [{" not in str(done)
    assert kept == [{"on_behalf_of": member}]
    assert "'code': 'INVALID'" in str(refused)
    assert "onBehalfOf']" in str(refused)
    assert after == before
