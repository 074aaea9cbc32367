"""The world of the tests of rights: an enterprise of its own with everybody in it, and something in every wallet.

account ── pool ─────── department, sibling
        └─ other_pool ─ other_department
individual   an individual's account in which member, approver and auditor have a role too
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

from app.auth import tickets_of, token_rules
from credits.access import tokens
from credits.access.keys import add_api_key, new_secret
from credits.access.models import ApiKey
from credits.accounts.models import AccountKind, AccountRole
from credits.accounts.queries import account_places, department_places, pool_places
from credits.accounts.rules import Place, Scope
from credits.accounts.service import (
    NewAccount,
    add_department_member,
    add_membership,
    add_pool_administrator,
    create_account,
    create_department,
    create_pool,
    find_or_make_user,
)
from credits.accounts.structure import add_department, add_pool
from credits.actors import SYSTEM, Actor, ActorKind
from credits.approvals.queries import latest_by_purchase
from credits.approvals.rules import PolicyView
from credits.approvals.service import set_policy
from credits.ledger.commands import Wanted
from credits.ledger.hold_service import HoldInput, place_hold
from credits.ledger.posting import Refused
from credits.ledger.queries import LineFilter, open_lots, wallet_lines
from credits.ledger.service import DeductionInput, Done, TransferInput, allocate, deduct
from credits.purchases.service import PurchaseInput, request_purchase
from tests.support.service import Answer, Service

PEOPLE = ("owner", "auditor", "member", "pool_admin", "department_member", "approver")
ROLES = (*PEOPLE, "api_key", "service", "operator")
STRANGER = "other_owner"
# Of each wallet in the beginning.
AVAILABLE, PROMISED = 1_000, 4
# Packages of 100 credits: beyond what the tests buy otherwise, counted together as purchases of a day are.
MUCH = 4_000
# From where credits go to where, and the same number back: nobody has more or less, and all have counterparts.
WAYS = (
    ("account", "pool"),
    ("pool", "department"),
    ("department", "sibling"),
    ("account", "other_pool"),
    ("other_pool", "other_department"),
)
_WEEK_S = 7 * 24 * 3600
_ROLE_OF = {"owner": AccountRole.OWNER, "auditor": AccountRole.AUDITOR}


@dataclass(slots=True, kw_only=True)
class World:
    """Tokens and actors by role, places by name, and a transaction, a lot and an open hold of each place's wallet."""

    service: Service
    name: str
    places: dict[str, Place]
    tokens: dict[str, str]
    actors: dict[str, Actor] = field(default_factory=dict)
    transactions: dict[str, str] = field(default_factory=dict)
    lots: dict[str, str] = field(default_factory=dict)
    holds: dict[str, str] = field(default_factory=dict)
    keys: dict[tuple[frozenset[Scope], tuple[str, ...], str], str] = field(default_factory=dict)
    # Whom the call at hand is about.
    newcomer: str = ""

    def id_of(self, place_name: str) -> str:
        """The id of the account, pool or department."""
        place = self.places[place_name]
        return place.department_id or place.pool_id or place.account_id

    def wallet_of(self, place_name: str) -> str:
        """The id of its wallet."""
        return self.places[place_name].wallet_id or ""

    async def ask(self, token: str | None, document: str, **variables: Any) -> Answer:
        """Send an operation; a subscription over the websocket, and the first that comes is the answer."""
        if not document.startswith("subscription"):
            return await self.service.gql(document, token, **variables)
        async with self.service.live(token) as live:
            await live.subscribe(document, **variables)
            message = await live.receive()
        return Answer(200, message["payload"] if message["type"] == "next" else {"errors": message["payload"]})

    async def key(self, scopes: frozenset[Scope], only: tuple[str, ...] = (), of: str = "account") -> str:
        """An API key of an account; `only` names the places whose wallets it is limited to, if it is."""
        if (scopes, only, of) not in self.keys:
            secret = new_secret()
            account_id = self.places[of].account_id
            async with in_transaction() as connection:
                row = await add_api_key(
                    connection, account_id=account_id, name="A key", secret=secret, scopes=scopes, at=datetime.now(UTC)
                )
            if only:
                await ApiKey.filter(id=row.id).update(wallet_ids=[self.wallet_of(each) for each in only])
            self.keys[scopes, only, of] = secret
            self.actors[secret] = Actor(kind=ActorKind.API_KEY, id=row.id)
        return self.keys[scopes, only, of]

    def ticket(self) -> str:
        """What somebody whom nobody knows yet was given in Slack."""
        somebody = f"U{uuid4().hex[:9].upper()}"
        address = tickets_of(self.service.settings).link_address(
            team_id="T0NOBODYS1", org="T0NOBODYS1", chat_user_id=somebody
        )
        return address.partition("token=")[2]

    async def hold(self, place_name: str) -> str:
        """A new hold for two basic rooms, for as long as holds stand."""
        wanted = HoldInput(
            wallet_id=self.wallet_of(place_name),
            items=(Wanted(staging_type="BASIC_ROOM", quantity=2),),
            lasts_s=_WEEK_S,
            reference=None,
            metadata=None,
            on_behalf_of=None,
            idempotency_key=uuid4().hex,
        )
        done = _done(await place_hold(self.service.writer, SYSTEM, self.places[place_name], wanted))
        assert done.hold
        return done.hold.id

    async def deduction(self, place_name: str) -> str:
        """A basic room, just paid."""
        wanted = DeductionInput(
            wallet_id=self.wallet_of(place_name),
            staging_type="BASIC_ROOM",
            quantity=1,
            reference=None,
            description=None,
            metadata=None,
            on_behalf_of=None,
            idempotency_key=uuid4().hex,
        )
        return _done(await deduct(self.service.writer, SYSTEM, self.places[place_name], wanted)).line.id

    async def move(self, source: str, target: str) -> None:
        """Five credits from the wallet of one place to that of another."""
        wanted = TransferInput(
            from_wallet_id=self.wallet_of(source),
            to_wallet_id=self.wallet_of(target),
            credits=5,
            note=None,
            idempotency_key=uuid4().hex,
        )
        _done(await allocate(self.service.writer, SYSTEM, self.places[source], self.places[target], wanted))

    async def purchase(self, place_name: str, by: Actor, *, quantity: int = 1) -> str:
        """A new purchase for the place's wallet; of `MUCH` it needs approval where there is a policy."""
        wanted = PurchaseInput(
            wallet_id=self.wallet_of(place_name),
            package_code="STARTER",
            quantity=quantity,
            credits=None,
            justification=None,
            return_url=None,
            idempotency_key=uuid4().hex,
        )
        view, _ = await request_purchase(self.service.shared.checkouts, by, self.places[place_name], wanted)
        return view.id

    async def new_pool(self) -> str:
        """An empty pool; returns its id."""
        return await add_pool(SYSTEM, self.id_of("account"), name=uuid4().hex)

    async def new_department(self, pool_name: str) -> str:
        """An empty department of the pool; returns its id."""
        return await add_department(SYSTEM, self.id_of(pool_name), name=uuid4().hex)

    async def buyer(self) -> Actor:
        """A new member: what others of the tests have bought is not counted with what they buy."""
        return await self.hire(AccountRole.MEMBER)

    async def approval(self, place_name: str, by: Actor) -> str:
        """The request for consent to a new purchase of much."""
        bought = await self.purchase(place_name, by, quantity=MUCH)
        return (await latest_by_purchase([bought]))[bought].id

    async def policy(self, *, minimum_credits: int, approvers: tuple[str, ...], pool: str | None = None) -> str:
        """A policy that names the people with these roles and one more; returns its id."""
        another = await self.hire(AccountRole.MEMBER)
        wanted = PolicyView(
            id="",
            account_id=self.places["account"].account_id,
            pool_id=self.id_of(pool) if pool else None,
            minimum_credits=minimum_credits,
            approver_ids=(*(self.actors[role].id for role in approvers), another.id),
            required_approvals=1,
            expires_after_hours=72,
            remind_after_hours=None,
            escalate_after_hours=None,
            escalate_to_ids=(),
            slack_channel=None,
        )
        return (await set_policy(SYSTEM, wanted, now=datetime.now(UTC))).id

    async def hire(self, role: AccountRole, *, administers: str | None = None, belongs_to: str | None = None) -> Actor:
        """A new person in the account; their token stands under their id."""
        at, account_id = datetime.now(UTC), self.places["account"].account_id
        email = email_of(self.name, uuid4().hex)
        async with in_transaction() as connection:
            person = await find_or_make_user(connection, name="Somebody new", email=email, at=at)
            await add_membership(connection, account_id=account_id, user_id=person.id, role=role, at=at)
            if administers:
                pool_id = self.id_of(administers)
                await add_pool_administrator(connection, account_id=account_id, pool_id=pool_id, user_id=person.id)
            if belongs_to:
                department_id = self.id_of(belongs_to)
                await add_department_member(
                    connection, account_id=account_id, department_id=department_id, user_id=person.id
                )
        self.tokens[person.id] = _token(self.service, email)
        return Actor(kind=ActorKind.USER, id=person.id)


