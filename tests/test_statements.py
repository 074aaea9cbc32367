"""Statements of months as people meet them: closed once and for ever, by the API, as CSV and PDF, and on a card."""

import asyncio
import csv
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from pypdf import PdfReader
from tortoise.connection import get_connection
from tortoise.exceptions import OperationalError
from tortoise.transactions import in_transaction

from credits.accounts.models import Account, Pool
from credits.accounts.queries import pool_places
from credits.accounts.rules import Place
from credits.accounts.service import create_pool
from credits.actors import SYSTEM
from credits.ids import Kind, make_id
from credits.ledger.commands import Deduction
from credits.outbox import OutboxMessage
from credits.reports.closing import close_account, close_months
from credits.reports.messages import CLOSED_JOB
from credits.reports.months import following, month_of
from tests.support.past import gave, moved, posted, refunded, spent, swept
from tests.support.service import SERVICE_KEY, Answer, Service
from tests.support.slack import Posted, Slack, eventually
from tests.test_allocations import Firm, direct, firm_in

STATEMENT = """query ($id: ID!, $month: Date!) { wallet(id: $id) { statement(month: $month) {
  month opening closing closed movements { kind credits count } csvUrl pdfUrl } } }"""
SPEND = """mutation ($wallet: ID!, $key: String!) { deductCredits(input: {walletId: $wallet, quantity: 1,
  stagingType: "FURNITURE_REMOVAL", idempotencyKey: $key}) { transaction { id } userErrors { code } } }"""


@dataclass(frozen=True, slots=True)
class Books:
    """A wallet of an account of its own, as its owner reads it."""

    service: Service
    place: Place
    token: str

    @property
    def wallet(self) -> str:
        return self.place.wallet_id or ""

    async def ask(self, month: date, token: str | None = None) -> Answer:
        return await self.service.gql(STATEMENT, token or self.token, id=self.wallet, month=month.isoformat())

    async def of(self, month: date) -> dict[str, Any]:
        statement: dict[str, Any] = (await self.ask(month)).data["wallet"]["statement"]
        return statement

    async def close(self) -> int:
        return await close_account(self.place.account_id)

    async def rows(self) -> list[dict[str, Any]]:
        return await get_connection("default").execute_query_dict(
            "SELECT * FROM statements WHERE wallet_id = $1 ORDER BY month", [self.wallet]
        )


async def books(service: Service, time_zone: str = "UTC") -> Books:
    place = await service.account(time_zone=time_zone)
    return Books(service, place, await service.owner_token(place.account_id))


def at(year: int, month: int, day: int, hour: int = 12, minute: int = 0, *, zone: str = "UTC") -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone))


