"""An enterprise as its owners set it up, change it and take it apart, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from tortoise.connection import get_connection

from app.auth import token_rules
from credits.access import tokens
from credits.accounts import people
from credits.accounts.models import AccountRole
from credits.accounts.queries import account_places, department_places, pool_places
from credits.accounts.rules import Place
from credits.actors import SYSTEM, Actor, ActorKind
from credits.errors import Refusal, RefusalCode
from credits.ids import Kind, make_id
from credits.ledger.audit import broken
from credits.ledger.commands import Clawback, Freeze, Thaw
from credits.ledger.queries import balances, now
from tests.credits.ledger.test_disputes_posted import do
from tests.support.service import Service
from tests.test_holds import PLACE as PLACE_HOLD
from tests.test_holds import RELEASE
from tests.test_operations import OPERATIONS

SPEND = """mutation ($input: DeductCreditsInput!) { done: deductCredits(input: $input) { transaction { change }
  userErrors { code message } } }"""
BUY = """mutation ($input: PurchaseCreditsInput!) { done: purchaseCredits(input: $input) { purchase {
  id status checkoutUrl }
  userErrors { code } } }"""
PEOPLE = """query ($id: ID!) { account(id: $id) { members { nodes { role user { id email } } }
  pools { name administrators { id } departments { name members { id } } } approvalPolicies { approvers { id } } } }"""


class Enterprise:
    """A fresh one, its owner's token, and calls of the example operations in their name."""

    def __init__(self, service: Service, place: Place, token: str) -> None:
        self.service, self.place, self.token = service, place, token
        self.account_id = place.account_id

    async def call(self, name: str, /, *, token: str | None = None, **fields: Any) -> dict[str, Any]:
        """What the mutation of that example answers."""
        answer = await self.service.gql(OPERATIONS[name], token or self.token, input=fields)
        (payload,) = answer.data.values()
        found: dict[str, Any] = payload
        return found

    async def codes(self, name: str, /, **fields: Any) -> list[str]:
        """The codes of the refusals."""
        return [error["code"] for error in (await self.call(name, **fields))["userErrors"]]

    async def pool(self, name: str = "North") -> Place:
        """A pool of that name."""
        pool_id = (await self.call("create-pool", accountId=self.account_id, name=name))["pool"]["id"]
        return (await pool_places([pool_id]))[pool_id]

    async def department(self, pool: Place, name: str = "Sales") -> Place:
        """A department of that name."""
        made = await self.call("create-department", poolId=pool.pool_id, name=name)
        department_id: str = made["department"]["id"]
        return (await department_places([department_id]))[department_id]

    async def person(self, role: str = "MEMBER") -> tuple[str, str]:
        """The id and the token of somebody new."""
        email = f"{uuid4().hex}@test.example"
        made = await self.call("add-member", accountId=self.account_id, email=email, name="Somebody", role=role)
        assert made["userErrors"] == []
        token = tokens.sign(token_rules(self.service.settings), email=email, valid_for=timedelta(hours=1))
        return made["membership"]["user"]["id"], token

    async def log(self, *, token: str | None = None) -> list[dict[str, Any]]:
        """The audit log, oldest first."""
        answer = await self.service.gql(
            OPERATIONS["audit-log"], token or self.token, accountId=self.account_id, first=100
        )
        entries: list[dict[str, Any]] = answer.data["account"]["auditLog"]["nodes"]
        return entries[::-1]


@pytest.fixture
async def enterprise(service: Service) -> Enterprise:
    owner = {"ownerEmail": f"{uuid4().hex}@test.example", "ownerName": "Nora New", "timeZone": "America/New_York"}
    wanted = {"name": "New Realty", "kind": "ENTERPRISE", "idempotencyKey": uuid4().hex}
    made = (await service.gql(OPERATIONS["create-account"], "operator", input=wanted | owner)).data["createAccount"]
    account_id = made["account"]["id"]
    place = (await account_places([account_id]))[account_id]
    await service.give(place, 100)
    return Enterprise(service, place, await service.owner_token(account_id))


@pytest.fixture
async def moved_clock(service: Service) -> AsyncIterator[Any]:
    """Moves the service's clock to an instant; afterwards it shows real time again."""

    async def to(instant: datetime) -> None:
        seconds = int((instant - await now()).total_seconds())
        assert (await service.http.post("/sandbox/clock", json={"advance_s": seconds})).status_code == 200

    yield to
    await get_connection("default").execute_query("DELETE FROM clock_offset")