async def make_world(service: Service) -> World:
    """The world, with everybody known already: a person's first token leaves a row behind."""
    name = f"World {uuid4().hex}"
    world = World(service=service, name=name, places=await _places(service, name), tokens=dict(service.demo.tokens))
    world.tokens |= {role: _token(service, email_of(name, role)) for role in PEOPLE}
    world.tokens["api_key"] = await world.key(frozenset(Scope))
    for role in (*ROLES, STRANGER):
        actor = (await service.gql("{ viewer { actor { id kind } } }", world.tokens[role])).data["viewer"]["actor"]
        world.actors[role] = Actor(kind=ActorKind(actor["kind"]), id=actor["id"])
    for place_name, place in world.places.items():
        await service.give(place, AVAILABLE + PROMISED)
        (line,) = await wallet_lines(place.wallet_id or "", LineFilter(), limit=1)
        (lot,) = (await open_lots([place.wallet_id or ""]))[place.wallet_id or ""]
        world.transactions[place_name], world.lots[place_name] = line.id, lot.id
    for one, other in WAYS:
        await world.move(one, other)
        await world.move(other, one)
    for place_name in world.places:
        world.holds[place_name] = await world.hold(place_name)
    return world


def _done(outcome: Done | Refused) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


def email_of(name: str, role: str) -> str:
    """The address of the person with that role in the world of that name."""
    return f"{role}.{name.rpartition(' ')[2]}@world.example"