def sums(statement: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {each["kind"]: (int(each["credits"]), int(each["count"])) for each in statement["movements"]}


async def test_a_month_opens_with_what_the_one_before_it_closed_with(service: Service) -> None:
    mine = await books(service)
    await gave(at(2026, 3, 3), mine.wallet, 100)
    first = await spent(at(2026, 3, 20), mine.wallet, 30)
    await spent(at(2026, 5, 4), mine.wallet, 8)
    await refunded(at(2026, 5, 5), mine.wallet, first, 5)

    written = await mine.close()
    march, april, may = [await mine.of(date(2026, month, 17)) for month in (3, 4, 5)]

    assert written == len(await mine.rows()) >= 3
    assert (march["month"], march["opening"], march["closing"], march["closed"]) == ("2026-03-01", 0, 70, True)
    assert sums(march) == {"GRANT": (100, 1), "DEDUCTION": (-30, 1)}
    assert (april["opening"], april["closing"], april["movements"]) == (70, 70, [])
    assert (may["opening"], may["closing"]) == (70, 67)
    assert sums(may) == {"DEDUCTION": (-8, 1), "REFUND": (5, 1)}
    for row in await mine.rows():
        assert row["closed_at"] > datetime(2026, 3, 1, tzinfo=UTC)
    assert [row["opening"] for row in (await mine.rows())[1:]] == [row["closing"] for row in (await mine.rows())[:-1]]


async def test_what_is_closed_is_read_as_it_was_before_and_the_running_month_is_not_closed(service: Service) -> None:
    mine = await books(service)
    await gave(at(2026, 4, 1), mine.wallet, 10)
    await spent(datetime.now(UTC), mine.wallet, 3)
    month = month_of(datetime.now(UTC).date())
    unclosed = await mine.of(date(2026, 4, 1))

    await mine.close()
    again = await mine.close()
    closed, running = await mine.of(date(2026, 4, 30)), await mine.of(month)

    assert unclosed["closed"] is False
    shown = ("month", "opening", "closing", "movements")
    assert [closed[name] for name in shown] == [unclosed[name] for name in shown]
    assert closed["closed"] is True
    assert again == 0
    assert (running["opening"], running["closing"], running["closed"]) == (10, 7, False)


async def test_a_month_before_the_first_and_one_to_come_are_refused_with_what_there_is(service: Service) -> None:
    mine = await books(service)
    nothing_yet = await mine.of(datetime.now(UTC).date())
    await gave(at(2026, 4, 1), mine.wallet, 10)
    coming = following(month_of(datetime.now(UTC).date()))

    before, after = await mine.ask(date(2026, 3, 31)), await mine.ask(coming)
    await mine.close()
    still = await mine.ask(date(1970, 1, 1))

    assert (nothing_yet["opening"], nothing_yet["closing"], nothing_yet["closed"]) == (0, 0, False)
    for answer in (before, after, still):
        assert answer.codes == ["BAD_USER_INPUT"]
        assert answer.body["errors"][0]["extensions"]["field"] == ["month"]
        assert answer.body["data"]["wallet"]["statement"] is None
    assert "April 2026" in before.body["errors"][0]["message"]
    assert "has not begun" in after.body["errors"][0]["message"]


async def test_statements_are_never_altered(service: Service) -> None:
    mine = await books(service)
    await gave(at(2026, 4, 1), mine.wallet, 10)
    await mine.close()
    before = await mine.rows()

    for statement in ("UPDATE statements SET closing = 1", "DELETE FROM statements"):
        with pytest.raises(OperationalError):
            await get_connection("default").execute_query(f"{statement} WHERE wallet_id = $1", [mine.wallet])

    assert await mine.rows() == before


@pytest.mark.parametrize(
    ("zone", "last", "first"),
    [
        # The clocks go back on 25 October 2026 in Berlin, forward on 29 March; 2024 has a 29 February.
        ("Europe/Berlin", at(2026, 10, 31, 23, 59, zone="Europe/Berlin"), at(2026, 11, 1, 0, 0, zone="Europe/Berlin")),
        ("Europe/Berlin", at(2026, 3, 31, 23, 59, zone="Europe/Berlin"), at(2026, 4, 1, 0, 0, zone="Europe/Berlin")),
        ("America/New_York", at(2024, 3, 1, 4, 59), at(2024, 3, 1, 5, 0)),
        ("Pacific/Kiritimati", at(2026, 5, 31, 9, 59), at(2026, 5, 31, 10, 0)),
    ],
)
async def test_a_month_ends_with_its_last_moment_where_the_account_is(
    service: Service, zone: str, last: datetime, first: datetime
) -> None:
    mine = await books(service, zone)
    month = month_of(last.astimezone(ZoneInfo(zone)).date())
    await gave(last - timedelta(days=10), mine.wallet, 100)
    await spent(last, mine.wallet, 1)
    await spent(first, mine.wallet, 2)

    await mine.close()
    ended, begun = await mine.of(month), await mine.of(following(month))

    assert sums(ended) == {"GRANT": (100, 1), "DEDUCTION": (-1, 1)}
    assert sums(begun) == {"DEDUCTION": (-2, 1)}
    assert (ended["closing"], begun["opening"]) == (99, 99)


async def test_a_leap_day_is_of_february_and_of_two_hours_that_are_alike_both_count(service: Service) -> None:
    mine = await books(service, "Europe/Berlin")
    await gave(at(2024, 2, 1), mine.wallet, 100)
    await spent(at(2024, 2, 29, 23, 30, zone="Europe/Berlin"), mine.wallet, 1)
    await spent(at(2024, 3, 1, 0, 30, zone="Europe/Berlin"), mine.wallet, 2)
    for hour in (0, 1):  # both are half past two
        await spent(at(2024, 10, 27, hour, 30), mine.wallet, 4)
    await mine.close()

    table = await opened(service, (await mine.of(date(2024, 10, 1)))["csvUrl"])

    assert sums(await mine.of(date(2024, 2, 1)))["DEDUCTION"] == (-1, 1)
    assert sums(await mine.of(date(2024, 3, 1)))["DEDUCTION"] == (-2, 1)
    times = [(row["time_local"], row["time_utc"]) for row in table if row["line"] == "transaction"]
    assert times == [
        ("2024-10-27 02:30:00", "2024-10-27T00:30:00Z"),
        ("2024-10-27 02:30:00", "2024-10-27T01:30:00Z"),
    ]


async def test_a_change_of_the_zone_counts_from_the_next_month_on(service: Service) -> None:
    mine = await books(service, "Europe/Berlin")
    await gave(at(2026, 4, 10), mine.wallet, 100)
    await Account.filter(id=mine.place.account_id).update(
        time_zone="Asia/Tokyo", former_time_zone="Europe/Berlin", time_zone_from=at(2026, 5, 1, zone="Europe/Berlin")
    )
    await spent(at(2026, 4, 30, 23, 30, zone="Europe/Berlin"), mine.wallet, 1)
    await spent(at(2026, 5, 31, 15, 30), mine.wallet, 2)

    await mine.close()

    assert [sums(await mine.of(date(2026, month, 1))).get("DEDUCTION") for month in (4, 5, 6)] == [
        (-1, 1),
        None,
        (-2, 1),
    ]


async def test_closed_by_many_at_once_each_month_is_written_once(service: Service) -> None:
    mine = await books(service)
    await gave(at(2026, 2, 1), mine.wallet, 10)

    written = await asyncio.gather(*(mine.close() for _ in range(6)))

    rows = await mine.rows()
    assert sum(written) == len(rows)
    assert len({row["month"] for row in rows}) == len(rows)
    messages = await OutboxMessage.filter(account_id=mine.place.account_id, job=CLOSED_JOB).count()
    assert messages <= 1


async def test_what_is_posted_while_months_are_closed_is_of_one_of_them(service: Service) -> None:
    mine = await books(service)
    await gave(at(2026, 9, 1), mine.wallet, 1_000)

    async def spend() -> None:
        for _ in range(15):
            answer = await service.gql(SPEND, SERVICE_KEY, wallet=mine.wallet, key=uuid4().hex)
            assert answer.data["deductCredits"]["userErrors"] == []

    await asyncio.gather(*(spend() for _ in range(4)), *(mine.close() for _ in range(4)))

    months = [await mine.of(row["month"]) for row in await mine.rows()]
    running = await mine.of(datetime.now(UTC).date())
    for statement in (*months, running):
        moved_ = sum(credits_ for credits_, _ in sums(statement).values())
        assert statement["opening"] + moved_ == statement["closing"]
    assert [each["opening"] for each in (*months, running)][1:] == [each["closing"] for each in months]
    assert running["closing"] == 1_000 - 60


async def test_one_account_that_cannot_be_closed_keeps_no_other_from_it(service: Service) -> None:
    broken, mine = await books(service), await books(service)
    for each in (broken, mine):
        await gave(at(2026, 8, 1), each.wallet, 5)
        await spent(at(2026, 9, 1), each.wallet, 5)
    # What was given is not in its August: September would close below nothing, which the table refuses.
    await get_connection("default").execute_query(
        "INSERT INTO statements VALUES ($1, '2026-08-01', $2, 0, 0, 0, 1, '[]', now())",
        [broken.wallet, broken.place.account_id],
    )

    await close_months()

    assert [row["closing"] for row in await mine.rows()][:2] == [5, 0]
    assert len(await broken.rows()) == 1
    await _forget(broken)


async def _forget(books_: Books) -> None:
    async with in_transaction() as connection:
        await connection.execute_query("SET LOCAL session_replication_role = replica")
        await connection.execute_query("DELETE FROM statements WHERE wallet_id = $1", [books_.wallet])


async def opened(service: Service, url: str) -> list[dict[str, str]]:
    """The rows behind a link to a CSV."""
    response = await service.http.get(url)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


async def paper_of(service: Service, url: str) -> str:
    """The text of a PDF behind a link, page by page."""
    response = await service.http.get(url)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/pdf"
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(response.content)).pages)


