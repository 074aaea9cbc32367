"""The demonstration: an enterprise to play with, its people and their tokens, and the banner that tells of them.

Seeding looks for each thing before it makes it, so a second start, or one after a crash half-way, ends the same.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from app.auth import token_rules
from app.sandbox.slack_people import SLACK_IDS, TEAM_ID
from app.settings import Settings
from credits.access import tokens
from credits.access.keys import KEY_PREFIX, add_api_key, hash_of
from credits.access.models import ApiKey
from credits.accounts import service
from credits.accounts.models import (
    Account,
    AccountKind,
    AccountRole,
    Department,
    DepartmentMember,
    Membership,
    Pool,
    PoolAdministrator,
    SlackLink,
    User,
)
from credits.accounts.queries import account_places, department_places, pool_places
from credits.accounts.rules import Place, Scope
from credits.actors import SYSTEM
from credits.approvals.queries import policies_of
from credits.approvals.rules import PolicyView
from credits.approvals.service import set_policy
from credits.catalogue.models import Package
from credits.catalogue.service import load
from credits.gateways.publisher import Publisher
from credits.ledger.posting import Refused
from credits.ledger.queries import now
from credits.ledger.service import GrantInput, grant
from credits.ledger.writer import Writer

CATALOGUE = Path(__file__).parent.parent / "catalogue.toml"
TOKENS_VALID = timedelta(days=30)
DOMAIN = "demo.example"
# The name of the token, and the person's. Operators are those of the settings.
PEOPLE = {
    "owner": "Olivia Owner",
    "auditor": "Aria Auditor",
    "member": "Milo Member",
    "pool_admin": "Paula Poole",
    "department_member": "Dario Dept",
    "approver": "Abel Approver",
    "deputy": "Dana Deputy",
    "operator": "Otto Operator",
    "other_owner": "Una Other",
}
_MEMBERS = ("auditor", "member", "pool_admin", "department_member", "approver", "deputy")
_CHANNEL = "#credits"
_APPROVAL_FROM = 500
_OPENING = {"account": 1_000, "pool": 400, "department": 120, "sibling_department": 60, "other": 200}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What stands in `demo.json`."""

    url: str
    graphql: str
    tokens: Mapping[str, str]
    accounts: Mapping[str, str]
    wallets: Mapping[str, str]
    pools: Mapping[str, str]
    departments: Mapping[str, str]
    users: Mapping[str, str]


def email_of(name: str) -> str:
    """The address of a demo person by the name of their token."""
    return f"{name.replace('_', '.')}@{DOMAIN}"


async def seed(settings: Settings, publisher: Publisher) -> Demo:
    """The catalogue, two accounts, their people and opening grants; what is there already is left as it is."""
    if not await Package.exists():
        await load(CATALOGUE.read_text(encoding="utf-8"))
    demo = await _account("Hearth & Home Realty", AccountKind.ENTERPRISE, "America/New_York", "owner")
    other = await _account("Other Realty", AccountKind.INDIVIDUAL, "Europe/Berlin", "other_owner")
    at = await now()
    async with in_transaction() as connection:
        users = {name: await _user(connection, name, at) for name in PEOPLE}
        for name in _MEMBERS:
            role = AccountRole.AUDITOR if name == "auditor" else AccountRole.MEMBER
            await _membership(connection, demo.id, users[name].id, role, at)
        pool = await _pool(connection, demo.id, "Residential", at)
        departments = [await _department(connection, pool, name, at) for name in ("Downtown", "Suburbs")]
        await PoolAdministrator.get_or_create(
            {"account_id": demo.id}, using_db=connection, pool_id=pool.id, user_id=users["pool_admin"].id
        )
        await DepartmentMember.get_or_create(
            {"account_id": demo.id},
            using_db=connection,
            department_id=departments[0].id,
            user_id=users["department_member"].id,
        )
        await _api_key(connection, settings, demo.id, at)
        await Account.filter(id=demo.id, slack_channel=None).using_db(connection).update(slack_channel=_CHANNEL)
        if settings.sandboxed:
            await _slack_links(connection, users)
    await _policy(demo.id, users, at)
    places = {
        "account": (await account_places([demo.id]))[demo.id],
        "pool": (await pool_places([pool.id]))[pool.id],
        "other": (await account_places([other.id]))[other.id],
    }
    found = await department_places([each.id for each in departments])
    places["department"], places["sibling_department"] = (found[each.id] for each in departments)
    await _grant_opening(publisher, places)
    return Demo(
        url=settings.url,
        graphql=f"{settings.url}/graphql",
        tokens=tokens_of(settings),
        accounts={"demo": demo.id, "other": other.id},
        wallets={name: place.wallet_id or "" for name, place in places.items()},
        pools={"demo": pool.id},
        departments={"demo": departments[0].id, "sibling": departments[1].id},
        users={name: user.id for name, user in users.items()},
    )