def _token(service: Service, email: str) -> str:
    return tokens.sign(token_rules(service.settings), email=email, valid_for=timedelta(hours=1))


async def _places(service: Service, name: str) -> dict[str, Place]:
    at = datetime.now(UTC)
    account_id = await _account(name, AccountKind.ENTERPRISE, email_of(name, "owner"))
    individual_id = await _account(f"{name} alone", AccountKind.INDIVIDUAL, f"alone.{email_of(name, 'owner')}")
    async with in_transaction() as connection:
        people = await _people(connection, name, account_id, individual_id, at)
        pools = {
            key: await create_pool(connection, account_id=account_id, name=f"{name}: {key}", at=at)
            for key in ("pool", "other_pool")
        }
        departments = {
            key: await create_department(connection, pool=pools[pool], name=f"{name}: {key}", at=at)
            for key, pool in (("department", "pool"), ("sibling", "pool"), ("other_department", "other_pool"))
        }
        await add_pool_administrator(
            connection, account_id=account_id, pool_id=pools["pool"].id, user_id=people["pool_admin"]
        )
        await add_department_member(
            connection,
            account_id=account_id,
            department_id=departments["department"].id,
            user_id=people["department_member"],
        )
    accounts = await account_places([account_id, individual_id])
    of_pools = await pool_places([pool.id for pool in pools.values()])
    of_departments = await department_places([department.id for department in departments.values()])
    return {
        "account": accounts[account_id],
        **{key: of_pools[pool.id] for key, pool in pools.items()},
        **{key: of_departments[department.id] for key, department in departments.items()},
        "individual": accounts[individual_id],
    }


async def _account(name: str, kind: AccountKind, owner_email: str) -> str:
    wanted = NewAccount(
        name=name,
        kind=kind,
        time_zone="UTC",
        owner_email=owner_email,
        owner_name="Owner of a world",
        idempotency_key=uuid4().hex,
    )
    row, _ = await create_account(SYSTEM, wanted)
    return row.id


async def _people(
    connection: BaseDBAsyncClient, name: str, account_id: str, individual_id: str, at: datetime
) -> Mapping[str, str]:
    people = {}
    for role in PEOPLE[1:]:
        person = await find_or_make_user(connection, name=f"{name} {role}", email=email_of(name, role), at=at)
        membership = _ROLE_OF.get(role, AccountRole.MEMBER)
        await add_membership(connection, account_id=account_id, user_id=person.id, role=membership, at=at)
        if role in {"auditor", "member", "approver"}:
            await add_membership(connection, account_id=individual_id, user_id=person.id, role=membership, at=at)
        people[role] = person.id
    return people


# Filled and emptied by the worker at any time.
_THE_WORKERS = ("outbox", "dead_letters", "chat_messages", "sandbox_")
# When a key was last used is noted a little later, whatever it asked for.
_NOTED_LATER = {"api_keys": "sum(hashtextextended((to_jsonb(r) - 'last_used_at')::text, 0))"}
# Whatever is written gets the number of the database transaction that wrote it, and that rises; what is deleted is
# counted no more. (Hashing every row says the same, and takes a minute for all the cells.)
_LAST_WRITTEN = "max(r.xmin::text::bigint)"


async def digest() -> dict[str, str]:
    """What any effect would change: of each table how many rows it has, and when one was last written."""
    connection = get_connection("default")
    found = await connection.execute_query_dict("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    tables = [name for row in found if not (name := row["tablename"]).startswith(_THE_WORKERS)]
    columns = [
        f'(SELECT concat(count(*), \' \', {_NOTED_LATER.get(table, _LAST_WRITTEN)}) FROM "{table}" r) AS "{table}"'
        for table in tables
    ]
    (state,) = await connection.execute_query_dict(f"SELECT {', '.join(columns)}")
    return state


async def counts() -> dict[str, int]:
    """How many rows each table has."""
    return {table: int(state.partition(" ")[0]) for table, state in (await digest()).items()}