def spending(place: Place, **fields: Any) -> dict[str, Any]:
    return {"walletId": place.wallet_id, "stagingType": "BASIC_ROOM", "idempotencyKey": uuid4().hex} | fields


async def allocate(enterprise: Enterprise, source: Place, target: Place, credits_moved: int) -> None:
    ends = {"fromWalletId": source.wallet_id, "toWalletId": target.wallet_id}
    moved = await enterprise.call("allocate-credits", **ends, credits=credits_moved, idempotencyKey=uuid4().hex)
    assert moved["userErrors"] == []


async def credits_in(place: Place) -> int:
    return (await balances([place.wallet_id or ""]))[place.wallet_id or ""].credits


async def test_an_enterprise_is_set_up_spent_in_and_taken_apart(service: Service, enterprise: Enterprise) -> None:
    pool = await enterprise.pool()
    departments = [await enterprise.department(pool, name) for name in ("Sales", "Rentals", "Offices")]
    admin, admin_token = await enterprise.person()
    spender, spender_token = await enterprise.person()
    assert await enterprise.codes("add-pool-administrator", poolId=pool.pool_id, userId=admin) == []
    sales = departments[0]
    assert (
        await enterprise.codes(
            "add-department-member", token=admin_token, departmentId=sales.department_id, userId=spender
        )
        == []
    )
    await allocate(enterprise, enterprise.place, pool, 60)
    await allocate(enterprise, pool, sales, 20)

    spent = await service.gql(SPEND, spender_token, input=spending(sales, quantity=3))
    elsewhere = await service.gql(SPEND, spender_token, input=spending(departments[1]))
    gone = [await enterprise.codes("delete-department", id=each.department_id) for each in departments]
    pool_gone = await enterprise.codes("delete-pool", id=pool.pool_id)

    assert spent.data["done"] == {"transaction": {"change": -6}, "userErrors": []}
    assert elsewhere.codes == ["NOT_FOUND"]
    assert [*gone, pool_gone] == [[]] * 4
    assert [await credits_in(place) for place in (sales, pool, enterprise.place)] == [0, 0, 94]
    assert (await service.gql("{ viewer { departments { id } pools { id } } }", spender_token)).data["viewer"] == {
        "departments": [],
        "pools": [],
    }
    assert await broken() == {}


async def test_of_what_was_deleted_the_history_stays_and_nothing_else(service: Service, enterprise: Enterprise) -> None:
    pool = await enterprise.pool()
    department = await enterprise.department(pool)
    _, auditor = await enterprise.person("AUDITOR")
    await allocate(enterprise, enterprise.place, pool, 10)
    await allocate(enterprise, pool, department, 10)
    assert await enterprise.codes("delete-department", id=department.department_id) == []

    ask = """query ($wallet: ID!, $id: ID!) { wallet(id: $wallet) { owner { ... on Department { id name } }
      balance { credits } transactions { nodes { kind change } } } department(id: $id) { id } node(id: $id) { id } }"""
    answers = [
        await service.gql(ask, token, wallet=department.wallet_id, id=department.department_id)
        for token in (enterprise.token, auditor, "operator")
    ]
    put = await service.gql(
        OPERATIONS["grant-credits"],
        "operator",
        input={"walletId": department.wallet_id, "credits": 1, "reason": "Late", "idempotencyKey": uuid4().hex},
    )
    spend = await service.gql(SPEND, enterprise.token, input=spending(department))
    again = await enterprise.service.gql(
        OPERATIONS["delete-department"], enterprise.token, input={"id": department.department_id}
    )

    for answer in answers:
        assert answer.codes == ["NOT_FOUND", "NOT_FOUND"]
        assert answer.body["data"]["wallet"] == {
            "owner": {"id": department.department_id, "name": "Sales"},
            "balance": {"credits": 0},
            "transactions": {"nodes": [{"kind": "RECLAIM", "change": -10}, {"kind": "ALLOCATION", "change": 10}]},
        }
    assert [error["code"] for error in put.data["grantCredits"]["userErrors"]] == ["WRONG_STATE"]
    assert spend.codes == again.codes == ["NOT_FOUND"]


