"""Who may do what: every cell of authorization.csv that is built, asked of the running service.

A cell is asked as its role in a world of its own (world.py). What is allowed is answered, what is not changes nothing,
and what may not be known of is answered in the very words in which an id of nothing is.
"""

import csv
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from graphql import GraphQLObjectType, GraphQLSchema, build_schema, get_named_type

import schema
from credits.accounts.rules import Scope
from credits.ids import Kind, kind_of, make_id
from tests.schema.rows import ROWS, Row
from tests.schema.world import MUCH, ROLES, STRANGER, World, digest, make_world
from tests.support.service import Answer, Service

MATRIX = Path(__file__).with_name("authorization.csv")
SNAPSHOT = Path(schema.__file__).with_name("schema.graphql")
NOBODY = "nobody"
# Rows of the matrix whose field is not in the schema yet. Whoever builds one takes it out and says how to ask for it.
OPEN = {
    "rateLimit",
    "account.webhookEndpoints",
    "createWebhookEndpoint",
    "setWebhookEndpoint",
    "deleteWebhookEndpoint",
    "rollWebhookSecret",
    "resendWebhook",
}
# How many they are. It comes down with them and never goes up: what is new in the matrix is built with its row.
STILL_OPEN = 7


def _matrix() -> dict[str, dict[str, str]]:
    lines = [line for line in MATRIX.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {row.pop("field"): row for row in csv.DictReader(lines)}


@cache
def _snapshot() -> GraphQLSchema:
    return build_schema(SNAPSHOT.read_text(encoding="utf-8"))


def _built(field: str) -> bool:
    """Whether what a row is about is in the schema: a root field, or a field of what a root field answers."""
    root, _, inner = field.partition("(")[0].partition(".")
    for kind in (_snapshot().query_type, _snapshot().mutation_type, _snapshot().subscription_type):
        if kind and root in kind.fields:
            answered = get_named_type(kind.fields[root].type)
            return not inner or (isinstance(answered, GraphQLObjectType) and inner in answered.fields)
    return False


def _cells() -> list[tuple[str, str, str]]:
    """Row, role and expectation of every cell that is built, and those that the matrix tells in a sentence."""
    cells = []
    for row, expectations in _matrix().items():
        if row not in ROWS:
            continue
        cells += [(row, role, expectations[role]) for role in ROLES]
        of_the_platform = all(expectations[role] == "D" for role in ROLES if role not in {"service", "operator"})
        named = "X" if ROWS[row].subject else "A"
        cells.append((row, STRANGER, "D" if of_the_platform else named))
        cells.append((row, NOBODY, "A" if row in {"packages", "stagingTypes"} else "U"))
    return cells


def test_every_root_field_has_a_row() -> None:
    kinds = (_snapshot().query_type, _snapshot().mutation_type, _snapshot().subscription_type)
    roots = {field for kind in kinds if kind for field in kind.fields}
    rows = {row.partition("(")[0].partition(".")[0] for row in _matrix()}

    assert roots - rows == set()


def test_every_row_is_asked_for_or_open() -> None:
    assert {row for row in _matrix() if not _built(row)} == OPEN
    assert set(_matrix()) - OPEN == set(ROWS)
    assert len(OPEN) == STILL_OPEN


def test_the_matrix_knows_every_role_and_every_cell_a_meaning() -> None:
    scopes = {f"S:{scope}" for scope in Scope}

    for row, expectations in _matrix().items():
        assert tuple(expectations) == ROLES, row
        assert {*expectations.values()} <= {"A", "O", "D", "X", "E", *scopes}, row
        assert {role for role, cell in expectations.items() if cell in scopes} <= {"api_key"}, row


@pytest.fixture(scope="module")
async def world(service: Service) -> AsyncIterator[World]:
    """One for all tests of this module, with policies for purchases of much. Nobody works meanwhile: what a sweep books
    anywhere would look like an effect of what was refused."""
    world = await make_world(service)
    await world.policy(minimum_credits=MUCH * 100, approvers=("approver",))
    await world.policy(minimum_credits=MUCH * 100, approvers=("owner",), pool="other_pool")
    async with service.workers.away():
        yield world


async def _ask(world: World, row: Row, token: str | None, given: str | None) -> Answer:
    variables: dict[str, Any] = {"id": given} if given else {}
    if "$key" in row.document:
        variables["key"] = uuid4().hex
    if "$ticket" in row.document:
        variables["ticket"] = world.ticket()
    if "$people" in row.document:
        variables["people"] = [world.actors[role].id for role in ("approver", "owner")]
    if "$person" in row.document:
        variables["person"] = world.newcomer
    if "$email" in row.document:
        variables["email"] = f"{uuid4().hex}@world.example"
    variables |= {place: world.wallet_of(place) for place in world.places if f"${place}:" in row.document}
    return await world.ask(token, row.document, **variables)


async def _subject(world: World, row: Row, role: str, *, inside: bool = True) -> str | None:
    return await row.subject(world, role, inside) if row.subject else None


def _value(answer: Answer, path: tuple[str | int, ...]) -> Any:
    value: Any = answer.body.get("data")
    for name in path:
        value = value[name] if value else None
    return value


async def _allowed(world: World, row: Row, token: str | None, given: str | None) -> None:
    answer = await _ask(world, row, token, given)

    assert answer.codes == [], answer.body
    assert _value(answer, row.path) is not None


async def _refused(world: World, row: Row, token: str | None, given: str | None, code: str) -> Answer:
    before = await digest()

    answer = await _ask(world, row, token, given)

    assert answer.codes == [code], answer.body
    assert _value(answer, row.path) is None
    assert await digest() == before
    return answer


def _without_ids(answer: Answer) -> tuple[int, Any, list[tuple[str, str]]]:
    errors = [(error["message"], error["extensions"]["code"]) for error in answer.body["errors"]]
    return answer.status, answer.body.get("data"), errors


async def _unknown(world: World, row: Row, token: str | None, given: str | None) -> None:
    """As if there were nothing: the answer differs in no word from that for an id of nothing."""
    kind = kind_of(given or "")
    assert kind is not None

    answer = await _refused(world, row, token, given, "NOT_FOUND")
    nothing = await _refused(world, row, token, make_id(kind), "NOT_FOUND")

    assert _without_ids(answer) == _without_ids(nothing)


async def _is_allowed(world: World, row: Row, role: str) -> None:
    await _allowed(world, row, world.tokens.get(role), await _subject(world, row, role))


async def _is_allowed_in_scope(world: World, row: Row, role: str) -> None:
    await _allowed(world, row, world.tokens[role], await _subject(world, row, role))
    if row.path[0] == "account":
        return  # there is one account; what of its lists is in scope has tests of its own
    await _unknown(world, row, world.tokens[role], await _subject(world, row, role, inside=False))


async def _is_forbidden(world: World, row: Row, role: str) -> None:
    await _refused(world, row, world.tokens[role], await _subject(world, row, role), "FORBIDDEN")


async def _is_unknown(world: World, row: Row, role: str) -> None:
    await _unknown(world, row, world.tokens[role], await _subject(world, row, role))


async def _is_unauthenticated(world: World, row: Row, role: str) -> None:
    """Whatever they ask for, there or not: nobody learns which."""
    given = await _subject(world, row, STRANGER)
    for each in (given, make_id(kind_of(given) or Kind.WALLET), "nonsense") if given else (None,):
        answer = await _refused(world, row, None, each, "UNAUTHENTICATED")

        assert answer.status == (200 if row.document.startswith("subscription") else 401)


async def _is_told_why(world: World, row: Row, role: str) -> None:
    given = await _subject(world, row, role)
    before = await digest()

    answer = await _ask(world, row, world.tokens[role], given)

    (error,) = answer.data["done"]["userErrors"]
    own = row is ROWS["approvePurchase(own)"]
    assert error["code"] == ("SELF_APPROVAL" if own else "NOT_AN_APPROVER")
    assert _value(answer, row.path) is None
    # Who tries to approve their own purchase is written down.
    kept = {"audit_entries"} if own else set()
    after = await digest()
    assert {table for table in before if after[table] != before[table]} == kept


CHECKS = {
    "A": _is_allowed,
    "O": _is_allowed_in_scope,
    "D": _is_forbidden,
    "X": _is_unknown,
    "E": _is_told_why,
    "U": _is_unauthenticated,
}


@pytest.mark.parametrize(("name", "role", "expected"), [cell for cell in _cells() if not cell[2].startswith("S:")])
async def test_each_cell_holds(world: World, name: str, role: str, expected: str) -> None:
    await CHECKS[expected](world, ROWS[name], role)


SCOPED = [(name, Scope(expected[2:])) for name, _, expected in _cells() if expected.startswith("S:")]


@pytest.mark.parametrize(("name", "scope"), SCOPED)
async def test_a_key_with_the_scope_alone_is_enough(world: World, name: str, scope: Scope) -> None:
    key = await world.key(frozenset({scope}))

    await _allowed(world, ROWS[name], key, await _subject(world, ROWS[name], key))


@pytest.mark.parametrize(("name", "scope"), SCOPED)
async def test_a_key_with_every_other_scope_is_not(world: World, name: str, scope: Scope) -> None:
    key = await world.key(frozenset(Scope) - {scope})

    await _refused(world, ROWS[name], key, await _subject(world, ROWS[name], key), "FORBIDDEN")


@pytest.mark.parametrize(("name", "scope"), SCOPED)
async def test_a_key_for_another_wallet_is_not(world: World, name: str, scope: Scope) -> None:
    key = await world.key(frozenset(Scope), only=("other_department",))

    await _refused(world, ROWS[name], key, await _subject(world, ROWS[name], key), "FORBIDDEN")


async def test_nobody_is_not_told_what_else_is_wrong_with_a_call(world: World) -> None:
    ask = "mutation { deductCreditsMany(input: {deductions: []}) { posted userErrors { code } } }"

    assert (await world.ask(None, ask)).codes == ["UNAUTHENTICATED"]


# To ask for more moves nothing: it takes the department's wallet alone.
ALLOCATIONS = [name for name, scope in SCOPED if scope is Scope.ALLOCATE and name != "requestAllocation"]


@pytest.mark.parametrize("name", ALLOCATIONS)
@pytest.mark.parametrize("only", ["account", "pool", "department"])
async def test_a_key_for_one_of_two_wallets_moves_nothing_between_them(world: World, name: str, only: str) -> None:
    key = await world.key(frozenset(Scope), only=(only,))

    await _refused(world, ROWS[name], key, await _subject(world, ROWS[name], key), "FORBIDDEN")


@pytest.mark.parametrize("name", ALLOCATIONS)
async def test_a_key_for_both_wallets_moves_credits_between_them(world: World, name: str) -> None:
    key = await world.key(frozenset(Scope), only=("account", "pool", "department"))

    await _allowed(world, ROWS[name], key, await _subject(world, ROWS[name], key))


@pytest.mark.parametrize(("name", "scope"), SCOPED)
async def test_a_key_of_another_account_finds_nothing(world: World, name: str, scope: Scope) -> None:
    key = await world.key(frozenset(Scope), of="individual")

    await _unknown(world, ROWS[name], key, await _subject(world, ROWS[name], key))
