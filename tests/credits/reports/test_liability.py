"""The liability report on accounts made by hand, and on a whole history against a slow sum that knows no SQL."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random

import asyncpg
import pytest

from app.database import credentials
from app.history import writing
from app.history.books import Books, PaidBack
from app.history.filling import fill
from app.history.plan import NOISE_BITS, AccountPlan, Person, PoolPlan, Team
from app.history.shop import Bought, Offer, Package
from credits.accounts.models import AccountKind
from credits.actors import SYSTEM, Actor, ActorKind
from credits.ids import Kind, id_at
from credits.ledger.audit import audit, snapshot
from credits.ledger.commands import Adjustment, Clawback, Grant, PurchaseCredit, Refund, RefundReason, Sweep, Transfer
from credits.ledger.models import TransactionKind
from credits.ledger.posting import Price
from credits.ledger.text import Text
from credits.ledger.wallet import Line
from credits.money import Money
from credits.reports.liability import Entry, Liability, Worth, liability
from tests.support.history import catalogue_database

Pair = tuple[int, Fraction | int]
CHANCE = Random(1)  # noqa: S311 ids of tests
OPENED = datetime(2024, 1, 1, tzinfo=UTC)
JANUARY, FEBRUARY, MARCH, APRIL = (date(2024, month, 1) for month in (1, 2, 3, 4))
NEW_YEAR_TO_MARCH = [JANUARY, FEBRUARY, MARCH]


def made(kind: Kind, at: datetime = OPENED) -> str:
    return id_at(kind, at, CHANCE.getrandbits(NOISE_BITS))


def person(number: int) -> Person:
    return Person(
        id=made(Kind.USER), membership_id=made(Kind.MEMBERSHIP), name="Ann", email=f"{number}@{made(Kind.USER)}.example"
    )


def plan_of(currency: str) -> AccountPlan:
    """An enterprise with one pool and one department."""
    account, wallet, pool_wallet = made(Kind.ACCOUNT), made(Kind.WALLET), made(Kind.WALLET)
    owner = person(1)
    pool = PoolPlan(id=made(Kind.POOL), name="Pool", wallet_id=pool_wallet, administrator=owner)
    path = (wallet, pool_wallet, made(Kind.WALLET))
    team = Team(id=made(Kind.DEPARTMENT), name="Team", pool_id=pool.id, path=path, share=1, people=(owner,))
    return AccountPlan(
        id=account,
        name="By hand",
        kind=AccountKind.ENTERPRISE,
        time_zone="America/New_York",
        currency=currency,
        unit_price_minor=Decimal(150),
        valid_for_days=None,
        wallet_id=wallet,
        owner=owner,
        api_key_id=None,
        pools=(pool,),
        teams=(team,),
        lines=0,
        begins=0,
        created_at=OPENED,
        seed="by hand",
    )


class ByHand:
    """An account to which things happen when the test says so."""

    def __init__(self, currency: str = "USD") -> None:
        self.plan = plan_of(currency)
        self.books = Books(self.plan, {"BASIC_ROOM": Price(credits=2, active=True)})
        self.account, self.pool, self.department = self.plan.teams[0].path

    def buy(self, at: datetime, credits_bought: int, total_minor: int, *, days: int | None = None) -> Bought:
        package = Package(
            code="ENTERPRISE",
            name="Enterprise",
            credits=None,
            price_minor=None,
            currency=self.plan.currency,
            minimum_credits=1,
            valid_for_days=None,
        )
        total = Money(total_minor, self.plan.currency)
        bought = Bought(
            id=made(Kind.PURCHASE, at),
            offer=Offer(package=package, quantity=1, credits=credits_bought, total=total),
            valid_for_days=days,
            payment_id=made(Kind.PURCHASE, at),
            transaction_id=made(Kind.TRANSACTION, at),
            at=at,
        )
        self.books.do(
            PurchaseCredit(
                id=bought.transaction_id,
                wallet_id=self.account,
                actor=SYSTEM,
                purchase_id=bought.id,
                payment_id=bought.payment_id,
                credits=credits_bought,
                paid=total,
                valid_for_days=days,
            ),
            at,
        )
        self.books.portion.bought.append(bought)
        return bought

    def grant(self, at: datetime, credits_given: int, *, until: datetime | None) -> None:
        self.books.do(
            Grant(
                id=made(Kind.TRANSACTION, at),
                wallet_id=self.account,
                actor=SYSTEM,
                credits=credits_given,
                expires_at=until,
                priority=50,
            ),
            at,
        )

    def pass_on(self, at: datetime, amount: int) -> None:
        for source, target in ((self.account, self.pool), (self.pool, self.department)):
            self.books.do(
                Transfer(
                    id=made(Kind.TRANSFER, at),
                    wallet_id=source,
                    to_wallet_id=target,
                    kind=TransactionKind.ALLOCATION,
                    credits=amount,
                    actor=SYSTEM,
                ),
                at,
            )

    def spend(self, at: datetime, rooms: int, *, wallet_id: str = "") -> Line:
        return self.books.deduct(
            wallet_id or self.department,
            at,
            line_id=made(Kind.TRANSACTION, at),
            actor=Actor(kind=ActorKind.USER, id=self.plan.owner.id),
            text=Text(salt=bytes(16), reference=None, description=None, metadata=None),
            staging_type="BASIC_ROOM",
            quantity=rooms,
        )

    def refund(self, at: datetime, of: Line, credits_back: int) -> None:
        self.books.refund(
            Refund(
                id=made(Kind.TRANSACTION, at),
                wallet_id=of.wallet_id,
                actor=SYSTEM,
                deduction_id=of.id,
                credits=credits_back,
                reason=RefundReason.QUALITY,
            ),
            at,
            of=of,
        )

    def sweep(self, at: datetime) -> None:
        for wallet_id in self.books.wallets:
            self.books.do(Sweep(id=made(Kind.TRANSACTION, at), wallet_id=wallet_id, actor=SYSTEM, limit=9), at)

    def adjust(self, at: datetime, change: int) -> None:
        self.books.do(
            Adjustment(id=made(Kind.TRANSACTION, at), wallet_id=self.account, actor=SYSTEM, change=change), at
        )

    def pay_back(self, at: datetime, bought: Bought, amount_minor: int, credits_back: int) -> None:
        refund = PaidBack(
            id=made(Kind.PAYMENT_REFUND, at),
            bought=bought,
            provider_id=made(Kind.PAYMENT_REFUND, at),
            amount_minor=amount_minor,
            credits=credits_back,
            at=at,
        )
        self.books.do_in_all(
            Clawback(
                id=made(Kind.CLAWBACK, at),
                account_id=self.plan.id,
                wallet_id=self.account,
                actor=SYSTEM,
                purchase_id=bought.id,
                source_id=refund.provider_id,
                credits=credits_back,
            ),
            at,
        )
        self.books.portion.paid_back.append(refund)


@pytest.fixture(scope="module")
async def empty(postgres: str) -> AsyncIterator[str]:
    """What the others are copied from."""
    async with catalogue_database(postgres, "liability_empty") as url:
        yield url


@pytest.fixture
async def ledger(postgres: str, empty: str) -> AsyncIterator[asyncpg.Connection]:
    """A ledger that is a test's own: the report is about all that there is."""
    async with catalogue_database(postgres, "liability", like=empty) as url, connected(url) as connection:
        yield connection


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**credentials(url))
    try:
        yield connection
    finally:
        await connection.close()


