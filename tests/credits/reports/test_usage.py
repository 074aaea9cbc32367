"""What was used: by every group the same as the transactions say, over all that makes days and months difficult."""

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from tortoise.connection import get_connection

from credits.access.keys import add_api_key, new_secret
from credits.access.models import ApiKey
from credits.accounts.models import Account, Membership
from credits.accounts.rules import Scope
from credits.actors import SYSTEM, Actor, ActorKind
from credits.ledger.audit import broken
from credits.ledger.wallet import Line
from credits.reports.rules import UsageGroup
from tests.credits.ledger.test_store import rows
from tests.credits.reports.past import House, do, given, house, refunded, spent, stage
from tests.support.service import Service

Amounts = tuple[int, int, int]


@pytest.fixture
async def on_stage(service: Service) -> AsyncIterator[None]:
    async with stage():
        yield


async def test_a_day_of_23_hours_and_one_of_25_are_days(service: Service, on_stage: None) -> None:
    berlin = await house(service, time_zone="Europe/Berlin", given_at="2025-03-01T12:00Z")
    (wallet, *_) = berlin.wallet_ids
    for at in ("2025-03-29T22:59", "2025-03-29T23:00", "2025-03-30T21:59", "2025-03-30T22:00"):
        await do(f"{at}Z", spent(wallet))
    for at in ("2025-10-25T21:59", "2025-10-25T22:00", "2025-10-26T22:59", "2025-10-26T23:00"):
        await do(f"{at}Z", spent(wallet))

    by_day = await berlin.of_wallet("2025-03-01", "2025-12-31", "DAY")

    assert by_day == {
        "2025-03-29": (2, 0, 1),
        "2025-03-30": (4, 0, 2),
        "2025-03-31": (2, 0, 1),
        "2025-10-25": (2, 0, 1),
        "2025-10-26": (4, 0, 2),
        "2025-10-27": (2, 0, 1),
    }
    # The nights are those from Saturday to Sunday, the last days of a week.
    assert await berlin.of_wallet("2025-03-01", "2025-12-31", "WEEK") == {
        "2025-03-24": (6, 0, 3),
        "2025-03-31": (2, 0, 1),
        "2025-10-20": (6, 0, 3),
        "2025-10-27": (2, 0, 1),
    }
    assert await broken() == {}


async def test_a_leap_day_is_the_last_of_its_month(service: Service, on_stage: None) -> None:
    home = await house(service, time_zone="UTC", given_at="2024-02-01T00:00Z")
    (wallet, *_) = home.wallet_ids
    for at in ("2024-02-28T23:59", "2024-02-29T00:00", "2024-02-29T23:59", "2024-03-01T00:00"):
        await do(f"{at}Z", spent(wallet))

    assert await home.of_wallet("2024-02-29", "2024-02-29", "DAY") == {"2024-02-29": (4, 0, 2)}
    assert await home.of_wallet("2024-02-01", "2024-02-29", "MONTH") == {"2024-02-01": (6, 0, 3)}
    assert await home.of_wallet("2024-02-01", "2024-02-28", "MONTH") == {"2024-02-01": (2, 0, 1)}
    assert await home.of_wallet("2024-02-29", "2024-03-31", "MONTH") == {
        "2024-02-01": (4, 0, 2),
        "2024-03-01": (2, 0, 1),
    }
    assert await home.of_wallet("2024-02-28", "2024-02-29", "STAGING_TYPE") == {"BASIC_ROOM": (6, 0, 3)}


async def test_a_refund_counts_in_the_month_in_which_it_is_made_for_who_had_spent(
    service: Service, on_stage: None
) -> None:
    home = await house(service, time_zone="UTC", given_at="2025-01-01T00:00Z")
    (wallet, *_) = home.wallet_ids
    (line,) = await do("2025-01-31T23:00Z", spent(wallet, 5, actor=Actor(kind=ActorKind.USER, id="usr_a")))
    await do("2025-02-01T01:00Z", refunded(line, 3))
    await do("2025-03-01T01:00Z", refunded(line))

    assert await home.of_wallet("2025-01-01", "2025-12-31", "MONTH") == {
        "2025-01-01": (10, 0, 5),
        "2025-02-01": (0, 3, 0),
        "2025-03-01": (0, 7, 0),
    }
    assert await home.of_wallet("2025-02-01", "2025-12-31", "ACTOR") == {"usr_a": (0, 10, 0)}
    assert await home.of_wallet("2025-02-15", "2025-03-31", "STAGING_TYPE") == {"BASIC_ROOM": (0, 7, 0)}


