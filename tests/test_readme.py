"""The README is true: its tables are the program's, what it names is there, and its walk-through is walked."""

import asyncio
import json
import re
import shlex
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from graphql import OperationDefinitionNode, OperationType, parse, validate
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from app.auth import token_rules
from app.demo import keep
from app.sandbox.slack_people import PEOPLE
from app.settings import env_example, markdown_table
from credits.access import tokens
from credits.accounts.models import Account, AccountKind, AccountRole
from credits.accounts.queries import account_places, department_places, pool_places
from credits.accounts.service import NewAccount, add_membership, create_account, create_department, create_pool
from credits.actors import SYSTEM
from credits.approvals.rules import PolicyView
from credits.approvals.service import set_policy
from credits.ledger.queries import now
from tests.support.service import Live, Service
from tests.support.slack import Posted, eventually
from tests.test_operations import OPERATIONS, PROJECT, SCHEMA

README = (PROJECT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
_OPENING = {"account": 1_000, "pool": 400, "department": 120, "sibling_department": 60}


def section(title: str) -> str:
    """The text under a headline, to the next one of its rank or above."""
    _, headline, rest = README.partition(f"\n## {title}\n")
    assert headline, f"There is no section {title!r}"
    return rest.partition("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of that language."""
    return [body for found, body in _BLOCK.findall(text) if found == language]


def test_the_table_of_settings_is_the_programs() -> None:
    shown = README.partition("<!-- settings -->\n")[2].partition("<!-- /settings -->")[0]

    assert shown.strip() == markdown_table()


def test_the_example_of_an_env_file_is_the_programs() -> None:
    assert (PROJECT / ".env.example").read_text(encoding="utf-8").rstrip() == env_example().rstrip()


@pytest.mark.parametrize("text", blocks(README, "graphql"))
def test_an_operation_is_valid_and_one_of_the_examples(text: str) -> None:
    examples = {re.sub(r"^#.*\n", "", example, flags=re.MULTILINE) for example in OPERATIONS.values()}

    assert validate(SCHEMA, parse(text)) == []
    assert text in examples


def test_each_target_of_make_is_there() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`|\w )make ([a-z]+)(?=`|$)", README, re.MULTILINE))

    assert named >= {"demo", "test", "lint"}
    assert named == named & set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def test_each_file_and_folder_of_the_layout_is_there() -> None:
    assert [path for path in layout() if not (PROJECT / path).exists()] == []


def layout() -> Iterator[str]:
    """The paths in the tree: what is indented lies in the folder above."""
    (tree,) = blocks(section("Where things are"), "text")
    folder = ""
    for line in tree.splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            folder = name if name.endswith("/") else ""
        yield f"{folder}{name}" if line.startswith(" ") else name


def test_the_people_are_those_of_the_demonstration(service: Service) -> None:
    named = re.findall(r"^\| `(\w+)` \|", section("The people of the demonstration"), re.MULTILINE)

    assert sorted(named) == sorted(service.demo.tokens)


@pytest.fixture
async def fresh(service: Service) -> AsyncIterator[Service]:
    """The service with an enterprise like the demonstration's on its first start, which no other test has touched;
    afterwards the clock shows real time again."""
    email = f"{uuid4().hex}@demo.example"
    wanted = NewAccount(
        name="Hearth & Home Realty",
        kind=AccountKind.ENTERPRISE,
        time_zone="America/New_York",
        owner_email=email,
        owner_name="Olivia Owner",
        idempotency_key=uuid4().hex,
    )
    account, _ = await create_account(SYSTEM, wanted)
    at = await now()
    async with in_transaction() as connection:
        pool = await create_pool(connection, account_id=account.id, name="Residential", at=at)
        departments = [
            await create_department(connection, pool=pool, name=name, at=at) for name in ("Downtown", "Suburbs")
        ]
        for name in ("member", "approver", "deputy"):
            user_id = service.demo.users[name]
            await add_membership(connection, account_id=account.id, user_id=user_id, role=AccountRole.MEMBER, at=at)
        await Account.filter(id=account.id).using_db(connection).update(slack_channel="#credits")
    await set_policy(SYSTEM, policy_of_the_demonstration(service, account.id), now=at)
    found = await department_places([department.id for department in departments])
    places = {
        "account": (await account_places([account.id]))[account.id],
        "pool": (await pool_places([pool.id]))[pool.id],
        "department": found[departments[0].id],
        "sibling_department": found[departments[1].id],
    }
    for name, place in places.items():
        await service.give(place, _OPENING[name])
    owner = tokens.sign(token_rules(service.settings), email=email, valid_for=timedelta(hours=1))
    demo = replace(
        service.demo,
        tokens={**service.demo.tokens, "owner": owner},
        accounts={"demo": account.id},
        wallets={name: place.wallet_id or "" for name, place in places.items()},
    )
    yield replace(service, demo=demo)
    await get_connection("default").execute_query("DELETE FROM clock_offset")


def policy_of_the_demonstration(service: Service, account_id: str) -> PolicyView:
    """From 500 credits on, one of two."""
    return PolicyView(
        id="",
        account_id=account_id,
        pool_id=None,
        minimum_credits=500,
        approver_ids=(service.demo.users["approver"], service.demo.users["deputy"]),
        required_approvals=1,
        expires_after_hours=72,
        remind_after_hours=None,
        escalate_after_hours=None,
        escalate_to_ids=(),
        slack_channel=None,
    )


async def test_the_walk_goes_as_the_readme_says(fresh: Service) -> None:
    async with fresh.live() as live:
        walk = Walk(fresh, live)
        for step in steps(section("A walk in nine steps")):
            await walk.take(step)
        await fresh.pay(walk.found["<checkoutUrl>"])

    bought = await fresh.gql(OPERATIONS["purchase"], id=walk.found["<id of the purchase>"])
    assert bought.data["purchase"]["status"] == "PAID"
    assert walk.taken == {"graphql": 15, "sh": 5, "Answer": 24, "Event": 4, "Card": 5}


async def test_an_enterprise_is_set_up_as_the_readme_says(service: Service) -> None:
    async with service.live("operator") as live:
        walk = Walk(service, live)
        for step in steps(section("Setting up an enterprise")):
            await walk.take(step)

    assert walk.taken == {"graphql": 8, "Answer": 11}


@dataclass(frozen=True, slots=True)
class Step:
    """A block of the walk: its language, its text, and the prose since the block before."""

    language: str
    body: str
    lead: str


def steps(text: str) -> Iterator[Step]:
    """The blocks in their order."""
    end = 0
    for found in _BLOCK.finditer(text):
        yield Step(found[1], found[2], text[end : found.start()].strip())
        end = found.end()


@dataclass(slots=True)
class Walk:
    """Somebody who does what the walk says, with `taken` steps of each kind so far."""

    service: Service
    live: Live
    operation: str = ""
    token: str = "owner"
    variables: dict[str, Any] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    began: float = field(default_factory=time.time)

    async def take(self, step: Step) -> None:
        """Take one step, and compare what comes back with what is promised."""
        match step.language:
            case "graphql":
                self._choose(step.body, step.lead)
                self._count("graphql")
            case "sh" if step.body.startswith("curl"):
                await self._curl(step.body)
                self._count("sh")
            case "json":
                await self._compare(step)
            case "text" if named := re.search(r"Card (?:in|for)\s`?([^`]+?)`?:$", step.lead):
                await self._see_card(named[1], step.body.splitlines())
                self._count("Card")

    def _choose(self, operation: str, lead: str) -> None:
        """From now on this operation, sent by whom the prose says."""
        self.operation, self.variables = operation, {}
        named = re.search(r"<!-- as (\w+) -->", lead)
        self.token = named[1] if named else "owner"

    async def _compare(self, step: Step) -> None:
        told = json.loads(step.body)
        if named := re.search(r"(?:Variables|Answer) of `(\w+)`:$", step.lead):
            self._choose(OPERATIONS[re.sub(r"(?<=[a-z])(?=[A-Z])", "-", named[1]).lower()], step.lead)
            self.variables = {"id": self.service.demo.wallets["department"]}
        if "Variables" in step.lead.splitlines()[-1]:
            self.variables = self._filled(told)
            if self._kind() is OperationType.SUBSCRIPTION:
                await self.live.subscribe(self.operation, **self.variables)
        elif "balanceChanged" in told or "purchaseUpdated" in told:
            await self._hear(told)
            self._count("Event")
        else:
            await self._ask(told, soon="seconds later" in step.lead.splitlines()[-1])
            self._count("Answer")

    def _kind(self) -> OperationType:
        (definition,) = parse(self.operation).definitions
        assert isinstance(definition, OperationDefinitionNode)
        return definition.operation

    async def _hear(self, told: dict[str, Any]) -> None:
        """The next event is the one that was told; of a purchase, one of the next: some may come as one."""
        event = await self.live.next(within_s=10)
        while "purchaseUpdated" in told and not agrees(told, event):
            event = await self.live.next(within_s=10)
        agree(told, event)

    async def _ask(self, told: dict[str, Any], *, soon: bool) -> None:
        async def ask() -> dict[str, Any]:
            return (await self.service.gql(self.operation, self.token, **self.variables)).data

        answer = await (eventually(ask, partial(agrees, told), within_s=20) if soon else ask())
        agree(told, answer)
        bought = answer.get("purchaseCredits", {}).get("purchase")
        if bought:
            self.found = {"<id of the purchase>": bought["id"]}
        if hold := answer.get("placeHold", {}).get("hold"):
            self.found |= {"<id of the hold>": hold["id"], "<id of its first item>": hold["items"][0]["id"]}
        if many := answer.get("deductCreditsMany"):
            self.found["<id of the first transaction>"] = many["results"][0]["transaction"]["id"]
        for payload in filter(lambda each: isinstance(each, dict), answer.values()):
            for part in (payload.get("account"), payload.get("pool"), payload.get("department"), _member(payload)):
                if part and {"id", "name"} <= part.keys():
                    self.found[f"<id of {part['name']}>"] = part["id"]
        if address := (bought or answer.get("purchase") or {}).get("checkoutUrl"):
            self.found["<checkoutUrl>"] = address

    async def _see_card(self, place: str, told: list[str]) -> None:
        """One of the messages that were written there since the walk began shows these lines, soon."""
        channel = next((person.direct_id for person in PEOPLE.values() if person.real_name == place), place)

        async def look() -> list[Posted]:
            response = await self.service.http.get("/sandbox/slack/messages", params={"channel": channel})
            return [each for each in response.json() if float(each["ts"]) > self.began]

        messages = await eventually(look, lambda seen: any(shows(each, told) for each in seen))
        self.found["<ts of the card>"] = next(each["ts"] for each in messages if shows(each, told))

    def _filled(self, variables: dict[str, Any]) -> dict[str, Any]:
        """What stands in angle brackets, put in."""
        known = {
            "<wallet of the account>": self.service.demo.wallets["account"],
            "<wallet of Residential>": self.service.demo.wallets["pool"],
            "<wallet of Downtown>": self.service.demo.wallets["department"],
            "<wallet of Suburbs>": self.service.demo.wallets["sibling_department"],
            "<an hour from now, such as 2027-01-31T15:00:00Z>": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
            **self.found,
        }
        filled: dict[str, Any] = json.loads(
            json.dumps(variables), object_hook=lambda found: {key: _known(known, value) for key, value in found.items()}
        )
        return filled

    async def _curl(self, command: str) -> None:
        """What the command asks for, asked here: the tests are not to need curl."""
        for name, value in {
            **self.found,
            "$TOKEN": self.service.demo.tokens["owner"],
            "$WALLET": self.service.demo.wallets["department"],
        }.items():
            command = command.replace(name, value)
        words = shlex.split(command)
        (url,) = (word for word in words if word.startswith("http"))
        headers = dict(_after(words, "-H", ": "))
        (body,) = (words[index + 1] for index, word in enumerate(words) if word == "-d")
        kind = {} if "Content-Type" in headers else {"Content-Type": "application/x-www-form-urlencoded"}
        path = urlsplit(url).path
        answer = await self.service.http.post(path, content=body, headers=headers | kind, follow_redirects=True)
        assert answer.status_code == 200, answer.text
        assert '"errors"' not in answer.text
        if "Thank you" not in answer.text:
            answer.json()

    def _count(self, kind: str) -> None:
        self.taken[kind] = self.taken.get(kind, 0) + 1


def _member(payload: dict[str, Any]) -> dict[str, Any]:
    membership = payload.get("membership") or {}
    user: dict[str, Any] = membership.get("user") or {}
    return user


def shows(message: Posted, told: list[str]) -> bool:
    """Whether the message has these lines; a card without blocks is its text."""
    drawn = [line for block in message["blocks"] for line in _drawn(block)] or [message["text"]]
    patterns = (re.escape(line).replace("…", ".*") for line in told)
    return all(any(re.fullmatch(pattern, line) for line in drawn) for pattern in patterns)


def _drawn(block: dict[str, Any]) -> Iterator[str]:
    """The lines of a block, as they are read, buttons in brackets."""
    if "text" in block:
        text = block["text"]
        yield unescape(text["text"]) if text["type"] == "mrkdwn" else text["text"]
    if block["type"] == "rich_text":
        yield from (f"> {text['text']}" for quote in block["elements"] for text in quote["elements"])
    if block["type"] == "actions":
        yield " ".join(f"[{each['text']['text']}]" for each in block["elements"])


def _known(known: dict[str, str], value: Any) -> Any:
    return known.get(value, value) if isinstance(value, str) else value


def _after(words: list[str], option: str, separator: str) -> Iterator[tuple[str, str]]:
    for index, word in enumerate(words):
        if word == option:
            name, _, value = words[index + 1].partition(separator)
            yield name, value


def agree(told: Any, found: Any) -> None:
    """Fails where what is told is not what was found; `…` in it stands for anything."""
    if isinstance(told, dict):
        assert isinstance(found, dict)
        named = {key for key in told if key != "…"}
        assert named == found.keys() or ("…" in told and named < found.keys()), (told, found)
        for key in named:
            agree(told[key], found[key])
    elif isinstance(told, list):
        assert isinstance(found, list)
        assert len(told) == len(found), (told, found)
        for one, other in zip(told, found, strict=True):
            agree(one, other)
    elif isinstance(told, str) and "…" in told:
        beginning = told.removesuffix("…").replace("http://127.0.0.1:8000", "")
        assert isinstance(found, str)
        assert re.sub(r"^http://[^/]+", "", found).startswith(beginning), (told, found)
    else:
        assert told == found


def agrees(told: Any, found: Any) -> bool:
    """Whether `agree` has nothing against it."""
    try:
        agree(told, found)
    except AssertionError:
        return False
    return True


async def test_the_script_that_watches_tells_the_balance_and_each_change(fresh: Service, tmp_path: Path) -> None:
    (script,) = blocks(README, "python")
    keep(fresh.demo, tmp_path / ".credits")
    spending = {
        "walletId": fresh.demo.wallets["department"],
        "stagingType": "BASIC_ROOM",
        "idempotencyKey": uuid4().hex,
    }

    watching = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert watching.stdout is not None
        first = json.loads(await asyncio.wait_for(watching.stdout.readline(), 10))
        await fresh.gql(OPERATIONS["deduct-credits"], input=spending)
        second = json.loads(await asyncio.wait_for(watching.stdout.readline(), 10))
    finally:
        watching.kill()
        await watching.wait()

    changes = [event["payload"]["data"]["balanceChanged"] for event in (first, second)]
    assert changes == [
        {"balance": {"available": 120}, "causes": []},
        {"balance": {"available": 118}, "causes": ["DEDUCTION"]},
    ]