async def written(ledger: asyncpg.Connection, *accounts: ByHand) -> None:
    async with ledger.transaction():
        for each in accounts:
            await writing.open_account(ledger, each.plan)
            await writing.write(ledger, each.plan, each.books.take())
    async with snapshot(ledger):
        assert [found for found in await audit(ledger) if found.broken] == []


async def report(ledger: asyncpg.Connection, month: date) -> Liability:
    async with snapshot(ledger):
        return await liability(ledger, month)


async def entries(ledger: asyncpg.Connection, month: date, currency: str | None) -> dict[str, Pair]:
    """What is not nothing in a column of a report that adds up."""
    found = await report(ledger, month)
    assert found.disagreements == ()
    column = found.columns.get(currency, {})
    return {entry.value: (worth.credits, worth.minor) for entry, worth in column.items() if worth != Worth()}


def on(month: int, day: int, hour: int = 12) -> datetime:
    return datetime(2024, month, day, hour, tzinfo=UTC)


async def test_sold_used_and_refunded_credits_are_worth_what_was_paid_for_them(ledger: asyncpg.Connection) -> None:
    account = ByHand()
    account.buy(on(1, 10), 300, 50_000)
    account.pass_on(on(1, 11), 100)
    deduction = account.spend(on(1, 12), 20)
    account.refund(on(1, 31), deduction, 10)
    account.refund(on(2, 1), deduction, 6)
    await written(ledger, account)

    unit = Fraction(50_000, 300)

    assert await entries(ledger, JANUARY, "USD") == {
        "SOLD": (300, 300 * unit),
        "USED": (-30, -30 * unit),
        "CLOSING": (270, 270 * unit),
    }
    assert await entries(ledger, FEBRUARY, "USD") == {
        "OPENING": (270, 270 * unit),
        "USED": (6, 6 * unit),
        "CLOSING": (276, 276 * unit),
    }


