"""From whatever a caller may ask for along every edge of the schema: no more comes back than the matrix allows.

What lies where is read from the tables, who may see what is said here once more, and neither asks the service's own
rules. Every thing is asked for as a node, and every field of whatever answers is followed (walk.py), so that an edge
that is built later is walked without a line here.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any
from uuid import uuid4

import pytest
from graphql import is_required_argument
from tortoise.connection import get_connection

from credits.accounts.rules import Scope
from credits.ids import Kind, kind_of, make_id
from credits.purchases.queries import purchase
from tests.schema.test_leaks import EVERYWHERE, READ, SEEN
from tests.schema.walk import AT_ONCE, TYPES, every_edge_of, every_field_of, ids_in, many_nodes, node_types, snapshot
from tests.schema.world import MUCH, ROLES, STRANGER, World, make_world
from tests.support.service import Answer, Service

# A key for the department's wallet alone, besides the roles of the matrix.
LIMITED = "limited_key"
CALLERS = (*ROLES, STRANGER, LIMITED)
_ALONE = dict.fromkeys(("auditor", "member", "approver", "service", "operator"), ("individual",))
KNOWN = {caller: (*SEEN.get(caller, ()), *_ALONE.get(caller, ())) for caller in CALLERS} | {LIMITED: ("department",)}
HISTORY = {caller: (*READ.get(caller, ()), *_ALONE.get(caller, ())) for caller in CALLERS} | {LIMITED: ("department",)}
# Of each kind in each place, that many are looked at where all would take too long.
ENOUGH = 2
PLACES = {Kind.ACCOUNT, Kind.POOL, Kind.DEPARTMENT, Kind.WALLET}
OF_WALLETS = {Kind.TRANSACTION, Kind.LOT, Kind.HOLD, Kind.HOLD_ITEM, Kind.TRANSFER}
BUYING = {Kind.PURCHASE, Kind.APPROVAL}


@dataclass(frozen=True, slots=True)
class Thing:
    """Something in the world: in which places it lies, and whose concern it is besides."""

    id: str
    kind: Kind
    places: frozenset[str]
    of: frozenset[str] = frozenset()


Things = dict[str, Thing]
_THINGS = """
SELECT id, wallet_id, NULL AS of FROM transactions WHERE account_id = ANY($1)
UNION ALL SELECT transfer_id, wallet_id, NULL FROM transactions WHERE account_id = ANY($1) AND transfer_id IS NOT NULL
UNION ALL SELECT id, wallet_id, NULL FROM lots WHERE account_id = ANY($1)
UNION ALL SELECT id, wallet_id, NULL FROM holds WHERE account_id = ANY($1)
UNION ALL SELECT i.id, h.wallet_id, NULL FROM hold_items i JOIN holds h ON h.id = i.hold_id WHERE h.account_id = ANY($1)
UNION ALL SELECT id, wallet_id, requested_by_id FROM purchases WHERE account_id = ANY($1)
UNION ALL SELECT a.purchase_id, p.wallet_id, o.of
  FROM approvals a JOIN purchases p ON p.id = a.purchase_id, jsonb_array_elements_text(a.approver_ids) o(of)
  WHERE p.account_id = ANY($1)
UNION ALL SELECT a.id, p.wallet_id, o.of
  FROM approvals a JOIN purchases p ON p.id = a.purchase_id,
  jsonb_array_elements_text(a.approver_ids || to_jsonb(p.requested_by_id)) o(of) WHERE a.account_id = ANY($1)
