"""Transactions as CSV: what a filter finds, for whom it is, and what becomes of a download that goes wrong."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import jwt
import psutil
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.auth import links_of
from app.database import connection_of_its_own
from app.exports import tables
from app.exports.stream import Slots, Stream
from credits.access.models import ApiKey
from credits.accounts.models import AccountRole, Membership
from credits.accounts.rules import Place, Scope
from credits.reports.links import TRANSACTIONS
from tests.app.routes.support import add_key
from tests.app.service import free_port, served
from tests.support.exports import big_ledger, downloads
from tests.support.past import gave, refunded, spent
from tests.support.service import Answer, Service
from tests.support.slack import eventually
from tests.test_statements import at

EXPORT = """mutation ($input: ExportTransactionsInput!) { exportTransactions(input: $input) {
  url expiresAt userErrors { code field message } } }"""
STATEMENT = 'query ($id: ID!) { wallet(id: $id) { statement(month: "2026-07-09") { csvUrl pdfUrl } } }'
ROWS = 200_000


async def export(service: Service, token: str, place: Place, **more: Any) -> Answer:
    return await service.gql(EXPORT, token, input={"accountId": place.account_id, **more})


async def link(service: Service, token: str, place: Place, **more: Any) -> str:
    done = (await export(service, token, place, **more)).data["exportTransactions"]
    assert done["userErrors"] == []
    return str(done["url"])


def rows_of(response: httpx.Response) -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


async def busy(service: Service) -> tuple[Place, str]:
    """An account of its own with four transactions in July 2026, and its owner's token."""
    place = await service.account(time_zone="Europe/Berlin")
    wallet = place.wallet_id or ""
    await gave(at(2026, 7, 1), wallet, 100)
    done = await spent(at(2026, 7, 2), wallet, 3, reference='=HYPERLINK("http://evil.example")', description="-2+3")
    await spent(at(2026, 7, 3), wallet, 4, reference="12 Elm Street", description='Two "rooms",\none hall; ÄÖ 東京')
    await refunded(at(2026, 7, 4), wallet, done, 1)
    return place, await service.owner_token(place.account_id)


async def test_it_has_every_transaction_oldest_first_and_numbers_stay_numbers(service: Service) -> None:
    place, owner = await busy(service)

    response = await service.http.get(await link(service, owner, place))

    rows = rows_of(response)
    assert [(row["kind"], row["credits"], row["balance_after"]) for row in rows] == [
        ("GRANT", "100", "100"),
        ("DEDUCTION", "-3", "97"),
        ("DEDUCTION", "-4", "93"),
        ("REFUND", "1", "94"),
    ]
    assert rows[3]["refunds_id"] == rows[1]["id"]
    assert (rows[1]["time_local"], rows[1]["time_utc"]) == ("2026-07-02 14:00:00", "2026-07-02T12:00:00Z")
    assert {row["wallet_id"] for row in rows} == {place.wallet_id}
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-disposition"] == 'attachment; filename="transactions-Test-account.csv"'


async def test_what_a_spreadsheet_would_run_is_text_and_what_looks_odd_comes_back_whole(service: Service) -> None:
    place, owner = await busy(service)

    rows = rows_of(await service.http.get(await link(service, owner, place)))

    assert (rows[1]["reference"], rows[1]["description"]) == ('\'=HYPERLINK("http://evil.example")', "'-2+3")
    assert rows[2]["description"] == 'Two "rooms",\none hall; ÄÖ 東京'


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "＝", "＠"])  # noqa: RUF001 wide ones run too
async def test_each_sign_that_begins_a_formula_is_quoted(service: Service, sign: str) -> None:
    place = await service.account()
    await gave(at(2026, 7, 1), place.wallet_id or "", 1)
    await spent(at(2026, 7, 2), place.wallet_id or "", 1, reference=f"{sign}1")

    rows = rows_of(await service.http.get(await link(service, await service.owner_token(place.account_id), place)))

    assert rows[1]["reference"] == f"'{sign}1"


async def test_the_filter_is_that_of_the_history(service: Service) -> None:
    place, owner = await busy(service)
    chosen: list[tuple[dict[str, Any], int]] = [
        ({"kinds": ["DEDUCTION"]}, 2),
        ({"from": "2026-07-03T00:00:00Z", "to": "2026-07-04T00:00:00Z"}, 1),
        ({"search": "elm"}, 1),
        ({"search": "%"}, 0),
        ({"reference": "12 Elm Street"}, 1),
        ({"stagingTypes": ["FURNITURE_REMOVAL"], "actorId": "svc_staging"}, 2),
        ({"kinds": []}, 0),
    ]

    for wallet in ({}, {"walletId": place.wallet_id}):
        for filter_, count in chosen:
            url = await link(service, owner, place, filter=filter_, **wallet)
            assert len(rows_of(await service.http.get(url))) == count, filter_


