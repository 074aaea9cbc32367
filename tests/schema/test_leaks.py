"""What can be reached from what a caller sees: by `node(id)`, along the edges between objects, and through lists.

The places of the world are drawn in world.py; `SEEN` are those that a role knows of, `READ` those whose history it
may read.
"""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from credits.accounts.models import AccountRole, DepartmentMember, Membership
from credits.accounts.rules import Scope
from credits.ids import Kind, kind_of, make_id
from credits.purchases.queries import purchase
from tests.schema.rows import ROWS
from tests.schema.world import AVAILABLE, MUCH, ROLES, STRANGER, World, digest, email_of, make_world
from tests.support.service import Answer, Service

EVERYWHERE = ("account", "pool", "other_pool", "department", "sibling", "other_department")
SEEN = {
    **dict.fromkeys(ROLES, EVERYWHERE),
    "member": ("account",),
    "approver": ("account",),
    "pool_admin": ("account", "pool", "department", "sibling"),
    "department_member": ("account", "department"),
}
READ = SEEN | {
    "member": (),
    "approver": (),
    "pool_admin": ("pool", "department", "sibling"),
    "department_member": ("department",),
}
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
# Everything that hangs on an account, purchases apart: those are not for the platform's service.
_WALLET = """wallet { id owner { __typename } balance { available } transactions { nodes { id wallet { id }
  counterpart { id balance { available } } purchase { id } hold { id } lots { lot { id } } } }
  lots { nodes { id } } holds { nodes { id wallet { id } } } }"""
TREE = f"""query ($id: ID!) {{
  viewer {{ departments {{ id name members {{ id email }} {_WALLET} }} }}
  account(id: $id) {{ id {_WALLET} totalAvailable
    members {{ nodes {{ user {{ id name email }} }} }} transactions {{ nodes {{ id wallet {{ id }} }} }}
    pools {{ id name account {{ id }} administrators {{ id email }} {_WALLET}
      departments {{ id name pool {{ id }} members {{ id email }} {_WALLET} }} }} }} }}"""
PURCHASES = "query ($id: ID!) { account(id: $id) { purchases(first: 100) { nodes { id wallet { id } } } } }"


@pytest.fixture(scope="module")
async def world(service: Service) -> AsyncIterator[World]:
    """One for all tests of this module. Nobody works meanwhile: what a sweep books anywhere would look like an effect
    of what was refused."""
    world = await make_world(service)
    async with service.workers.away():
        yield world


def _told(answer: Answer) -> tuple[Any, list[tuple[str, str]]]:
    errors = [(error["message"], error["extensions"]["code"]) for error in answer.body.get("errors", ())]
    return answer.body.get("data"), errors


async def _finds_nothing(world: World, token: str, given: str) -> None:
    kind = kind_of(given)
    assert kind is not None

    found = await world.ask(token, NODE, id=given)

    assert found.codes == ["NOT_FOUND"], given
    assert _told(found) == _told(await world.ask(token, NODE, id=make_id(kind)))


def _in_the_history(world: World, place: str) -> tuple[str, ...]:
    return world.transactions[place], world.lots[place], world.holds[place]


@pytest.mark.parametrize(
    ("role", "place"), [(role, place) for role in ROLES for place in EVERYWHERE if place not in SEEN[role]]
)
async def test_a_place_that_is_not_seen_has_no_node_nor_has_anything_in_it(world: World, role: str, place: str) -> None:
    token = world.tokens[role]

    for given in (world.id_of(place), world.wallet_of(place), *_in_the_history(world, place)):
        await _finds_nothing(world, token, given)


@pytest.mark.parametrize(
    ("role", "place"),
    [(role, place) for role in ROLES for place in EVERYWHERE if place in SEEN[role] and place not in READ[role]],
)
async def test_a_wallet_whose_history_is_not_read_has_no_transactions_lots_and_holds_as_nodes(
    world: World, role: str, place: str
) -> None:
    token = world.tokens[role]

    wallet = await world.ask(token, NODE, id=world.wallet_of(place))

    assert wallet.data["node"]["id"] == world.wallet_of(place)
    for given in _in_the_history(world, place):
        await _finds_nothing(world, token, given)