async def test_api_csv_and_pdf_have_the_same_figures(service: Service) -> None:
    mine = await books(service, "Europe/Berlin")
    await gave(at(2026, 5, 2), mine.wallet, 5_000)
    await gave(at(2026, 5, 2), mine.wallet, 40, expires_at=at(2026, 6, 9))
    await spent(at(2026, 6, 3), mine.wallet, 12, reference="=1+1", description="Küche, 东京")
    done = await spent(at(2026, 6, 4), mine.wallet, 1_234, reference="Улица Ленина")
    await refunded(at(2026, 6, 5), mine.wallet, done, 200)
    await swept(at(2026, 6, 10), mine.wallet)
    await mine.close()

    statement = await mine.of(date(2026, 6, 1))
    table = await opened(service, statement["csvUrl"])
    paper = await paper_of(service, statement["pdfUrl"])

    by_line = {
        name: [row for row in table if row["line"] == name] for name in ("opening", "transaction", "closing", "total")
    }
    assert int(by_line["opening"][0]["balance_after"]) == statement["opening"] == 5_040
    assert int(by_line["closing"][0]["balance_after"]) == statement["closing"]
    assert {row["kind"]: (int(row["credits"]), int(row["transactions"])) for row in by_line["total"]} == sums(statement)
    moved_ = [int(row["credits"]) for row in by_line["transaction"]]
    assert statement["opening"] + sum(moved_) == statement["closing"]
    assert [row["reference"] for row in by_line["transaction"]][:2] == ["'=1+1", "Улица Ленина"]
    assert by_line["transaction"][0]["description"] == "Küche, 东京"
    assert by_line["transaction"][0]["by"] == "Staging engine"
    for figure in ("June 2026", "5,040", f"{statement['closing']:,}", "-1,246", "+200", "Улица Ленина", "Page 1 of 1"):
        assert figure in paper
    assert "Furniture removal" in paper
    assert "Europe/Berlin" in paper