async def test_what_is_promised_or_bought_or_below_keeps_from_deleting(
    service: Service, enterprise: Enterprise
) -> None:
    pool = await enterprise.pool()
    department = await enterprise.department(pool)
    await service.give(department, 10)
    items = [{"stagingType": "BASIC_ROOM", "quantity": 2}]
    held = (
        await service.gql(
            PLACE_HOLD,
            enterprise.token,
            input={"walletId": department.wallet_id, "items": items, "idempotencyKey": uuid4().hex},
        )
    ).data["done"]["hold"]

    with_departments = await enterprise.call("delete-pool", id=pool.pool_id)
    promised = await enterprise.call("delete-department", id=department.department_id)
    await service.gql(RELEASE, enterprise.token, input={"holdId": held["id"], "idempotencyKey": uuid4().hex})
    wanted = {"walletId": department.wallet_id, "packageCode": "STARTER", "idempotencyKey": uuid4().hex}
    bought = (await service.gql(BUY, enterprise.token, input=wanted)).data["done"]["purchase"]
    buying = await enterprise.call("delete-department", id=department.department_id)
    await service.gql(OPERATIONS["cancel-purchase"], enterprise.token, input={"purchaseId": bought["id"]})

    refusals = [each["userErrors"][0] for each in (with_departments, promised, buying)]
    assert {refusal["code"] for refusal in refusals} == {"NOT_EMPTY"}
    assert [refusal["message"].split(".")[0] for refusal in refusals] == [
        "It has departments",
        "4 credits are promised to open holds",
        "A purchase for it is under way",
    ]
    assert await credits_in(department) == 10
    assert await enterprise.codes("delete-department", id=department.department_id) == []
    assert await enterprise.codes("delete-pool", id=pool.pool_id) == []
    assert await credits_in(enterprise.place) == 110


async def test_what_is_frozen_or_owed_keeps_from_deleting(service: Service, enterprise: Enterprise) -> None:
    pool = await enterprise.pool()
    wanted = {"walletId": pool.wallet_id, "packageCode": "STARTER", "idempotencyKey": uuid4().hex}
    bought = (await service.gql(BUY, enterprise.token, input=wanted)).data["done"]["purchase"]
    await service.pay(bought["checkoutUrl"])

    def about(kind: type[Any], **fields: Any) -> Any:
        named = {"wallet_id": pool.wallet_id, "account_id": enterprise.account_id, "purchase_id": bought["id"]}
        return kind(id=make_id(Kind.CLAWBACK), actor=SYSTEM, **named, **fields)

    await do(about(Freeze))
    frozen = await enterprise.call("delete-pool", id=pool.pool_id)
    await do(about(Thaw))
    await service.gql(SPEND, enterprise.token, input=spending(pool, quantity=40))
    await do(about(Clawback, source_id=f"re_{uuid4().hex}", credits=100))
    owing = await enterprise.call("delete-pool", id=pool.pool_id)
    await service.give(pool, 80)

    assert frozen["userErrors"][0]["message"].startswith("Credits in it are frozen")
    assert owing["userErrors"][0]["message"].startswith("It owes 80 credits")
    assert await enterprise.codes("delete-pool", id=pool.pool_id) == []
    assert await broken() == {}


async def test_what_is_sent_while_it_is_deleted_is_not_lost_in_it(enterprise: Enterprise) -> None:
    pool = await enterprise.pool()
    department = await enterprise.department(pool)
    await allocate(enterprise, enterprise.place, pool, 50)
    ends = {"fromWalletId": pool.wallet_id, "toWalletId": department.wallet_id}

    async def send() -> None:
        await enterprise.service.gql(
            OPERATIONS["allocate-credits"],
            enterprise.token,
            input=ends | {"credits": 1, "idempotencyKey": uuid4().hex},
        )

    sent = [send() for _ in range(20)]
    await asyncio.gather(*sent[:10], enterprise.call("delete-department", id=department.department_id), *sent[10:])

    assert await credits_in(department) == 0
    assert await credits_in(pool) == 50


