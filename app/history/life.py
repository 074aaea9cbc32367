"""The life of one account: listings come in and are staged, credits run low and are bought and passed on, renders fail.

Time is told by how much has been done: so many of its transactions, so far along its calendar. What it does is chance,
and the same every time.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random

from app.history.books import Books, PaidBack, Portion
from app.history.calendar import Calendar
from app.history.plan import NOISE_BITS, AccountPlan, Person, Team
from app.history.shop import Bought, Package, offer
from credits.actors import SYSTEM, Actor, ActorKind
from credits.ids import Kind, id_at
from credits.ledger.commands import (
    DEFAULT_PRIORITY,
    Adjustment,
    Clawback,
    Grant,
    PurchaseCredit,
    Refund,
    RefundReason,
    Sweep,
    Transfer,
)
from credits.ledger.disputing import clawback_due
from credits.ledger.models import TransactionKind
from credits.ledger.posting import Price
from credits.ledger.text import SALT_BYTES, Text
from credits.ledger.wallet import Line

PORTION = 10_000
# How often each type is asked for; what a catalogue has besides is rare.
_SHARES = {"BASIC_ROOM": 45, "FURNITURE_REMOVAL": 20, "ADVANCED": 15, "STYLE_CHANGE": 12, "OUTDOOR": 8}
_RARE = 2
_ROOMS = ("Living room", "Kitchen", "Bedroom", "Bathroom", "Dining room", "Home office", "Terrace", "Entrance")
_MONTHS = 24
_FAILING = 0.02
_OPERATOR = Actor(kind=ActorKind.SERVICE, id="history")


class Life:
    """Tells the history of an account. `portions` may be gone through once."""

    def __init__(
        self, plan: AccountPlan, calendar: Calendar, prices: Mapping[str, Price], packages: Sequence[Package]
    ) -> None:
        self._plan = plan
        self._calendar = calendar
        self._packages = packages
        self._types = sorted(prices)
        self._shares = [_SHARES.get(code, _RARE) for code in self._types]
        self._prices = prices
        self._chance = Random(f"life:{plan.seed}")  # noqa: S311 a history has no secrets
        self._books = Books(plan, prices)
        mean = sum(price.credits for price in prices.values()) / len(prices)
        self._a_month = max(30, int(plan.lines * mean / _MONTHS))
        # What comes later: when, a number to tell apart what comes at once, and what it is about.
        self._later: list[tuple[datetime, int, Line | Bought]] = []
        self._number = count()
        self._at = plan.created_at

    def portions(self) -> Iterator[Portion]:
        """All of it, in the order of time, up to a few transactions more than planned."""
        self._grant(self._plan.wallet_id, 20, timedelta(days=30), "Welcome")
        while self._books.lines < self._plan.lines:
            self._pass_time()
            self._maybe_something_else()
            self._stage_listing()
            if len(self._books.portion.changes.lines) >= PORTION:
                yield self._books.take()
        yield self._books.take()

    def _time(self, lines: int) -> datetime:
        begins = self._plan.begins
        return self._calendar.at(begins + (1 - begins) * min(1, lines / self._plan.lines))

    def _pass_time(self) -> None:
        """Go on to where the account has come to, and do on the way what has been waiting."""
        now = max(self._at, self._time(self._books.lines))
        while self._later and self._later[0][0] <= now:
            due, _, about = heappop(self._later)
            at = self._at = max(due, self._at)
            self._lapse(at)
            if isinstance(about, Bought):
                self._pay_back(about, at)
            else:
                self._refund(about, at)
        self._lapse(now)
        self._at = now

    def _lapse(self, until: datetime) -> None:
        for at, wallet_id in self._books.lapsing(until):
            sweep = Sweep(id=self._id(Kind.TRANSACTION, at), wallet_id=wallet_id, actor=SYSTEM, limit=PORTION)
            self._books.do(sweep, at)

    def _stage_listing(self) -> None:
        """So many photos of a house, one after the other."""
        team = self._one_of_the_teams()
        left = self._plan.lines - self._books.lines
        jobs = self._jobs(max(1, min(left, round(self._chance.triangular(5, 40, 12)))))
        self._fund(team.path, sum(self._prices[code].credits * quantity for code, quantity in jobs))
        actor = self._actor(self._chance.choice(team.people))
        reference = f"MLS-{self._chance.randint(1_000_000, 9_999_999)}"
        # Not beyond when the next listing comes.
        room = self._time(self._books.lines + len(jobs)) - self._at
        pause = min(timedelta(seconds=self._chance.uniform(2, 40)), room / (len(jobs) + 1))
        for code, quantity in jobs:
            self._at += max(pause, timedelta())
            line = self._books.deduct(
                team.path[-1],
                self._at,
                line_id=self._id(Kind.TRANSACTION, self._at),
                actor=actor,
                text=self._text(reference),
                staging_type=code,
                quantity=quantity,
            )
            if self._chance.random() < _FAILING:
                self._keep_for_later(self._when_it_shows(), line)

    def _jobs(self, photos: int) -> list[tuple[str, int]]:
        codes = self._chance.choices(self._types, self._shares, k=photos)
        return [(code, 1 if self._chance.random() < 0.92 else self._chance.randint(2, 4)) for code in codes]

    def _one_of_the_teams(self) -> Team:
        (team,) = self._chance.choices(self._plan.teams, [team.share for team in self._plan.teams])
        return team

    def _actor(self, person: Person) -> Actor:
        if self._plan.api_key_id and self._chance.random() < 0.4:
            return Actor(kind=ActorKind.API_KEY, id=self._plan.api_key_id, on_behalf_of=person.id)
        return Actor(kind=ActorKind.USER, id=person.id)

    def _text(self, reference: str | None, description: str | None = None) -> Text:
        chance = self._chance.random()
        if description is None and chance < 0.3:
            description = self._chance.choice(_ROOMS)
        metadata = (("source", "uploader"),) if chance < 0.05 else None
        salt = self._chance.randbytes(SALT_BYTES)
        return Text(salt=salt, reference=reference, description=description, metadata=metadata)

    def _when_it_shows(self) -> timedelta:
        """Most failures at once, some after a look, a few in a later month."""
        kind = self._chance.random()
        if kind < 0.8:
            return timedelta(minutes=self._chance.uniform(1, 30))
        return timedelta(days=self._chance.uniform(1, 7) if kind < 0.95 else self._chance.uniform(20, 45))

    def _keep_for_later(self, after: timedelta, about: Line | Bought) -> None:
        heappush(self._later, (self._at + after, next(self._number), about))

    def _refund(self, deduction: Line, at: datetime) -> None:
        whole = -deduction.change
        part = whole > 1 and self._chance.random() < 0.2
        refund = Refund(
            id=self._id(Kind.TRANSACTION, at),
            wallet_id=deduction.wallet_id,
            actor=_OPERATOR if self._chance.random() < 0.7 else deduction.actor,
            text=self._text(deduction.text.reference if deduction.text else None, "The render failed"),
            deduction_id=deduction.id,
            credits=self._chance.randint(1, whole - 1) if part else None,
            reason=RefundReason.RENDER_FAILED if self._chance.random() < 0.7 else RefundReason.QUALITY,
        )
        self._books.refund(refund, at, of=deduction)

    def _fund(self, path: tuple[str, ...], need: int) -> None:
        """See that so much is there to be spent: from the wallet above, or bought."""
        wallet_id, above = path[-1], path[:-1]
        if self._books.wallets[wallet_id].available(self._at) >= need:
            return
        # A department has enough for days, its pool for weeks, the account for most of a month.
        stock = self._a_month * self._chance.uniform(0.5, 1.0) * 0.5 ** len(above)
        amount = max(need, int(stock))
        if above:
            self._fund(above, amount)
            self._move(TransactionKind.ALLOCATION, above[-1], wallet_id, amount)
        else:
            self._buy(amount)

    def _move(self, kind: TransactionKind, source: str, target: str, amount: int) -> None:
        transfer = Transfer(
            id=self._id(Kind.TRANSFER, self._at),
            wallet_id=source,
            to_wallet_id=target,
            kind=kind,
            credits=amount,
            actor=Actor(kind=ActorKind.USER, id=self._plan.owner.id),
        )
        self._books.do(transfer, self._at)

    def _buy(self, at_least: int) -> None:
        chosen = offer(self._plan, self._packages, at_least)
        bought = Bought(
            id=self._id(Kind.PURCHASE, self._at),
            offer=chosen,
            valid_for_days=chosen.package.valid_for_days or self._plan.valid_for_days,
            payment_id=f"pi_history_{self._chance.getrandbits(NOISE_BITS):x}",
            transaction_id=self._id(Kind.TRANSACTION, self._at),
            at=self._at,
        )
        command = PurchaseCredit(
            id=bought.transaction_id,
            wallet_id=self._plan.wallet_id,
            actor=SYSTEM,
            purchase_id=bought.id,
            payment_id=bought.payment_id,
            credits=chosen.credits,
            paid=chosen.total,
            valid_for_days=bought.valid_for_days,
        )
        self._books.do(command, self._at)
        self._books.portion.bought.append(bought)
        if self._chance.random() < 0.04:
            self._keep_for_later(timedelta(hours=self._chance.uniform(2, 72)), bought)

    def _pay_back(self, bought: Bought, at: datetime) -> None:
        """A part of the money goes back, and credits with it, where they are there still."""
        total = bought.offer.total.amount_minor
        amount = int(total * self._chance.uniform(0.1, 0.5))
        due = clawback_due(bought.offer.credits, refunded_minor=amount, total_minor=total)
        if not due or self._books.left_of(bought.id, at) < due:
            return
        provider_id = f"re_history_{self._chance.getrandbits(NOISE_BITS):x}"
        clawback = Clawback(
            id=self._id(Kind.CLAWBACK, at),
            account_id=self._plan.id,
            wallet_id=self._plan.wallet_id,
            actor=SYSTEM,
            purchase_id=bought.id,
            source_id=provider_id,
            credits=due,
        )
        self._books.do_in_all(clawback, at)
        self._books.portion.paid_back.append(
            PaidBack(
                id=self._id(Kind.PAYMENT_REFUND, at),
                bought=bought,
                provider_id=provider_id,
                amount_minor=amount,
                credits=due,
                at=at,
            )
        )

    def _maybe_something_else(self) -> None:
        """Now and then a gift that lapses soon, a correction, credits that go back or over to others."""
        kind = self._chance.random()
        team = self._one_of_the_teams()
        if kind < 0.02:
            a_week = max(5, int(self._a_month * team.share / 8))
            days = timedelta(days=self._chance.choice((7, 14, 30)))
            self._grant(team.path[-1], self._chance.randint(1, 3 * a_week), days, "Promotion")
        elif kind < 0.021:
            text = self._text(None, "Counted anew with the customer")
            adjustment = Adjustment(
                id=self._id(Kind.TRANSACTION, self._at),
                wallet_id=team.path[-1],
                actor=_OPERATOR,
                text=text,
                change=self._chance.randint(1, 20),
            )
            self._books.do(adjustment, self._at)
        elif kind < 0.026 and len(team.path) > 1:
            self._give_away(team)

    def _give_away(self, team: Team) -> None:
        available = self._books.wallets[team.path[-1]].available(self._at)
        if available < 2:
            return
        others = [other for other in self._plan.teams if other.pool_id == team.pool_id and other is not team]
        amount = self._chance.randint(1, available // 2)
        if others and self._chance.random() < 0.5:
            self._move(TransactionKind.TRANSFER, team.path[-1], self._chance.choice(others).path[-1], amount)
        else:
            self._move(TransactionKind.RECLAIM, team.path[-1], team.path[-2], amount)

    def _grant(self, wallet_id: str, amount: int, lasts: timedelta, reason: str) -> None:
        grant = Grant(
            id=self._id(Kind.TRANSACTION, self._at),
            wallet_id=wallet_id,
            actor=_OPERATOR,
            text=self._text(None, reason),
            credits=amount,
            expires_at=self._at + lasts,
            priority=DEFAULT_PRIORITY,
        )
        self._books.do(grant, self._at)

    def _id(self, kind: Kind, at: datetime) -> str:
        return id_at(kind, at, self._chance.getrandbits(NOISE_BITS))