async def test_a_filter_that_no_link_has_room_for_is_refused(service: Service) -> None:
    place, owner = await busy(service)

    done = (await export(service, owner, place, filter={"search": "x" * 9_000})).data["exportTransactions"]

    assert done["url"] is None
    assert [(error["code"], error["field"]) for error in done["userErrors"]] == [("INVALID", ["filter"])]


async def test_a_wallet_of_another_account_is_not_there(service: Service) -> None:
    place, owner = await busy(service)
    other, _ = await busy(service)

    foreign = await export(service, owner, place, walletId=other.wallet_id)
    crossed = await export(service, "operator", place, walletId=other.wallet_id)

    assert foreign.codes == crossed.codes == ["NOT_FOUND"]


async def test_a_key_for_some_wallets_exports_those_and_not_the_account(service: Service) -> None:
    place, _ = await busy(service)
    key = await add_key(place.account_id, frozenset({Scope.READ}))
    await ApiKey.filter(account_id=place.account_id).update(wallet_ids=[place.wallet_id])

    whole = await export(service, key, place)
    rows = rows_of(await service.http.get(await link(service, key, place, walletId=place.wallet_id)))

    assert whole.codes == ["FORBIDDEN"]
    assert len(rows) == 4


async def test_a_link_that_was_tampered_with_or_is_for_something_else_opens_nothing(service: Service) -> None:
    place, owner = await busy(service)
    url = await link(service, owner, place)
    statement = (await service.gql(STATEMENT, owner, id=place.wallet_id)).data["wallet"]["statement"]
    head, body, signature = url.rpartition("=")[2].split(".")
    unsigned = jwt.encode({"sub": "x"}, None, algorithm="none")  # type: ignore[arg-type]
    with_login_secret = jwt.encode(
        {"aud": TRANSACTIONS, "exp": datetime.now(UTC) + timedelta(hours=1), "sub": "x", "kind": "USER"},
        service.settings.jwt_secret.get_secret_value(),
    )

    bad = [f"{head}.{body[:-2]}xx.{signature}", f"{head}.{body}.", unsigned, with_login_secret, "", "x" * 5_000]
    answers = [await service.http.get("/exports/transactions", params={"token": token}) for token in bad]
    answers.append(await service.http.get(statement["csvUrl"].replace("statement.csv", "transactions")))
    answers.append(await service.http.get(statement["csvUrl"].replace("statement.csv", "statement.pdf")))

    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert all("Ask for a new one" in answer.text for answer in answers)
    assert (await service.gql("{ viewer { actor { id } } }", url.rpartition("=")[2])).codes == ["UNAUTHENTICATED"]


async def test_a_link_expires_after_a_quarter_of_an_hour(service: Service) -> None:
    place, owner = await busy(service)
    asked_at = datetime.now(UTC)
    done = (await export(service, owner, place)).data["exportTransactions"]
    claims = jwt.decode(done["url"].rpartition("=")[2], options={"verify_signature": False})
    past = jwt.encode({**claims, "exp": datetime.now(UTC) - timedelta(seconds=1)}, links_of(service.settings).key)

    expired = await service.http.get("/exports/transactions", params={"token": past})

    assert abs(datetime.fromisoformat(done["expiresAt"]) - asked_at - timedelta(minutes=15)) < timedelta(seconds=30)
    assert (expired.status_code, "expired" in expired.text) == (403, True)


async def test_a_link_is_for_who_asked_for_it(service: Service) -> None:
    place, owner = await busy(service)
    url = await link(service, owner, place)

    own = await service.http.get(url, headers={"authorization": f"Bearer {owner}"})
    anothers = await service.http.get(url, headers={"authorization": f"Bearer {service.demo.tokens['operator']}"})

    assert (own.status_code, anothers.status_code) == (200, 403)


async def test_who_lost_the_right_meanwhile_gets_nothing(service: Service) -> None:
    place, owner = await busy(service)
    urls = [await link(service, owner, place), *await statement_links(service, owner, place)]
    mine = Membership.filter(account_id=place.account_id, role=AccountRole.OWNER)

    opened = [(await service.http.get(url)).status_code for url in urls]
    await mine.update(role=AccountRole.MEMBER)
    as_member = [(await service.http.get(url)).status_code for url in urls]
    await Membership.filter(account_id=place.account_id).delete()
    as_stranger = [(await service.http.get(url)).status_code for url in urls]

    assert (opened, as_member, as_stranger) == ([200] * 3, [403] * 3, [404] * 3)


async def statement_links(service: Service, token: str, place: Place) -> list[str]:
    found = (await service.gql(STATEMENT, token, id=place.wallet_id)).data["wallet"]["statement"]
    return [found["csvUrl"], found["pdfUrl"]]