@pytest.mark.parametrize(("role", "place"), [(role, place) for role in ROLES for place in READ[role]])
async def test_what_is_read_is_a_node_of_its_type(world: World, role: str, place: str) -> None:
    token = world.tokens[role]

    kinds = [
        (await world.ask(token, NODE, id=given)).data["node"]["__typename"]
        for given in (world.id_of(place), world.wallet_of(place), *_in_the_history(world, place))
    ]

    assert kinds[0] in {"Account", "Pool", "Department"}
    assert kinds[1:] == ["Wallet", "Transaction", "Lot", "Hold"]


ABOUT_HOLDS = ("hold", "captureHold(department)", "releaseHold(department)", "extendHold(department)")


@pytest.mark.parametrize("about", ABOUT_HOLDS)
@pytest.mark.parametrize(
    ("role", "place"),
    [*((role, place) for role in ROLES for place in EVERYWHERE if place not in READ[role]), (STRANGER, "account")],
)
async def test_anothers_hold_is_answered_like_an_id_of_nothing(world: World, role: str, place: str, about: str) -> None:
    before = await digest()

    theirs, nothing = [
        await world.ask(world.tokens[role], ROWS[about].document, id=given, **_key(about))
        for given in (world.holds[place], make_id(Kind.HOLD))
    ]

    assert theirs.codes == ["NOT_FOUND"]
    assert _told(theirs) == _told(nothing)
    assert await digest() == before


def _key(about: str) -> dict[str, str]:
    return {"key": uuid4().hex} if "$key" in ROWS[about].document else {}


@pytest.mark.parametrize("role", ROLES)
async def test_along_the_edges_of_the_account_nothing_is_told_of_what_is_not_seen(world: World, role: str) -> None:
    answer = await world.ask(world.tokens[role], TREE, id=world.id_of("account"))

    text = str(answer.body)
    told = {place for place in EVERYWHERE if world.wallet_of(place) in text}
    named = {place for place in EVERYWHERE if f"{world.name}: {place}" in text or world.id_of(place) in text}
    read = {place for place in EVERYWHERE if world.transactions[place] in text}
    lots = {place for place in EVERYWHERE if world.lots[place] in text}
    holds = {place for place in EVERYWHERE if world.holds[place] in text}
    assert told == named == {*SEEN[role]}
    assert read == lots == holds == {*READ[role]}
    assert {*answer.codes} <= {"FORBIDDEN"}


@pytest.mark.parametrize("role", ROLES)
async def test_addresses_are_for_those_who_manage_people(world: World, role: str) -> None:
    answer = await world.ask(world.tokens[role], TREE, id=world.id_of("account"))

    people = {name for name in ROLES if email_of(world.name, name) in str(answer.body)}
    everybody = {"owner", "auditor", "member", "pool_admin", "department_member", "approver"}
    assert people == (everybody if role in {"owner", "operator"} else set())


@pytest.mark.parametrize("role", ROLES)
async def test_a_field_that_a_role_may_not_have_is_null_and_the_rest_of_the_object_is_there(
    world: World, role: str
) -> None:
    answer = await world.ask(world.tokens[role], TREE, id=world.id_of("account"))

    account = answer.body["data"]["account"]
    whole = (
        AVAILABLE * len(EVERYWHERE) if role not in {"member", "approver", "pool_admin", "department_member"} else None
    )
    assert account["id"] == world.id_of("account")
    assert account["wallet"]["balance"] == {"available": AVAILABLE}
    assert account["totalAvailable"] == whole
    assert len(answer.codes) == {"api_key": 1, "service": 1}.get(role, 0 if whole else 6)


@pytest.mark.parametrize("role", ROLES)
async def test_of_the_accounts_purchases_each_sees_their_own_and_those_in_their_scope(
    service: Service, role: str
) -> None:
    world = await make_world(service)
    bought = {place: await world.purchase(place, world.actors["owner"]) for place in EVERYWHERE}
    for person in ("member", "pool_admin", "department_member", "approver"):
        bought[person] = await world.purchase("account", world.actors[person])

    answer = await world.ask(world.tokens[role], PURCHASES, id=world.id_of("account"))

    if role == "service":
        assert (answer.codes, answer.body["data"]) == (["FORBIDDEN"], {"account": None})
        return
    listed = {node["id"] for node in answer.data["account"]["purchases"]["nodes"]}
    own = {role} & {*bought}
    in_scope = {*SEEN[role]} - {"account"} if SEEN[role] != EVERYWHERE else {*bought}
    assert {name for name, given in bought.items() if given in listed} == own | in_scope
    assert len(listed) == len(own | in_scope)