UNION ALL SELECT id, account_id, NULL FROM approval_policies WHERE account_id = ANY($1)
UNION ALL SELECT id, account_id, NULL FROM audit_entries WHERE account_id = ANY($1)
UNION ALL SELECT id, account_id, NULL FROM api_keys WHERE account_id = ANY($1)
UNION ALL SELECT user_id, account_id, user_id FROM memberships WHERE account_id = ANY($1)
"""


async def things_of(world: World) -> Things:
    """All that lies in the world, by id."""
    names = {each: name for name in world.places for each in (world.id_of(name), world.wallet_of(name))}
    found: dict[str, Thing] = {}
    accounts = [world.id_of("account"), world.id_of("individual")]
    rows = await get_connection("default").execute_query_dict(_THINGS, [accounts])
    rows += [{"id": each, "wallet_id": each, "of": None} for each in names]
    for row in rows:
        kind = kind_of(row["id"])
        assert kind is not None
        before = found.get(row["id"], Thing(row["id"], kind, frozenset()))
        of = before.of | ({row["of"]} if row["of"] else frozenset())
        found[row["id"]] = replace(before, places=before.places | {names[row["wallet_id"]]}, of=of)
    return found


def _is_seen(world: World, caller: str, thing: Thing) -> bool:
    """What the matrix says of this thing as a node."""
    own = world.actors[caller].id in thing.of
    overseen = caller in {"owner", "operator", "auditor"} and _lies(thing, KNOWN[caller])
    if thing.kind in PLACES:
        return _lies(thing, KNOWN[caller])
    if thing.kind in OF_WALLETS:
        return _lies(thing, HISTORY[caller])
    if thing.kind in BUYING:
        with_keys = caller in {"api_key", LIMITED} and _lies(thing, KNOWN[caller])
        in_scope = caller in {"pool_admin", "department_member"} and _lies(thing, HISTORY[caller])
        return overseen or with_keys or in_scope or own
    if thing.kind is Kind.APPROVAL_POLICY:
        return caller != "service" and _lies(thing, KNOWN[caller])
    if thing.kind is Kind.API_KEY:
        return caller == "owner" and _lies(thing, KNOWN[caller])
    return overseen or (own and thing.kind is Kind.USER)


def _lies(thing: Thing, places: Iterable[str]) -> bool:
    return not thing.places.isdisjoint(places)


def _may_be_told(world: World, caller: str, thing: Thing) -> bool:
    """Along an edge names are told besides: who did it, who decides, who belongs there."""
    named = thing.kind in {Kind.USER, Kind.API_KEY} and _lies(thing, (*KNOWN[caller], "account"))
    return _is_seen(world, caller, thing) or (named and caller != STRANGER)


@pytest.fixture(scope="module")
async def world(service: Service) -> AsyncIterator[World]:
    """One in which every edge leads somewhere."""
    world = await make_world(service)
    world.tokens[LIMITED] = await world.key(frozenset(Scope), only=("department",))
    world.actors[LIMITED] = world.actors[world.tokens[LIMITED]]
    async with service.workers.away():
        for place in world.places:
            await _use(world, place)
        for person in ("member", "pool_admin", "department_member"):
            await _pay(world, await world.purchase("account", world.actors[person]))
        await world.policy(minimum_credits=MUCH * 100, approvers=("approver",))
        await world.policy(minimum_credits=MUCH * 100, approvers=("owner",), pool="other_pool")
        for place in ("account", "department", "sibling", "other_pool"):
            await world.approval(place, await world.buyer())
        for person in ("member", "pool_admin", "department_member"):
            await world.approval("account", world.actors[person])
        yield world


async def _use(world: World, place: str) -> None:
    """A deduction that is undone, a hold that is captured and a purchase that is paid, each with a word of its own."""
    wallet, word = world.wallet_of(place), f"{world.name}: {place}"
    spend = """mutation ($id: ID!, $word: String!, $key: String!) { done: deductCredits(input: {walletId: $id,
      stagingType: "BASIC_ROOM", reference: $word, description: $word, idempotencyKey: $key}) {
      transaction { id } } }"""
    spent = await world.ask(world.tokens["service"], spend, id=wallet, word=word, key=uuid4().hex)
    undo = """mutation ($id: ID!, $word: String!, $key: String!) { refundDeduction(input: {transactionId: $id,
      reason: OTHER, note: $word, idempotencyKey: $key}) { transaction { id } } }"""
    given = spent.data["done"]["transaction"]["id"]
    (await world.ask(world.tokens["service"], undo, id=given, word=word, key=uuid4().hex)).data  # noqa: B018
    take = """mutation ($id: ID!, $key: String!) { captureHold(input: {holdId: $id, idempotencyKey: $key}) {
      hold { id } } }"""
    (await world.ask(world.tokens["service"], take, id=await world.hold(place), key=uuid4().hex)).data  # noqa: B018
    await _pay(world, await world.purchase(place, await world.buyer()))


async def _pay(world: World, bought: str) -> None:
    await world.service.pay((await purchase(bought)).checkout_url or "")


async def _in_turns(asked: Iterable[Any], at_once: int = 8) -> list[Any]:
    waiting, done = list(asked), []
    while waiting:
        done += await asyncio.gather(*waiting[:at_once])
        del waiting[:at_once]
    return done


async def _answering(world: World, caller: str, ids: list[str]) -> set[str]:
    """Those of the ids that are nodes to the caller."""
    pages = [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]
    answers = await _in_turns(world.ask(world.tokens[caller], many_nodes(page)) for page in pages)
    seen = set()
    for answer in answers:
        assert {*answer.codes} <= {"NOT_FOUND", "FORBIDDEN"}, answer.body
        seen |= {node["id"] for node in answer.body["data"].values() if node}
    return seen


def _some(things: Things, wanted: set[str]) -> list[Thing]:
    """A few of each kind in each place."""

    def drawer(thing: Thing) -> tuple[str, list[str], bool]:
        return thing.kind.value, sorted(thing.places), len(thing.of) > 1

    chosen = sorted((things[each] for each in wanted if things[each].kind in TYPES), key=drawer)
    return [thing for _, same in groupby(chosen, drawer) for thing in [*same][-ENOUGH:]]


async def _told(world: World, caller: str, things: list[Thing]) -> tuple[set[str], set[str]]:
    """Every id along every edge of these, and the codes of all that is refused."""
    token = world.tokens[caller]
    answers: list[Answer] = await _in_turns(
        [
            world.ask(token, every_field_of("Viewer", root="viewer")),
            *(world.ask(token, every_field_of(TYPES[thing.kind]), id=thing.id) for thing in things),
        ]
    )
    found = {each for answer in answers for each in ids_in(answer.body["data"])}
    return found, {code for answer in answers for code in answer.codes}


def test_every_type_of_the_schema_is_walked() -> None:
    assert {*TYPES.values()} == {*node_types()}


@pytest.mark.parametrize("caller", CALLERS)
async def test_as_nodes_and_along_all_edges_there_is_what_the_matrix_allows(world: World, caller: str) -> None:
    things = await things_of(world)
    allowed = {each for each, thing in things.items() if _is_seen(world, caller, thing)}

    seen = await _answering(world, caller, [each for each, thing in things.items() if thing.kind in TYPES])
    told, codes = await _told(world, caller, [things[each] for each in sorted(seen)])

    assert seen == {each for each in allowed if things[each].kind in TYPES}
    of_the_world = told & {*things}
    assert {each for each in of_the_world if not _may_be_told(world, caller, things[each])} == set()
    assert codes <= {"FORBIDDEN", "NOT_FOUND"}
    if caller not in {STRANGER, "operator", "service"}:
        assert told - {*things} <= {world.actors[caller].id}
    assert {things[each].kind for each in seen} <= {things[each].kind for each in of_the_world}


# What these do not see of these places is refused to them by the matrix (S, D); to people it is not there.
PROGRAMS = {"api_key": EVERYWHERE, LIMITED: EVERYWHERE, "service": (*EVERYWHERE, "individual")}


@pytest.mark.parametrize("caller", CALLERS)
async def test_a_node_that_is_not_seen_is_refused_word_for_word_as_one_that_is_not_there(
    world: World, caller: str
) -> None:
    things = await things_of(world)
    hidden = {each for each, thing in things.items() if not _is_seen(world, caller, thing)}

    for thing in _some(things, hidden):
        ask = every_field_of(TYPES[thing.kind])
        theirs, nothing = [
            await world.ask(world.tokens[caller], ask, id=given) for given in (thing.id, make_id(thing.kind))
        ]
        if _lies(thing, PROGRAMS.get(caller, ())) and {*theirs.codes} == {"FORBIDDEN"}:
            assert not any(theirs.body["data"].values())
        else:
            assert _words(theirs) == _words(nothing), thing


def _words(answer: Answer) -> tuple[int, Any, list[tuple[str, str]]]:
    errors = [(error["message"], error["extensions"]["code"]) for error in answer.body["errors"]]
    return answer.status, answer.body["data"], errors


def _named_by_id() -> list[str]:
    """The root fields that are asked for by nothing but an id."""
    query = snapshot().query_type
    assert query is not None
    required = {
        name: [each for each, argument in field.args.items() if is_required_argument(argument)]
        for name, field in query.fields.items()
    }
    return [name for name, needed in required.items() if needed == ["id"] and name != "node"]


@pytest.mark.parametrize("name", _named_by_id())
async def test_an_id_of_another_kind_is_answered_alike_whether_it_is_there_or_not(world: World, name: str) -> None:
    ask = f"query ($id: ID!) {{ {name}(id: $id) {{ id }} }}"
    things = await things_of(world)
    others = {thing.kind: thing.id for thing in things.values() if TYPES.get(thing.kind, "").lower() != name}

    for caller in ("owner", "member", STRANGER):
        for kind, given in others.items():
            there, nothing = [await world.ask(world.tokens[caller], ask, id=each) for each in (given, make_id(kind))]

            assert there.codes == ["BAD_USER_INPUT"], (kind, there.body)
            assert _words(there) == _words(nothing)


FILTERED = """query ($id: ID!, $word: String!, $actor: ID!) { wallet(id: $id) {
  named: transactions(first: 100, filter: {reference: $word}) { nodes { id } }
  found: transactions(first: 100, filter: {search: $word}) { nodes { id } }
  done: transactions(first: 100, filter: {actorId: $actor}) { nodes { id } } } }"""
WHOLE = FILTERED.replace("wallet(", "account(")


@pytest.mark.parametrize("caller", CALLERS)
async def test_filters_find_nothing_of_what_is_not_seen(world: World, caller: str) -> None:
    things = await things_of(world)
    actor = world.actors["service"].id
    asked = [(FILTERED, world.wallet_of(one), f"{world.name}: {other}") for one in EVERYWHERE for other in EVERYWHERE]
    asked += [(WHOLE, world.id_of("account"), f"{world.name}: {place}") for place in EVERYWHERE]

    answers: list[Answer] = await _in_turns(
        world.ask(world.tokens[caller], ask, id=given, word=word, actor=actor) for ask, given, word in asked
    )

    found = {each for answer in answers for each in ids_in(answer.body["data"])} & {*things}
    lines = {each for each in found if things[each].kind is Kind.TRANSACTION}
    assert {place for each in lines for place in things[each].places} == {*HISTORY[caller]} & {*EVERYWHERE}
    assert {each for each in found if not _is_seen(world, caller, things[each])} == set()
    assert {code for answer in answers for code in answer.codes} <= {"NOT_FOUND", "FORBIDDEN"}


def _live_on(thing: Thing) -> str | None:
    """What a subscription to it tells, with every edge of it."""
    if thing.kind is Kind.PURCHASE:
        return f"subscription ($id: ID!) {{ purchaseUpdated(purchaseId: $id) {{ {every_edge_of('Purchase')} }} }}"
    if thing.kind is Kind.WALLET:
        change = every_edge_of("BalanceChange")
        return f"subscription ($id: ID!) {{ balanceChanged(walletId: $id) {{ {change} }} }}"
    return None


@pytest.mark.parametrize("caller", CALLERS)
async def test_live_there_is_what_the_matrix_allows(world: World, caller: str) -> None:
    things = await things_of(world)
    chosen = [(thing, ask) for thing in _some(things, {*things}) if (ask := _live_on(thing))]

    answers = await _in_turns(
        world.ask(world.tokens[caller], ask, id=thing.id)  # the first that comes
        for thing, ask in chosen
    )

    for (thing, _), answer in zip(chosen, answers, strict=True):
        told = ids_in(answer.body.get("data")) & {*things}
        assert {each for each in told if not _may_be_told(world, caller, things[each])} == set()
        assert {*answer.codes} <= {"NOT_FOUND", "FORBIDDEN"}
        assert _is_seen(world, caller, thing) or (answer.codes and not told)