async def test_a_revoked_keys_link_opens_nothing(service: Service) -> None:
    place, _ = await busy(service)
    url = await link(service, await add_key(place.account_id, frozenset({Scope.READ})), place)
    before = await service.http.get(url)

    await ApiKey.filter(account_id=place.account_id).update(revoked_at=datetime.now(UTC))

    assert (before.status_code, (await service.http.get(url)).status_code) == (200, 401)


@pytest.fixture(scope="module")
async def big(postgres: str) -> AsyncIterator[str]:
    async with big_ledger(postgres, rows=ROWS) as url:
        yield url


async def test_however_long_it_is_it_takes_no_memory(big: str) -> None:
    process = psutil.Process()
    lines, most = 0, 0
    async with downloads(big) as (url, _), httpx.AsyncClient(trust_env=False, timeout=60) as http:
        before = process.memory_info().rss
        async with http.stream("GET", url) as response:
            async for part in response.aiter_bytes():
                lines += part.count(b"\n")
                most = max(most, process.memory_info().rss - before)

    assert lines == ROWS + 1
    assert most < 30 * 1024 * 1024


async def test_of_more_at_once_than_may_be_some_are_told_to_come_again(big: str) -> None:
    async with downloads(big, most=1) as (url, slots), httpx.AsyncClient(trust_env=False, timeout=60) as http:
        async with http.stream("GET", url) as first:
            await anext(first.aiter_raw(1_000))
            second = await http.get(url)
        await until_free(slots)
        async with http.stream("GET", url) as third:
            status = third.status_code

    assert (second.status_code, second.headers["retry-after"]) == (503, "60")
    assert "again in a minute" in second.text
    assert status == 200


async def until_free(slots: Slots) -> None:
    async def taken() -> int:
        return slots.taken

    await eventually(taken, lambda count: count == 0)


async def exporting(big: str) -> list[int]:
    """The sessions of exports that the big database has."""
    connection = await connection_of_its_own(big)
    found = await connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%export'"
    )
    await connection.close()
    return [row["pid"] for row in found]


async def test_a_reader_who_goes_away_frees_the_database(big: str) -> None:
    await eventually(lambda: exporting(big), lambda sessions: not sessions)
    async with downloads(big) as (url, slots):
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http, http.stream("GET", url) as response:
            parts = response.aiter_raw(1_000)
            await anext(parts)
            during = await exporting(big)
        await until_free(slots)
        after = await eventually(lambda: exporting(big), lambda sessions: not sessions)

    assert (len(during), after) == (1, [])


async def test_a_reader_who_takes_nothing_any_more_frees_the_database_and_sees_that_it_is_not_all(big: str) -> None:
    async with (
        downloads(big, patience_s=0.2) as (url, slots),
        httpx.AsyncClient(trust_env=False, timeout=60) as http,
        http.stream("GET", url) as response,
    ):
        parts = response.aiter_raw(1_000)
        await anext(parts)
        await until_free(slots)
        await eventually(lambda: exporting(big), lambda sessions: not sessions)

        with pytest.raises(httpx.RemoteProtocolError):
            await rest_of(parts)


async def test_where_the_database_breaks_off_the_reader_sees_that_it_is_not_all(big: str) -> None:
    async with downloads(big) as (url, slots), httpx.AsyncClient(trust_env=False, timeout=60) as http:
        async with http.stream("GET", url) as response:
            parts = response.aiter_raw(1_000)
            await anext(parts)
            await break_off(big)
            with pytest.raises(httpx.RemoteProtocolError):
                await rest_of(parts)
        await until_free(slots)
        again = await http.get(url)

    assert response.status_code == 200
    assert again.content.count(b"\n") == ROWS + 1


async def break_off(big: str) -> None:
    connection = await connection_of_its_own(big)
    for pid in await exporting(big):
        await connection.fetchval("SELECT pg_terminate_backend($1)", pid)
    await connection.close()


async def rest_of(parts: AsyncIterator[bytes]) -> int:
    return sum([len(part) async for part in parts])


async def test_a_database_out_of_reach_is_told_before_anything_else() -> None:
    slots = Slots(1)

    async def write(_send: tables.Send) -> None:
        async with tables.reading(partial(connection_of_its_own, "postgresql://nobody@127.0.0.1:9/nothing")):
            raise AssertionError("there is none")

    async def answer(_request: Request) -> Response:
        return Stream(write, slots, headers={})

    listener, url = free_port()
    async with served(Starlette(routes=[Route("/", answer)]), listener), httpx.AsyncClient(trust_env=False) as http:
        response = await http.get(url)

    assert (response.status_code, response.headers["retry-after"]) == (503, "60")
    assert slots.taken == 0