async def test_a_long_statement_on_paper_says_how_much_it_leaves_out(service: Service) -> None:
    mine = await books(service)
    await gave(at(2026, 6, 1), mine.wallet, 5_000)
    many = [
        Deduction(
            id=make_id(Kind.TRANSACTION),
            wallet_id=mine.wallet,
            actor=SYSTEM,
            staging_type="FURNITURE_REMOVAL",
            quantity=1,
        )
        for _ in range(1_100)
    ]
    await posted(at(2026, 6, 2), many)
    await mine.close()

    statement = await mine.of(date(2026, 6, 1))
    table, paper = await opened(service, statement["csvUrl"]), await paper_of(service, statement["pdfUrl"])

    assert sum(row["line"] == "transaction" for row in table) == 1_101
    assert "And 101 more" in paper
    assert "-1,100" in paper


async def test_a_deleted_pools_last_statement_is_of_the_month_in_which_it_was_deleted(service: Service) -> None:
    firm = await firm_in(service, "UTC")
    pool = Books(service, firm.pool, "owner")
    await gave(at(2026, 4, 1), firm.account.wallet_id or "", 100)
    await moved(at(2026, 4, 2), firm.account.wallet_id or "", pool.wallet, 60)
    await moved(at(2026, 5, 3), pool.wallet, firm.account.wallet_id or "", 60)
    await Pool.filter(id=firm.pool.pool_id).update(deleted_at=at(2026, 6, 4))

    await close_account(firm.account.account_id)

    assert [row["month"] for row in await pool.rows()] == [date(2026, month, 1) for month in (4, 5, 6)]
    assert [row["closing"] for row in await pool.rows()] == [60, 0, 0]
    assert (await pool.of(date(2026, 4, 1)))["closed"] is True


async def closed_cards(firm: Firm, month: date, *, of: str, count: int) -> list[Posted]:
    """What was told of the month, once it is closed and nothing waits to be told."""
    await close_account(firm.account.account_id)

    async def told() -> bool:
        return not await OutboxMessage.filter(account_id=firm.account.account_id, job=CLOSED_JOB).exists()

    await eventually(told, bool)
    found = await Slack(firm.service).messages(f"statement:{of}:{month}")
    assert len(found) == count
    return found


async def busy_firm(service: Service) -> tuple[Firm, date]:
    """A firm that used something last month, and that month."""
    firm = await firm_in(service, "UTC")
    month = month_of(month_of(datetime.now(UTC).date()) - timedelta(days=1))
    noon = datetime(month.year, month.month, 5, 12, tzinfo=UTC)
    account, pool, alpha = (place.wallet_id or "" for place in (firm.account, firm.pool, firm.alpha))
    await gave(noon, account, 500)
    await moved(noon, account, pool, 300)
    await moved(noon, pool, alpha, 200)
    done = await spent(noon, alpha, 42)
    await refunded(noon + timedelta(days=1), alpha, done, 2)
    return firm, month