async def test_days_follow_the_zone_that_applied_when_they_were_booked(service: Service, on_stage: None) -> None:
    home = await house(service, time_zone="America/New_York", given_at="2025-05-01T12:00Z")
    (wallet, *_) = home.wallet_ids
    since = datetime(2025, 6, 1, 4, tzinfo=UTC)
    await Account.filter(id=home.account.account_id).update(
        time_zone="Asia/Tokyo", former_time_zone="America/New_York", time_zone_from=since
    )

    await do("2025-05-31T20:00Z", spent(wallet))
    await do("2025-06-01T03:59Z", spent(wallet))
    await do("2025-06-01T04:00Z", spent(wallet))
    await do("2025-06-01T15:00Z", spent(wallet))

    assert await home.of_wallet("2025-05-01", "2025-06-30", "DAY") == {
        "2025-05-31": (4, 0, 2),
        "2025-06-01": (2, 0, 1),
        "2025-06-02": (2, 0, 1),
    }
    assert await home.of_wallet("2025-05-01", "2025-06-30", "MONTH") == {
        "2025-05-01": (4, 0, 2),
        "2025-06-01": (4, 0, 2),
    }


async def test_what_a_deleted_department_used_stays_in_its_pools_report(service: Service, on_stage: None) -> None:
    home = await house(service, time_zone="UTC", given_at="2025-01-01T00:00Z")
    account, pool, north, south = home.wallet_ids
    for wallet, quantity in ((account, 1), (pool, 2), (north, 3), (south, 4)):
        await do("2025-01-02T00:00Z", spent(wallet, quantity))
    gone = home.departments[1].department_id or ""
    deleted = "mutation ($id: ID!) { deleteDepartment(input: {id: $id}) { id userErrors { code } } }"
    assert (await service.gql(deleted, home.token, id=gone)).data["deleteDepartment"] == {"id": gone, "userErrors": []}

    of_pool = await home.usage("pool", home.pool.pool_id or "", "2025-01-01", "2025-01-31", "DEPARTMENT")
    of_account = await home.usage("account", home.account.account_id, "2025-01-01", "2025-01-31", "DEPARTMENT")

    expected = [
        {"key": gone, "label": "South", "credits": 8, "refunded": 0, "operations": 4},
        {"key": home.departments[0].department_id, "label": "North", "credits": 6, "refunded": 0, "operations": 3},
        {"key": home.pool.pool_id, "label": "Residential", "credits": 4, "refunded": 0, "operations": 2},
    ]
    assert of_pool["rows"] == expected
    own = {"key": home.account.account_id, "label": "Test account", "credits": 2, "refunded": 0, "operations": 1}
    assert of_account["rows"] == [*expected, own]
    assert (of_pool["credits"], of_account["credits"]) == (18, 20)