async def test_a_month_ends_at_midnight_by_utc(ledger: asyncpg.Connection) -> None:
    account = ByHand()
    account.buy(on(1, 1), 100, 10_000)
    account.spend(datetime(2024, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC), 1, wallet_id=account.account)
    account.spend(datetime(2024, 2, 1, tzinfo=UTC), 2, wallet_id=account.account)
    await written(ledger, account)

    used: list[Pair | None] = [(await entries(ledger, month, "USD")).get("USED") for month in NEW_YEAR_TO_MARCH]

    assert used == [(-2, -200), (-4, -400), None]


async def test_what_lapses_is_owed_until_it_is_booked_and_granted_credits_are_no_money(
    ledger: asyncpg.Connection,
) -> None:
    account = ByHand()
    account.buy(on(1, 5), 50, 5_000, days=31)
    account.grant(on(1, 5), 20, until=on(1, 20))
    account.sweep(on(1, 20))
    account.sweep(on(2, 5))
    account.adjust(on(2, 6), 7)
    await written(ledger, account)

    assert await entries(ledger, JANUARY, None) == {"GRANTED": (20, 0), "EXPIRED": (-20, 0)}
    assert await entries(ledger, JANUARY, "USD") == {"SOLD": (50, 5_000), "CLOSING": (50, 5_000)}
    assert await entries(ledger, FEBRUARY, "USD") == {"OPENING": (50, 5_000), "EXPIRED": (-50, -5_000)}
    assert await entries(ledger, FEBRUARY, None) == {"ADJUSTED": (7, 0), "CLOSING": (7, 0)}


async def test_a_clawback_takes_what_was_passed_on_to_a_department_too(ledger: asyncpg.Connection) -> None:
    account = ByHand()
    bought = account.buy(on(1, 5), 1_000, 99_900)
    account.pass_on(on(1, 6), 900)
    account.pay_back(on(2, 10), bought, 33_300, 333)
    await written(ledger, account)

    unit = Fraction(99_900, 1_000)

    assert await entries(ledger, FEBRUARY, "USD") == {
        "OPENING": (1_000, 1_000 * unit),
        "CLAWED_BACK": (-333, -333 * unit),
        "CLOSING": (667, 667 * unit),
    }