def picture_of(card: Posted) -> str:
    (block,) = [block for block in card["blocks"] if block["type"] == "image"]
    return str(block["image_url"])


async def test_of_a_closed_month_an_account_gets_one_card_with_the_figures_and_a_picture(service: Service) -> None:
    firm, month = await busy_firm(service)
    await Account.filter(id=firm.account.account_id).update(slack_channel="#credits")

    (card,) = await closed_cards(firm, month, of=firm.account.account_id, count=1)
    picture = await service.http.get(picture_of(card))
    altered = await service.http.get(picture_of(card).replace(".png", "x.png"))

    told = str(card["blocks"])
    for figure in ("460", "+500", "-42", "+2", "North · Alpha: 0 → 160", "North: 0 → 100"):
        assert figure in told
    assert "Moved" not in told
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    assert picture.content.startswith(b"\x89PNG")
    assert altered.status_code == 403


async def test_without_a_channel_owners_get_the_accounts_card_and_administrators_that_of_their_pool(
    service: Service,
) -> None:
    firm, month = await busy_firm(service)
    async with in_transaction() as connection:
        other = await create_pool(connection, account_id=firm.account.account_id, name="South", at=datetime.now(UTC))
    south = (await pool_places([other.id]))[other.id].wallet_id or ""
    await moved(datetime(month.year, month.month, 20, tzinfo=UTC), firm.account.wallet_id or "", south, 7)

    (of_account,) = await closed_cards(firm, month, of=firm.account.account_id, count=1)
    (of_pool,) = await closed_cards(firm, month, of=firm.pool.pool_id or "", count=1)

    assert of_account["channel"] == direct("owner")
    assert "South: 0 → 7" in str(of_account["blocks"])
    assert of_pool["channel"] == direct("pool_admin")
    assert "260 credits" in of_pool["text"]
    assert "South" not in str(of_pool["blocks"])


async def test_of_missed_months_only_the_latest_is_told(service: Service) -> None:
    firm, month = await busy_firm(service)
    await Account.filter(id=firm.account.account_id).update(slack_channel="#credits")
    mine = await books(service)
    await gave(at(2026, 1, 1), mine.wallet, 5)
    await Account.filter(id=mine.place.account_id).update(slack_channel="#credits")

    await mine.close()

    async def told() -> bool:
        return not await OutboxMessage.filter(account_id=mine.place.account_id).exists()

    await eventually(told, bool)

    (card,) = await Slack(service).messages(f"statement:{mine.place.account_id}:")
    assert card["metadata"]["event_payload"]["dedupe"].startswith(f"statement:{mine.place.account_id}:{month}")


async def test_what_a_clock_that_was_set_back_books_late_changes_no_closed_month(service: Service) -> None:
    mine = await books(service)
    await gave(at(2026, 9, 1), mine.wallet, 10)
    await mine.close()
    closed = await mine.rows()

    await spent(at(2026, 9, 15), mine.wallet, 3)

    running = await mine.of(datetime.now(UTC).date())
    assert await mine.rows() == closed
    assert (running["opening"], running["closing"], sums(running)) == (10, 7, {"DEDUCTION": (-3, 1)})


async def test_on_paper_an_account_reads_what_each_department_used(service: Service) -> None:
    firm, month = await busy_firm(service)
    account, alpha = Books(service, firm.account, "owner"), Books(service, firm.alpha, "owner")
    await close_account(firm.account.account_id)

    paper = await paper_of(service, (await account.of(month))["pdfUrl"])
    kept = await get_connection("default").execute_query_dict(
        "SELECT credits, refunded FROM usage_months WHERE wallet_id = $1 AND month = $2", [alpha.wallet, month]
    )

    assert "Use by department" in paper
    assert "Alpha" in paper
    # The same in the statement, in what is kept as used, and on paper.
    assert sums(await alpha.of(month))["DEDUCTION"] == (-42, 1)
    assert [(row["credits"], row["refunded"]) for row in kept] == [(42, 2)]
    assert "42" in paper