async def _account(name: str, kind: AccountKind, time_zone: str, owner: str) -> Account:
    wanted = service.NewAccount(
        name=name,
        kind=kind,
        time_zone=time_zone,
        owner_email=email_of(owner),
        owner_name=PEOPLE[owner],
        idempotency_key=f"demo:{owner}",
    )
    account, _ = await service.create_account(SYSTEM, wanted)
    return account


async def _user(connection: BaseDBAsyncClient, name: str, at: datetime) -> User:
    return await service.find_or_make_user(connection, name=PEOPLE[name], email=email_of(name), at=at)


async def _membership(
    connection: BaseDBAsyncClient, account_id: str, user_id: str, role: AccountRole, at: datetime
) -> None:
    if not await Membership.exists(account_id=account_id, user_id=user_id, using_db=connection):
        await service.add_membership(connection, account_id=account_id, user_id=user_id, role=role, at=at)


async def _pool(connection: BaseDBAsyncClient, account_id: str, name: str, at: datetime) -> Pool:
    found = await Pool.get_or_none(account_id=account_id, name=name, using_db=connection)
    return found or await service.create_pool(connection, account_id=account_id, name=name, at=at)


async def _department(connection: BaseDBAsyncClient, pool: Pool, name: str, at: datetime) -> Department:
    found = await Department.get_or_none(pool_id=pool.id, name=name, using_db=connection)
    return found or await service.create_department(connection, pool=pool, name=name, at=at)


async def _api_key(connection: BaseDBAsyncClient, settings: Settings, account_id: str, at: datetime) -> None:
    secret = demo_api_key(settings)
    if not await ApiKey.exists(secret_hash=hash_of(secret), using_db=connection):
        await add_api_key(
            connection, account_id=account_id, name="Demo key", secret=secret, scopes=frozenset(Scope), at=at
        )


async def _slack_links(connection: BaseDBAsyncClient, users: Mapping[str, User]) -> None:
    for name, slack_user_id in SLACK_IDS.items():
        await SlackLink.get_or_create(
            {"user_id": users[name].id}, using_db=connection, team_id=TEAM_ID, slack_user_id=slack_user_id
        )


async def _policy(account_id: str, users: Mapping[str, User], at: datetime) -> None:
    """From 500 credits on one of two people consents, after two days the owner may as well; what somebody has changed
    since is left."""
    if await policies_of(account_id):
        return
    wanted = PolicyView(
        id="",
        account_id=account_id,
        pool_id=None,
        minimum_credits=_APPROVAL_FROM,
        approver_ids=(users["approver"].id, users["deputy"].id),
        required_approvals=1,
        expires_after_hours=72,
        remind_after_hours=24,
        escalate_after_hours=48,
        escalate_to_ids=(users["owner"].id,),
        slack_channel=None,
    )
    await set_policy(SYSTEM, wanted, now=at)