async def test_names_are_taken_once_in_any_case_and_free_again_afterwards(
    service: Service, enterprise: Enterprise
) -> None:
    pool, other = await enterprise.pool("North"), await enterprise.pool("South")
    department = await enterprise.department(pool, "Sales")
    await enterprise.department(other, "Sales")

    taken = [
        await enterprise.codes("create-pool", accountId=enterprise.account_id, name=" nORTH "),
        await enterprise.codes("rename-pool", id=other.pool_id, name="NORTH"),
        await enterprise.codes("create-department", poolId=pool.pool_id, name="SALES"),
    ]
    own = await enterprise.codes("rename-pool", id=pool.pool_id, name="NORTH")
    assert await enterprise.codes("delete-department", id=department.department_id) == []
    free = await enterprise.codes("create-department", poolId=pool.pool_id, name="sales")

    assert taken == [["NAME_TAKEN"]] * 3
    assert own == free == []
    for name in ("", "  ", "\u200b", "x" * 201, "a\u202eb", "a\x07b"):
        assert await enterprise.codes("create-pool", accountId=enterprise.account_id, name=name) == ["INVALID"]
    place = await service.account()
    refused = await service.gql(
        OPERATIONS["create-pool"],
        await service.owner_token(place.account_id),
        input={"accountId": place.account_id, "name": "North"},
    )
    assert refused.data["createPool"]["userErrors"][0]["field"] == ["accountId"]


async def test_of_two_owners_who_demote_each_other_at_once_one_stays(service: Service, enterprise: Enterprise) -> None:
    other, _ = await enterprise.person("OWNER")
    first = (await service.gql("{ viewer { user { id } } }", enterprise.token)).data["viewer"]["user"]["id"]

    # Both were owners when they asked.
    outcomes = await asyncio.gather(
        *(
            people.set_role(Actor(kind=ActorKind.USER, id=by), enterprise.account_id, whom, AccountRole.MEMBER)
            for by, whom in ((first, other), (other, first))
        ),
        return_exceptions=True,
    )

    assert [each.code for each in outcomes if isinstance(each, Refusal)] == [RefusalCode.LAST_OWNER]
    members = (await service.gql(PEOPLE, "operator", id=enterprise.account_id)).data["account"]["members"]["nodes"]
    assert sorted(each["role"] for each in members) == ["MEMBER", "OWNER"]
    (owner,) = (each["user"]["id"] for each in members if each["role"] == "OWNER")
    named = {"accountId": enterprise.account_id, "userId": owner}
    assert await enterprise.codes("remove-member", token="operator", **named) == ["LAST_OWNER"]


async def test_whoever_leaves_leaves_every_place(service: Service, enterprise: Enterprise) -> None:
    pool = await enterprise.pool()
    department = await enterprise.department(pool)
    person, token = await enterprise.person()
    others = [(await enterprise.person())[0] for _ in range(2)]
    for _ in range(2):
        assert await enterprise.codes("add-pool-administrator", poolId=pool.pool_id, userId=person) == []
        spends = {"departmentId": department.department_id, "userId": person}
        assert await enterprise.codes("add-department-member", **spends) == []
    named = {"minimumCredits": 500, "approverIds": [person, *others]}
    assert await enterprise.codes("set-approval-policy", accountId=enterprise.account_id, **named) == []

    assert await enterprise.codes("remove-member", accountId=enterprise.account_id, userId=person) == []

    left = (await service.gql(PEOPLE, enterprise.token, id=enterprise.account_id)).data["account"]
    assert person not in str(left)
    assert left["approvalPolicies"] == [{"approvers": [{"id": each} for each in others]}]
    assert (await service.gql(PEOPLE, token, id=enterprise.account_id)).codes == ["NOT_FOUND"]
    assert await enterprise.codes("add-pool-administrator", poolId=pool.pool_id, userId=person) == ["INVALID"]
    again = await enterprise.codes("remove-member", accountId=enterprise.account_id, userId=person)
    assert again == ["INVALID"]


async def test_an_auditor_neither_administers_nor_spends(service: Service, enterprise: Enterprise) -> None:
    pool = await enterprise.pool()
    department = await enterprise.department(pool)
    auditor, _ = await enterprise.person("AUDITOR")
    member, _ = await enterprise.person()
    assert await enterprise.codes("add-pool-administrator", poolId=pool.pool_id, userId=member) == []

    refused = [
        await enterprise.codes("add-pool-administrator", poolId=pool.pool_id, userId=auditor),
        await enterprise.codes("add-department-member", departmentId=department.department_id, userId=auditor),
    ]
    turned = await enterprise.codes("set-member-role", accountId=enterprise.account_id, userId=member, role="AUDITOR")

    assert refused == [["INVALID"]] * 2
    assert turned == []
    (shown,) = (await service.gql(PEOPLE, enterprise.token, id=enterprise.account_id)).data["account"]["pools"]
    assert shown["administrators"] == []