async def test_people_keys_services_and_types_are_called_by_their_names(service: Service, on_stage: None) -> None:
    home = await house(service, time_zone="UTC", given_at="2025-01-01T00:00Z")
    (wallet, *_) = home.wallet_ids
    owner = await Membership.filter(account_id=home.account.account_id).first().prefetch_related("user")
    assert owner
    key = await add_api_key(
        get_connection("default"),
        account_id=home.account.account_id,
        name="Plugin",
        secret=new_secret(),
        scopes=frozenset({Scope.SPEND}),
        at=datetime.now(UTC),
    )
    by = [
        Actor(kind=ActorKind.USER, id=owner.user.id),
        Actor(kind=ActorKind.API_KEY, id=key.id),
        Actor(kind=ActorKind.API_KEY, id=key.id, on_behalf_of=owner.user.id),
        Actor(kind=ActorKind.SERVICE, id="svc_staging"),
        SYSTEM,
    ]
    for quantity, actor in zip((1, 5, 1, 4, 3), by, strict=True):
        await do("2025-01-02T00:00Z", spent(wallet, quantity, actor=actor))

    people = await home.usage("wallet", wallet, "2025-01-01", "2025-01-31", "ACTOR")
    types = await home.usage("wallet", wallet, "2025-01-01", "2025-01-31", "STAGING_TYPE")
    months = await home.usage("wallet", wallet, "2025-01-01", "2025-01-31", "MONTH")
    weeks = await home.usage("wallet", wallet, "2025-01-01", "2025-01-31", "WEEK")

    assert [(row["key"], row["label"], row["operations"]) for row in people["rows"]] == [
        (key.id, "Plugin", 5),
        ("svc_staging", "Staging engine", 4),
        ("system", "System", 3),
        (owner.user.id, "Test owner", 2),
    ]
    (kind,) = await rows("SELECT name FROM staging_types WHERE code = 'BASIC_ROOM'")
    assert [(row["key"], row["label"]) for row in types["rows"]] == [("BASIC_ROOM", kind["name"])]
    assert [(row["key"], row["label"]) for row in months["rows"]] == [("2025-01-01", "2025-01")]
    assert [(row["key"], row["label"]) for row in weeks["rows"]] == [("2024-12-30", "2025-W01")]


@pytest.mark.parametrize(
    ("start", "end", "named"),
    [
        ("2026-02-01", "2026-01-31", "before the first"),
        ("2020-01-01", "2025-01-01", "at most 5 years"),
        ("0001-01-01", "0001-01-01", "a year from 2 to 9998"),
    ],
)
async def test_a_period_that_no_report_covers_is_told(service: Service, start: str, end: str, named: str) -> None:
    account = service.demo.accounts["demo"]
    query = "query ($id: ID!, $from: Date!, $to: Date!) { account(id: $id) { usage(from: $from, to: $to) { to } } }"

    answer = await service.gql(query, **{"id": account, "from": start, "to": end})

    assert answer.codes == ["BAD_USER_INPUT"]
    assert named in answer.body["errors"][0]["message"]


async def test_a_key_for_some_wallets_is_not_told_what_the_whole_pool_used(service: Service, on_stage: None) -> None:
    home = await house(service, time_zone="UTC", given_at="2025-01-01T00:00Z")
    secret = new_secret()
    key = await add_api_key(
        get_connection("default"),
        account_id=home.account.account_id,
        name="Plugin",
        secret=secret,
        scopes=frozenset({Scope.READ}),
        at=datetime.now(UTC),
    )
    await ApiKey.filter(id=key.id).update(wallet_ids=[home.pool.wallet_id])
    asked = '(id: $id) { usage(from: "2025-01-01", to: "2025-01-31") { credits } } }'

    whole = await service.gql("query ($id: ID!) { pool" + asked, secret, id=home.pool.pool_id)
    own = await service.gql("query ($id: ID!) { wallet" + asked, secret, id=home.pool.wallet_id)

    assert whole.codes == ["FORBIDDEN"]
    assert own.data["wallet"]["usage"] == {"credits": 0}


# --- every group, of everything, over random periods, beside an addition of the transactions one by one


async def _random_history(home: House, chance: random.Random) -> None:
    people = [
        Actor(kind=ActorKind.USER, id="usr_a"),
        Actor(kind=ActorKind.API_KEY, id="key_b"),
        Actor(kind=ActorKind.API_KEY, id="key_b", on_behalf_of="usr_a"),
    ]
    begin = datetime.fromisoformat(home.given_at)
    deductions: list[Line] = []
    for at in sorted(begin + timedelta(minutes=chance.randrange(800 * 24 * 60)) for _ in range(150)):
        if deductions and chance.random() < 0.25:
            undone = deductions.pop(chance.randrange(len(deductions)))
            await do(at, refunded(undone, chance.randint(1, -undone.change)))
        else:
            deductions += await do(
                at,
                spent(
                    chance.choice(home.wallet_ids),
                    chance.randint(1, 5),
                    actor=chance.choice(people),
                    staging_type=chance.choice(("BASIC_ROOM", "OUTDOOR", "FURNITURE_REMOVAL")),
                ),
            )