async def test_currencies_are_kept_apart_and_money_is_rounded_once(ledger: asyncpg.Connection) -> None:
    dollars, euros = ByHand("USD"), ByHand("EUR")
    for account in (dollars, euros):
        for _ in range(3):
            account.buy(on(3, 1), 3, 100)
            account.spend(on(3, 2), 1, wallet_id=account.account)
    await written(ledger, dollars, euros)

    found = await report(ledger, MARCH)

    assert {currency: column[Entry.CLOSING] for currency, column in found.columns.items()} == {
        "EUR": Worth(3, Fraction(100)),
        "USD": Worth(3, Fraction(100)),
    }
    assert found.columns["USD"][Entry.USED].minor == -200
    assert Worth(1, Fraction(100, 3)).rounded == 33


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("UPDATE lots SET remaining = remaining + 1 WHERE origin_id IS NULL", "-1 credits are between"),
        ("UPDATE transactions SET change = change + 1 WHERE kind = 'DEDUCTION'", "DEDUCTION"),
        ("UPDATE purchases SET total_minor = total_minor + 1", "10,001 were paid"),
        ("UPDATE transaction_lots SET credits = credits + 1 WHERE credits = 40", "ALLOCATION"),
    ],
)
async def test_what_does_not_add_up_is_said(ledger: asyncpg.Connection, harm: str, told: str) -> None:
    account = ByHand()
    account.buy(on(1, 1), 100, 10_000)
    account.pass_on(on(1, 2), 40)
    account.spend(on(1, 3), 1)
    await written(ledger, account)
    await ledger.execute(f"SET session_replication_role = replica; {harm}")

    found = await report(ledger, JANUARY)

    assert any(told in each for each in found.disagreements)


async def test_a_month_that_runs_is_marked_and_one_to_come_is_refused(ledger: asyncpg.Connection) -> None:
    now = await ledger.fetchval("SELECT credits_now()")

    running = await report(ledger, now.date())

    assert not running.over
    assert (await report(ledger, APRIL)).over
    with pytest.raises(ValueError, match="has not begun yet"):
        await report(ledger, (now + timedelta(days=32)).date())


async def test_a_whole_history_is_what_a_slow_sum_finds(postgres: str, empty: str) -> None:
    async with catalogue_database(postgres, "liability_history", like=empty) as url:
        await fill(url, lines=6_000, seed=4)
        async with connected(url) as ledger:
            now: datetime = await ledger.fetchval("SELECT credits_now()")
            months = [(now - timedelta(days=days)).date().replace(day=1) for days in (20, 200, 400)]
            for month in months:
                found = await report(ledger, month)

                assert found.disagreements == ()
                end = datetime.combine((month + timedelta(days=32)).replace(day=1), datetime.min.time(), UTC)
                assert _closing(found) == await _slowly(ledger, end)


def _closing(found: Liability) -> dict[str | None, Pair]:
    worths = {currency: column[Entry.CLOSING] for currency, column in found.columns.items()}
    return {currency: (worth.credits, worth.minor) for currency, worth in worths.items() if worth != Worth()}


async def _slowly(ledger: asyncpg.Connection, end: datetime) -> dict[str | None, Pair]:
    """Every draw, one after the other, for every lot by itself."""
    times = {row["id"]: row["created_at"] for row in await ledger.fetch("SELECT id, created_at FROM transactions")}
    left: Counter[str] = Counter()
    for row in await ledger.fetch("SELECT transaction_id, lot_id, credits FROM transaction_lots"):
        if times[row["transaction_id"]] < end:
            left[row["lot_id"]] += row["credits"]
    found: dict[str | None, Pair] = {}
    for lot in await ledger.fetch("SELECT id, currency, paid_minor, paid_for FROM lots"):
        if left[lot["id"]]:
            credits_before, minor = found.get(lot["currency"], (0, Fraction(0)))
            worth = Fraction(lot["paid_minor"], lot["paid_for"]) * left[lot["id"]]
            found[lot["currency"]] = (credits_before + left[lot["id"]], minor + worth)
    return found