async def test_who_left_a_department_sees_their_purchase_but_not_its_wallet(world: World) -> None:
    buyer = await world.hire(AccountRole.MEMBER, belongs_to="department")
    bought = await world.purchase("department", buyer)
    ask = "query ($id: ID!) { purchase(id: $id) { id status %s } }"
    before = await world.ask(world.tokens[buyer.id], ask % "wallet { id }", id=bought)
    await DepartmentMember.filter(user_id=buyer.id).delete()

    alone = await world.ask(world.tokens[buyer.id], ask % "", id=bought)
    with_wallet = await world.ask(world.tokens[buyer.id], ask % "wallet { id balance { available } }", id=bought)

    assert before.data["purchase"]["wallet"]["id"] == world.wallet_of("department")
    assert alone.data["purchase"]["status"] == "AWAITING_PAYMENT"
    assert with_wallet.codes == ["NOT_FOUND"]
    assert world.wallet_of("department") not in str(with_wallet.body)


async def test_a_members_paid_purchase_leads_to_no_history_that_they_may_not_read(world: World) -> None:
    bought = await world.purchase("account", world.actors["member"])
    await world.service.pay((await purchase(bought)).checkout_url or "")
    ask = "query ($id: ID!) { purchase(id: $id) { status transaction { id balanceAfter lots { lot { id } } } } }"

    by_member = await world.ask(world.tokens["member"], ask, id=bought)
    by_owner = await world.ask(world.tokens["owner"], ask, id=bought)

    assert by_member.codes == ["NOT_FOUND"]
    assert by_member.body["data"]["purchase"] == {"status": "PAID", "transaction": None}
    assert by_owner.data["purchase"]["transaction"]["id"].startswith("txn_")


async def test_a_department_leads_its_member_to_no_pool(world: World) -> None:
    ask = "query ($id: ID!) { department(id: $id) { id pool { id name wallet { id } departments { id } } } }"

    answer = await world.ask(world.tokens["department_member"], ask, id=world.id_of("department"))

    assert answer.codes == ["NOT_FOUND"]
    assert answer.body["data"] == {"department": None}


async def test_people_are_nodes_for_themselves_and_for_those_who_see_the_members(world: World) -> None:
    ask = "query ($id: ID!) { node(id: $id) { ... on User { id email } } }"
    member = world.actors["member"].id
    email = email_of(world.name, "member")

    seen = {role: (await world.ask(world.tokens[role], ask, id=member)).body["data"]["node"] for role in ROLES}
    stranger = await world.ask(world.tokens["other_owner"], ask, id=member)

    with_address = {"owner", "member", "operator"}
    assert {role for role, node in seen.items() if node} == with_address | {"auditor"}
    assert {role for role, node in seen.items() if node and node["email"] == email} == with_address
    assert stranger.codes == ["NOT_FOUND"]


async def test_a_key_for_the_accounts_wallet_learns_nothing_of_the_others(world: World) -> None:
    key = await world.key(frozenset(Scope), only=("account",))
    bought = {place: await world.purchase(place, world.actors["owner"]) for place in ("account", "pool")}
    live = "subscription ($id: ID!) { accountBalanceChanged(accountId: $id) { walletId } }"

    tree = await world.ask(key, TREE, id=world.id_of("account"))
    purchases = (await world.ask(key, PURCHASES, id=world.id_of("account"))).data["account"]["purchases"]["nodes"]
    told = await world.ask(key, live, id=world.id_of("account"))

    assert {place for place in EVERYWHERE if world.wallet_of(place) in str(tree.body)} == {"account"}
    assert tree.body["data"]["account"]["pools"] == []
    assert tree.body["data"]["account"]["totalAvailable"] is None
    assert tree.codes == ["FORBIDDEN"] * 3
    assert {node["wallet"]["id"] for node in purchases} == {world.wallet_of("account")}
    assert bought["account"] in {node["id"] for node in purchases}
    assert told.codes == ["FORBIDDEN"]


MOVE = """mutation ($from: ID!, $to: ID!, $key: String!) { allocateCredits(input: {fromWalletId: $from,
  toWalletId: $to, credits: 1, idempotencyKey: $key}) { transactions { id } userErrors { code } } }"""