async def test_who_is_a_member_is_not_added_again(service: Service, enterprise: Enterprise) -> None:
    person, _ = await enterprise.person()
    members = (await service.gql(PEOPLE, enterprise.token, id=enterprise.account_id)).data["account"]["members"]
    (email,) = (each["user"]["email"] for each in members["nodes"] if each["user"]["id"] == person)
    wanted = {"accountId": enterprise.account_id, "name": "Twice", "role": "MEMBER"}

    again = await enterprise.call("add-member", email=email.upper(), **wanted)
    together = await asyncio.gather(
        *(enterprise.call("add-member", email="both@twice.example", **wanted) for _ in range(2))
    )

    assert again["membership"] is None
    assert [(error["code"], error["field"]) for error in again["userErrors"]] == [("INVALID", ["email"])]
    assert sorted(len(each["userErrors"]) for each in together) == [0, 1]


async def test_a_suspended_account_reads_and_does_nothing_until_it_is_let_again(
    service: Service, enterprise: Enterprise
) -> None:
    pool = await enterprise.pool()
    suspend = {"accountId": enterprise.account_id, "token": "operator"}
    place = enterprise.place
    assert await enterprise.codes("suspend-account", suspended=True, reason="  ", **suspend) == ["INVALID"]
    assert await enterprise.codes("suspend-account", suspended=True, reason="Stolen card", **suspend) == []

    items = [{"stagingType": "BASIC_ROOM", "quantity": 1}]
    calls = {
        SPEND: spending(place),
        PLACE_HOLD: {"walletId": place.wallet_id, "items": items},
        BUY: {"walletId": place.wallet_id, "packageCode": "STARTER"},
    }
    refused = [
        (await service.gql(document, enterprise.token, input={"idempotencyKey": uuid4().hex} | fields)).data["done"]
        for document, fields in calls.items()
    ]
    moved = await enterprise.codes(
        "allocate-credits",
        fromWalletId=place.wallet_id,
        toWalletId=pool.wallet_id,
        credits=1,
        idempotencyKey=uuid4().hex,
    )
    read = await service.gql("query ($id: ID!) { account(id: $id) { suspended totalAvailable } }", enterprise.token,
                             id=enterprise.account_id)  # fmt: skip
    assert await enterprise.codes("suspend-account", suspended=False, reason="A new card", **suspend) == []
    spent = await service.gql(SPEND, enterprise.token, input=spending(place))

    assert [[error["code"] for error in each["userErrors"]] for each in refused] == [["ACCOUNT_SUSPENDED"]] * 3
    assert moved == ["ACCOUNT_SUSPENDED"]
    assert read.data["account"] == {"suspended": True, "totalAvailable": 100}
    assert spent.data["done"]["userErrors"] == []
    told = [(each["before"], each["after"]) for each in await enterprise.log() if each["action"] == "suspendAccount"]
    assert told == [
        ({"suspended": "false"}, {"suspended": "true", "reason": "Stolen card"}),
        ({"suspended": "true", "reason": "Stolen card"}, {"suspended": "false", "reason": "A new card"}),
    ]


async def test_another_time_zone_applies_from_the_next_month_on(
    service: Service, enterprise: Enterprise, moved_clock: Any
) -> None:
    named = {"accountId": enterprise.account_id}
    assert await enterprise.codes("update-account", timeZone="Nowhere/Land", **named) == ["INVALID"]

    changed = (await enterprise.call("update-account", timeZone="Asia/Tokyo", **named))["account"]
    since = datetime.fromisoformat(changed["timeZoneAppliesFrom"])
    days = []
    # The month begins at midnight in New York, when it is 13:00 or 14:00 of its first day in Tokyo.
    async with service.workers.away():
        for instant in (since - timedelta(minutes=10), since + timedelta(hours=12)):
            await moved_clock(instant)
            await service.gql(SPEND, enterprise.token, input=spending(enterprise.place))
            days.append(await last_day(enterprise.place))
        later = (await enterprise.call("update-account", name="Old Realty", **named))["account"]

    assert changed["timeZone"] == "Asia/Tokyo"
    assert (since.day, since.hour in {4, 5}) == (1, True)
    assert days == [since.date() - timedelta(days=1), since.date() + timedelta(days=1)]
    assert (later["name"], later["timeZone"], later["timeZoneAppliesFrom"]) == ("Old Realty", "Asia/Tokyo", None)