async def _grant_opening(publisher: Publisher, places: Mapping[str, Place]) -> None:
    writer = Writer(publisher)
    for name, place in places.items():
        wanted = GrantInput(
            wallet_id=place.wallet_id or "",
            credits=_OPENING[name],
            reason="Opening grant of the demonstration",
            expires_at=None,
            priority=50,
            idempotency_key=f"demo:opening:{name}",
        )
        done = await grant(writer, SYSTEM, place, wanted)
        match done:
            case Refused(message=message):
                raise RuntimeError(f"The opening grant of {name} was refused: {message}")
    await writer.close()


async def show(demo: Demo, account_id: str) -> None:
    """Let the demonstration's owner and auditor see another account as such, too."""
    at = await now()
    async with in_transaction() as connection:
        for name, role in (("owner", AccountRole.OWNER), ("auditor", AccountRole.AUDITOR)):
            await _membership(connection, account_id, demo.users[name], role, at)


def demo_api_key(settings: Settings) -> str:
    """The demo's key: only its hash is in the database, so it is made anew from this deployment's secret."""
    secret = settings.jwt_secret.get_secret_value().encode()
    return KEY_PREFIX + hmac.new(secret, b"demo api key", hashlib.sha256).hexdigest()


def tokens_of(settings: Settings) -> dict[str, str]:
    """A token for each demo person, the service's key and the API key, as they are to be sent."""
    rules = token_rules(settings)
    people = {name: tokens.sign(rules, email=email_of(name), valid_for=TOKENS_VALID) for name in PEOPLE}
    service_key = settings.service_keys[0].get_secret_value().partition(":")[2] if settings.service_keys else ""
    return {**people, "service": service_key, "api_key": demo_api_key(settings)}


def keep(demo: Demo, data_dir: Path) -> Path:
    """Write `demo.json`, readable by its owner only: the tokens in it open the demonstration."""
    file = data_dir / "demo.json"
    data_dir.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps(asdict(demo), indent=2) + "\n", encoding="utf-8")
    return file


def banner(settings: Settings, demo: Demo, file: Path) -> str:
    """What a new user needs to know, in one screen and the tokens."""
    width = max(map(len, demo.tokens))
    printed = "\n".join(f"    {name:<{width}}  {token}" for name, token in demo.tokens.items())
    where = f"{settings.data_dir}/postgres (embedded PostgreSQL)" if settings.embedded else "DATABASE_URL"
    jobs = "Redis" if settings.redis_url else "within this process"
    sandboxed = "Stripe, Slack, mail and the clock; no money moves, nobody is told" if settings.sandboxed else "nothing"
    wallet = demo.wallets["department"]
    return f"""
  staging-credits is ready.

    GraphQL     {demo.graphql}
    Explorer    {demo.url}/explorer
    Sandbox     {demo.url}/sandbox/
    Slack       {demo.url}/sandbox/slack/
    Mail        {demo.url}/sandbox/mail/
    Data        {where}
    Jobs        {jobs}
    Mode        {settings.mode}
    Sandboxed   {sandboxed}
    All this    {file}

  Send one of these as Authorization: Bearer …

{printed}

  Three things to try, in the explorer with the owner's token under Headers:

    1. {{ viewer {{ accounts {{ name wallet {{ id balance {{ available }} }} }} }} }}
    2. mutation {{ purchaseCredits(input: {{walletId: "{demo.wallets["account"]}", packageCode: "STARTER",
         idempotencyKey: "first"}}) {{ purchase {{ status checkoutUrl }} }} }}
       and pay at the checkoutUrl
    3. subscription {{ balanceChanged(walletId: "{wallet}") {{ balance {{ available }} causes }} }}
       and, in another tab, mutation {{ deductCredits(input: {{walletId: "{wallet}", stagingType: "BASIC_ROOM",
         idempotencyKey: "room-1"}}) {{ transaction {{ change balanceAfter }} }} }}

  Ctrl-C stops everything.
"""