async def test_a_pools_administrator_moves_nothing_out_of_or_into_another_pool(world: World) -> None:
    own, others, nothing = world.wallet_of("pool"), world.wallet_of("other_department"), make_id(Kind.WALLET)
    before = await digest()

    answers = [
        await world.ask(world.tokens["pool_admin"], MOVE, key=uuid4().hex, **{"from": source, "to": target})
        for source, target in ((own, others), (own, nothing), (others, own), (nothing, own))
    ]

    assert [answer.codes for answer in answers] == [["NOT_FOUND"]] * 4
    assert _told(answers[0]) == _told(answers[1]) == _told(answers[2]) == _told(answers[3])
    assert await digest() == before


async def test_of_many_deductions_one_from_a_wallet_that_is_not_seen_refuses_all(world: World) -> None:
    ask = "mutation ($input: DeductCreditsManyInput!) { deductCreditsMany(input: $input) { posted } }"
    jobs = [
        {"walletId": world.wallet_of(place), "stagingType": "BASIC_ROOM", "idempotencyKey": uuid4().hex}
        for place in ("department", "sibling")
    ]
    before = await digest()

    answer = await world.ask(world.tokens["department_member"], ask, input={"deductions": jobs})

    assert answer.codes == ["NOT_FOUND"]
    assert await digest() == before


APPROVALS = "query ($id: ID!) { account(id: $id) { approvals { nodes { id } } } }"


async def test_of_the_accounts_approvals_nobody_sees_what_they_could_not_open(service: Service) -> None:
    world = await make_world(service)
    await world.policy(minimum_credits=MUCH * 100, approvers=("approver",))
    asked = {role: await world.approval("account", world.actors[role]) for role in ("owner", "member", "pool_admin")}
    limited = await world.key(frozenset(Scope), only=("account",))
    ask = "query ($id: ID!) { approval(id: $id) { id viewerCanDecide } }"
    seen, listed, decided_by = {}, {}, {}

    callers = {role: world.tokens[role] for role in ROLES if role != "service"} | {"limited": limited}
    for role, token in callers.items():
        opened = {name: await world.ask(token, ask, id=given) for name, given in asked.items()}
        seen[role] = {name for name, answer in opened.items() if not answer.codes}
        decided_by[role] = {name for name in seen[role] if opened[name].data["approval"]["viewerCanDecide"]}
        nodes = (await world.ask(token, APPROVALS, id=world.id_of("account"))).data["account"]["approvals"]["nodes"]
        listed[role] = {name for name, given in asked.items() if {"id": given} in nodes}

    everything = {*asked}
    assert seen == {
        **dict.fromkeys(("owner", "auditor", "approver", "api_key", "operator", "limited"), everything),
        "member": {"member"},
        "pool_admin": {"pool_admin"},
        "department_member": set(),
    }
    assert listed == seen
    assert decided_by == {role: set() for role in seen} | {"approver": everything}


async def test_who_left_the_account_hears_of_no_more_approvals(service: Service) -> None:
    world = await make_world(service)
    await world.policy(minimum_credits=MUCH * 100, approvers=("approver",))
    await world.purchase("account", await world.buyer(), quantity=MUCH)
    live = "subscription ($id: ID!) { approvalUpdated(accountId: $id) { status purchase { status } } }"

    async with service.live(world.tokens["approver"]) as socket:
        await socket.subscribe(live, id=world.id_of("account"))
        first = (await socket.next())["approvalUpdated"]
        await Membership.filter(user_id=world.actors["approver"].id).delete()
        await world.purchase("account", await world.buyer(), quantity=MUCH)
        service.shared.hub.missed()

        with pytest.raises(ConnectionClosed, match="4403"):
            await socket.receive()

    assert first == {"status": "PENDING", "purchase": {"status": "PENDING_APPROVAL"}}


async def test_a_key_that_may_not_read_knows_its_own_name_and_no_account(world: World) -> None:
    ask = "{ viewer { actor { id kind name } user { id } accounts { id } } }"

    blind = (await world.ask(await world.key(frozenset({Scope.SPEND})), ask)).data["viewer"]
    elsewhere = (await world.ask(await world.key(frozenset(Scope), only=("pool",)), ask)).data["viewer"]
    seeing = (await world.ask(world.tokens["api_key"], ask)).data["viewer"]

    assert (blind["actor"]["kind"], blind["user"], blind["accounts"]) == ("API_KEY", None, [])
    assert elsewhere["accounts"] == []
    assert seeing["accounts"] == [{"id": world.id_of("account")}]