async def last_day(place: Place) -> date:
    """The local day of the wallet's last transaction."""
    (row,) = await get_connection("default").execute_query_dict(
        "SELECT local_day FROM transactions WHERE wallet_id = $1 ORDER BY sequence DESC LIMIT 1", [place.wallet_id]
    )
    day: date = row["local_day"]
    return day


async def test_the_audit_log_has_each_change_once_and_nothing_that_changed_nothing(
    service: Service, enterprise: Enterprise
) -> None:
    pool = await enterprise.pool("North")
    person, token = await enterprise.person()
    _, auditor = await enterprise.person("AUDITOR")
    for _ in range(2):
        await enterprise.call("rename-pool", id=pool.pool_id, name="South")
        await enterprise.call("add-pool-administrator", poolId=pool.pool_id, userId=person)
        await enterprise.call("set-pool-notifications", poolId=pool.pool_id, slackChannel="#north")
        await enterprise.call("set-balance-alert", walletId=pool.wallet_id, threshold=5)
    await enterprise.codes("create-pool", accountId=enterprise.account_id, name="SOUTH")

    entries = await enterprise.log(token=auditor)

    assert [each["action"] for each in entries] == [
        "createAccount",
        "createPool",
        "addMember",
        "addMember",
        "renamePool",
        "addPoolAdministrator",
        "setPoolNotifications",
        "setBalanceAlert",
    ]
    renamed = entries[4]
    assert (renamed["target"], renamed["before"], renamed["after"]) == (
        pool.pool_id,
        {"name": "North"},
        {"name": "South"},
    )
    assert renamed["actor"] == {"name": "Nora New"}
    assert "@" not in str(entries)
    ask = "query ($id: ID!) { node(id: $id) { ... on AuditEntry { action } } }"
    assert (await service.gql(ask, auditor, id=renamed["id"])).data["node"] == {"action": "renamePool"}
    assert (await service.gql(ask, token, id=renamed["id"])).codes == ["NOT_FOUND"]


async def test_operators_find_accounts_by_name_address_and_id(service: Service) -> None:
    place = await service.account()
    name = f"Realty {uuid4().hex}"
    owner = await service.owner_token(place.account_id)
    await service.gql(OPERATIONS["update-account"], owner, input={"accountId": place.account_id, "name": name})
    me = (await service.gql("{ viewer { user { email } } }", owner)).data["viewer"]["user"]["email"]

    async def found(search: str, **variables: Any) -> dict[str, Any]:
        answer = await service.gql(OPERATIONS["accounts"], "operator", search=search, **variables)
        page: dict[str, Any] = answer.data["accounts"]
        return page

    for search in (name.upper(), me.upper(), place.account_id):
        assert [each["id"] for each in (await found(search))["nodes"]] == [place.account_id]
    assert (await found("%_%"))["nodes"] == []
    pages = await found("", first=1)
    following = await found("", first=1, after=pages["pageInfo"]["endCursor"])
    assert pages["nodes"][0]["createdAt"] >= following["nodes"][0]["createdAt"]
    assert pages["nodes"] != following["nodes"]
    assert (await service.gql(OPERATIONS["accounts"], "operator", search="a\u202eb")).codes == ["BAD_USER_INPUT"]


async def test_a_key_makes_no_owners_and_removes_none(service: Service, enterprise: Enterprise) -> None:
    wanted = {"accountId": enterprise.account_id, "name": "People", "scopes": ["manage"]}
    made = await service.gql(
        "mutation ($input: CreateApiKeyInput!) { done: createApiKey(input: $input) { secret } }",
        enterprise.token,
        input=wanted,
    )
    key = made.data["done"]["secret"]
    first = (await service.gql("{ viewer { user { id } } }", enterprise.token)).data["viewer"]["user"]["id"]
    await enterprise.person("OWNER")
    person = {"email": f"{uuid4().hex}@test.example", "name": "Nils", "accountId": enterprise.account_id}

    as_owner = await service.gql(OPERATIONS["add-member"], key, input=person | {"role": "OWNER"})
    as_member = await service.gql(OPERATIONS["add-member"], key, input=person | {"role": "MEMBER"})
    removed = await service.gql(
        OPERATIONS["remove-member"], key, input={"accountId": enterprise.account_id, "userId": first}
    )

    assert as_owner.codes == removed.codes == ["FORBIDDEN"]
    assert as_member.data["addMember"]["membership"]["user"]["email"] is None