_KEYS: dict[UsageGroup, Callable[[dict[str, Any]], str]] = {
    UsageGroup.DAY: lambda line: str(line["local_day"]),
    UsageGroup.WEEK: lambda line: str(line["local_day"] - timedelta(days=line["local_day"].weekday())),
    UsageGroup.MONTH: lambda line: str(line["local_day"].replace(day=1)),
    UsageGroup.STAGING_TYPE: lambda line: str(line["spent_on"]),
    UsageGroup.DEPARTMENT: lambda line: str(line["owner_id"]),
    UsageGroup.ACTOR: lambda line: str(line["person"]),
}


def _added_up(lines: Iterable[dict[str, Any]], start: date, end: date, group: UsageGroup) -> dict[str, Amounts]:
    totals: dict[str, Amounts] = defaultdict(lambda: (0, 0, 0))
    for line in lines:
        if start <= line["local_day"] <= end:
            taken, back, jobs = totals[_KEYS[group](line)]
            if line["kind"] == "DEDUCTION":
                totals[_KEYS[group](line)] = (taken - line["change"], back, jobs + line["quantity"])
            else:
                totals[_KEYS[group](line)] = (taken, back + line["change"], jobs)
    return totals


@pytest.mark.parametrize("seed", range(3))
async def test_every_report_is_what_the_transactions_add_up_to(service: Service, on_stage: None, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 the same again for whoever runs it again
    time_zone = chance.choice(("Europe/Berlin", "Pacific/Auckland"))
    home = await house(service, time_zone=time_zone, given_at="2023-12-20T12:00+00:00")
    await _random_history(home, chance)
    lines = await rows(
        """SELECT t.wallet_id, t.kind, t.change, t.quantity, t.local_day, w.owner_id, d.staging_type AS spent_on,
           coalesce(d.on_behalf_of, d.actor_id) AS person
           FROM transactions t JOIN transactions d ON d.id = coalesce(t.refunds_id, t.id)
           JOIN wallets w ON w.id = t.wallet_id
           WHERE t.account_id = $1 AND t.kind IN ('DEDUCTION', 'REFUND')""",
        home.account.account_id,
    )
    account, *of_pool = home.wallet_ids
    scopes = [
        ("account", home.account.account_id, home.wallet_ids),
        ("pool", home.pool.pool_id or "", of_pool),
        ("wallet", account, [account]),
        ("wallet", of_pool[1], [of_pool[1]]),
    ]

    for _ in range(6):
        start = date(2023, 12, 1) + timedelta(days=chance.randrange(500))
        end = start + timedelta(days=chance.choice((0, 10, 31, 90, 400, 1_000)))
        for of, of_id, wallet_ids in scopes:
            for group in UsageGroup:
                report = await home.usage(of, of_id, start, end, group.value)
                found = {row["key"]: (row["credits"], row["refunded"], row["operations"]) for row in report["rows"]}
                chosen = [line for line in lines if line["wallet_id"] in wallet_ids]

                assert found == _added_up(chosen, start, end, group)
                assert len(found) == len(report["rows"])
                totals = (report["credits"], report["refunded"], report["operations"])
                assert totals == (tuple(map(sum, zip(*found.values(), strict=True))) or (0, 0, 0))
                in_order = sorted(
                    report["rows"], key=lambda row: ((0 if group.of_time else -row["credits"]), row["key"])
                )
                assert report["rows"] == in_order
    assert await broken() == {}


async def test_what_is_given_and_lapses_is_no_use(service: Service, on_stage: None) -> None:
    home = await house(service, time_zone="UTC", given_at="2025-01-01T00:00Z")
    (wallet, *_) = home.wallet_ids

    await do("2025-01-02T00:00Z", given(wallet, 50, expires_at=datetime(2025, 1, 3, tzinfo=UTC)))

    report = await home.usage("wallet", wallet, "2025-01-01", "2025-12-31", "DAY")
    assert report == {
        "from": "2025-01-01",
        "to": "2025-12-31",
        "credits": 0,
        "refunded": 0,
        "operations": 0,
        "rows": [],
    }