SPEND = """mutation ($id: ID!, $key: String!, $for: ID) { deductCredits(input: {walletId: $id, idempotencyKey: $key,
  stagingType: "BASIC_ROOM", onBehalfOf: $for}) { transaction { actor { onBehalfOf { id email } } }
  userErrors { code field } } }"""
BUY = """mutation ($id: ID!, $key: String!) { purchaseCredits(input: {walletId: $id, packageCode: "STARTER",
  idempotencyKey: $key}) { purchase { id } replayed userErrors { code field } } }"""


@pytest.mark.parametrize("document", [SPEND, BUY])
async def test_an_auditor_neither_spends_nor_buys_whatever_else_they_are(world: World, document: str) -> None:
    auditor = await world.hire(AccountRole.AUDITOR, administers="pool", belongs_to="department")
    await world.ask(world.tokens[auditor.id], "{ viewer { operator } }")
    before = await digest()

    answers = [
        await world.ask(world.tokens[auditor.id], document, id=world.wallet_of(place), key=uuid4().hex)
        for place in ("account", "pool", "department")
    ]

    assert [answer.codes for answer in answers] == [["FORBIDDEN"]] * 3
    assert await digest() == before


async def test_an_individuals_account_is_its_members_own(world: World) -> None:
    wallet = world.wallet_of("individual")
    ask = "query ($id: ID!) { wallet(id: $id) { transactions { nodes { id } } lots { nodes { id } } } }"

    read = await world.ask(world.tokens["member"], ask, id=wallet)
    spent = await world.ask(world.tokens["member"], SPEND, id=wallet, key=uuid4().hex)
    by_auditor = await world.ask(world.tokens["auditor"], SPEND, id=wallet, key=uuid4().hex)
    by_stranger = await world.ask(world.tokens["owner"], SPEND, id=wallet, key=uuid4().hex)

    assert world.transactions["individual"] in str(read.data)
    assert spent.data["deductCredits"]["userErrors"] == []
    assert by_auditor.codes == ["FORBIDDEN"]
    assert by_stranger.codes == ["NOT_FOUND"]


async def test_a_key_acts_for_those_who_may_spend_there_and_tells_no_address(world: World) -> None:
    wallet, token = world.wallet_of("department"), world.tokens["api_key"]
    people = ("owner", "pool_admin", "department_member", "auditor", "member", "other_owner")

    done = {
        role: (await world.ask(token, SPEND, id=wallet, key=uuid4().hex, **{"for": world.actors[role].id})).data[
            "deductCredits"
        ]
        for role in people
    }

    spent = {role: result["transaction"] for role, result in done.items() if result["transaction"]}
    acted_for = {role: transaction["actor"]["onBehalfOf"] for role, transaction in spent.items()}
    assert acted_for == {role: {"id": world.actors[role].id, "email": None} for role in people[:3]}
    assert [done[role]["userErrors"] for role in people[3:]] == [[{"code": "INVALID", "field": ["onBehalfOf"]}]] * 3


async def test_a_person_acts_for_nobody_else(world: World) -> None:
    before = await digest()

    answer = await world.ask(
        world.tokens["owner"],
        SPEND,
        id=world.wallet_of("account"),
        key=uuid4().hex,
        **{"for": world.actors["member"].id},
    )

    assert answer.data["deductCredits"]["userErrors"] == [{"code": "INVALID", "field": ["onBehalfOf"]}]
    assert await digest() == before


async def test_the_first_result_of_a_purchase_is_only_for_those_who_may_see_it(world: World) -> None:
    key = uuid4().hex
    first = (await world.ask(world.tokens["member"], BUY, id=world.wallet_of("account"), key=key)).data
    before = await digest()

    again = {
        role: (await world.ask(world.tokens[role], BUY, id=world.wallet_of("account"), key=key)).data["purchaseCredits"]
        for role in ("member", "owner", "approver", "pool_admin")
    }

    assert again["member"] == first["purchaseCredits"] | {"replayed": True}
    assert again["owner"] == again["member"]
    for role in ("approver", "pool_admin"):
        assert again[role]["purchase"] is None
        assert again[role]["userErrors"] == [{"code": "IDEMPOTENCY_KEY_REUSED", "field": ["idempotencyKey"]}]
    assert await digest() == before
