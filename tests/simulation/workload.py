"""A workload planned from a seed alone: what an account is asked over weeks, in an order that nobody would think of.

The model is asked along the way what there is to spend, to capture and to refund, so that most of what is tried can be
done; the rest is tried all the same. What a plan refers to it names by ids that follow from the plan, so that one plan
runs against the rules, the model and the database. Where the thing never came to be, the command falls away.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from credits.actors import SYSTEM, Actor, ActorKind
from credits.idempotency import make_key
from credits.ids import Kind
from credits.ledger.commands import (
    Adjustment,
    Bulk,
    CaptureHold,
    Clawback,
    Command,
    Deduction,
    ExtendHold,
    Freeze,
    GiveBack,
    Grant,
    Part,
    PlaceHold,
    PurchaseCredit,
    Refund,
    RefundReason,
    ReleaseHold,
    Sweep,
    Thaw,
    Transfer,
    Unit,
    Wanted,
    commands_of,
)
from credits.ledger.text import Text
from credits.money import Money
from tests.simulation.model import Hold, Model, Spending
from tests.simulation.names import Layout, Step, item_id, numbered

T = TypeVar("T")
C = TypeVar("C", bound=Command)

# Far from any clock, so that nothing that sweeps by the real one finds what lapses here.
START = datetime(2040, 1, 1, 12, tzinfo=UTC)
OFFERED = {"FURNITURE_REMOVAL": 1, "BASIC_ROOM": 2, "ADVANCED": 3}
NO_TYPE = "NO_SUCH_TYPE"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

_PERSON = Actor(kind=ActorKind.USER, id="usr_of_the_simulation")
_CLERK = Actor(kind=ActorKind.SERVICE, id="staging", on_behalf_of=_PERSON.id)
_NOT_CONTENT = {"id", "key", "salt", "text", "actor"}


def plan(seed: int, steps: int, *, layout: Layout | None = None, start: datetime = START) -> list[Step]:
    """The first so many steps of this seed's workload; more of them begin with the same ones."""
    planner = _Planner(seed, layout or Layout(), start)
    return [planner.opening(), *(planner.step(number) for number in range(1, steps))]


def possible(units: Sequence[Unit], knows: Callable[[Command], bool]) -> tuple[Unit, ...]:
    """The units that do not refer to what never came to be."""
    return tuple(unit for unit in units if all(map(knows, commands_of(unit))))


@dataclass(slots=True)
class _Bought:
    """A purchase as planned: what may still be taken back of it, and whether it is disputed."""

    command: PurchaseCredit
    left: int
    disputed: bool = False


@dataclass(slots=True)
class _Planner:
    seed: int
    layout: Layout
    at: datetime
    dice: Random = field(init=False)
    model: Model = field(init=False)
    made: int = 0
    suspended: bool = False
    prices: dict[str, int | None] = field(default_factory=lambda: dict(OFFERED))
    keyed: list[Command] = field(default_factory=list)
    bought: list[_Bought] = field(default_factory=list)
    instants: list[datetime] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = Random(self.seed)  # noqa: S311 to be had again is what it is for
        self.model = Model(self.layout.rooms)

    def opening(self) -> Step:
        """Something to begin with: no wallet is empty."""
        units = (
            self._purchase(self.layout.account, 40),
            self._purchase(self.layout.pools[0], 25),
            *(self._grant(wallet_id) for wallet_id in self.layout.wallets[1:]),
        )
        return self._finished(0, units)

    def step(self, number: int) -> Step:
        """The next step."""
        self._tick()
        if self._chance(0.01 if not self.suspended else 0.5):
            self.suspended = not self.suspended
        if self._chance(0.06):
            self.prices[self.dice.choice(list(OFFERED))] = self.dice.choice([None, 1, 2, 2, 3, 3, 4])
        self.model.call((), now=self.at, suspended=self.suspended, prices=self.prices)
        several = self.dice.randint(2, 4) if self._chance(0.25) else 1
        return self._finished(number, self._distinct([self._unit() for _ in range(several)]))

    def _distinct(self, units: list[Unit]) -> tuple[Unit, ...]:
        """Units of one call with a key each; sometimes one of them comes once more, in the end."""
        seen: set[tuple[str, str]] = set()
        kept: list[Unit] = []
        for unit in units:
            keys = {command.key.identity for command in commands_of(unit) if command.key}
            if seen.isdisjoint(keys):
                kept.append(unit)
                seen |= keys
        again = [command for unit in kept for command in commands_of(unit) if command.key]
        if again and self._chance(0.08):
            kept.append(self._again(self.dice.choice(again)))
        return tuple(kept)

    def _finished(self, number: int, units: tuple[Unit, ...]) -> Step:
        step = Step(number=number, at=self.at, suspended=self.suspended, prices=dict(self.prices), units=units)
        asked = possible(units, self.model.knows)
        self.model.call(asked, now=step.at, suspended=step.suspended, prices=step.prices)
        for command in step.commands:
            self._remember(command)
        return step

    def _remember(self, command: Command) -> None:
        """What may come again, be disputed or be taken back, and the instants at which something becomes different."""
        if command.key:
            self.keyed.append(command)
        match command:
            case Deduction():
                self.instants.append(self.at + 30 * DAY)
            case PlaceHold() | ExtendHold():
                self.instants.append(self.at + command.lasts)
            case Grant() if command.expires_at:
                self.instants.append(command.expires_at)
            case PurchaseCredit():
                self.bought.append(_Bought(command, command.credits))
                if command.valid_for_days:
                    self.instants.append(self.at + command.valid_for_days * DAY)

    def _tick(self) -> None:
        kind = self.dice.choices(["no", "seconds", "hours", "days", "back", "instant"], [15, 56, 8, 6, 6, 9])[0]
        match kind:
            case "seconds":
                self.at += timedelta(seconds=self.dice.randint(1, 90), microseconds=self.dice.randint(0, 999_999))
            case "hours":
                self.at += timedelta(minutes=self.dice.randint(20, 500))
            case "days":
                self.at += timedelta(hours=self.dice.randint(20, 300))
            case "back":
                self.at -= timedelta(seconds=self.dice.randint(1, 120))
            case "instant":
                self._to_an_instant()

    def _to_an_instant(self) -> None:
        """To the very moment at which something lapses or ends, just before it, or just after."""
        ahead = sorted(each for each in self.instants if each > self.at)[:3]
        if ahead:
            self.at = self.dice.choice(ahead) + timedelta(microseconds=self.dice.choice([-1, 0, 0, 0, 1]))

    def _unit(self) -> Unit:
        kinds: list[tuple[Callable[[], Unit], int]] = [
            (self._deduction, 15),
            (self._grant, 9),
            (self._purchase, 5),
            (self._adjustment, 4),
            (self._refund, 14),
            (self._transfer, 14),
            (self._hold, 10),
            (self._capture, 10),
            (self._release, 7),
            (self._extension, 3),
            (self._sweep, 4),
            (self._freeze, 4),
            (self._thaw, 3),
            (self._clawback, 3),
            (self._return, 2),
            (self._bulk, 5),
            (self._replay, 7),
        ]
        return self.dice.choices([make for make, _ in kinds], [weight for _, weight in kinds])[0]()

    # Credits coming in

    def _grant(self, wallet_id: str | None = None) -> Grant:
        lasts = self.dice.choice([None, None, HOUR, DAY, 3 * DAY, 20 * DAY, 45 * DAY])
        if self._chance(0.05):
            lasts = -self.dice.choice([timedelta(0), DAY])
        return self._keyed(
            Grant(
                **self._named(Kind.TRANSACTION, wallet_id or self._owing()),
                credits=self.dice.randint(2, 30),
                expires_at=None if lasts is None else self.at + lasts,
                priority=self.dice.choice([50, 50, 50, 50, 10, 90]),
            )
        )

    def _purchase(self, wallet_id: str | None = None, credits_bought: int | None = None) -> PurchaseCredit:
        amount = credits_bought or self.dice.randint(5, 30)
        named = self._named(Kind.TRANSACTION, wallet_id or self._owing()) | {"text": None}
        return PurchaseCredit(
            **named,
            purchase_id=numbered(Kind.PURCHASE, self._number()),
            payment_id=f"pi_{self._number()}",
            credits=amount,
            paid=Money(self.dice.choice([199 * amount, 150 * amount, 100 * amount + 1]), "USD"),
            valid_for_days=self.dice.choice([None, None, 1, 3, 40]),
        )

    def _adjustment(self) -> Adjustment:
        named = self._named(Kind.TRANSACTION)
        change = self.dice.randint(1, 8) if self._chance(0.3) else -self._affordable(named["wallet_id"], 8)
        return self._keyed(Adjustment(**named, change=change))

    # Spending, and undoing it

    def _deduction(self) -> Deduction:
        named, staging_type = self._named(Kind.TRANSACTION, self._wealthy()), self._type()
        price = self.prices.get(staging_type) or 1
        quantity = max(self._affordable(named["wallet_id"], 12) // price, 1)
        if self._chance(0.1):
            quantity = max(self._available(named["wallet_id"]) // price, 1)
        if self._chance(0.02):
            quantity = 1_000_000_000
        return self._keyed(Deduction(**named, staging_type=staging_type, quantity=quantity))

    def _refund(self) -> Unit:
        if not self.model.spendings:
            return self._deduction()
        spent_id = self._one_of(self._to_be_refunded())
        wallet_id = self.model.spendings[spent_id].wallet.id
        if self._chance(0.02) and (granted := [each for each in self.keyed if isinstance(each, Grant)]):
            given = self.dice.choice(granted)
            spent_id, wallet_id = given.id, given.wallet_id
        return self._keyed(
            Refund(
                **self._named(Kind.TRANSACTION, wallet_id),
                deduction_id=spent_id,
                credits=None if self._chance(0.3) else self.dice.randint(1, 6),
                reason=self.dice.choice([RefundReason.RENDER_FAILED, RefundReason.RENDER_FAILED, *RefundReason]),
            )
        )

    def _to_be_refunded(self) -> list[str]:
        """Deductions of which something is left; rather those whose lots have lapsed, or are disputed, by now."""

        def some(fits: Callable[[Spending], bool]) -> list[str]:
            return [name for name, each in self.model.spendings.items() if each.taken and fits(each)]

        wanted: Callable[[Spending], bool] = self.dice.choice(
            [
                lambda each: any(self.model.lapsed(credit.lot) for credit in each.taken),
                lambda each: any(self.model.frozen(credit.lot) for credit in each.taken),
                lambda each: len({credit.lot for credit in each.taken}) > 1,
                lambda each: True,
            ]
        )
        if self._chance(0.1):
            return list(self.model.spendings)
        return some(wanted) or some(lambda each: True) or list(self.model.spendings)

    def _sweep(self) -> Sweep:
        return Sweep(
            id=numbered(Kind.TRANSACTION, self._number()),
            wallet_id=self._wallet(),
            actor=SYSTEM,
            limit=self.dice.choice([1, 2, 200]),
        )

    def _bulk(self) -> Bulk:
        commands: list[Command] = [self._deduction() for _ in range(self.dice.randint(2, 5))]
        earlier = [each for each in self.keyed if isinstance(each, Deduction)]
        if earlier and self._chance(0.2):
            commands.insert(self.dice.randrange(len(commands)), self._again(self._one_of(earlier), same_kind=True))
        return Bulk(commands=tuple(commands), atomic=self._chance(0.5))

    # Moving

    def _transfer(self) -> Transfer:
        ways = [way for way in self.layout.ways if self._available(way[0]) or self._chance(0.1)]
        source, target, kind = self.dice.choice(ways or self.layout.ways)
        up_to = self._chance(0.2)
        amount = self.dice.randint(1, 25) if up_to else self._affordable(source, 15)
        named = self._named(Kind.TRANSFER, source)
        return self._keyed(Transfer(**named, to_wallet_id=target, kind=kind, credits=amount, up_to=up_to))

    # Holds

    def _hold(self) -> PlaceHold:
        named = self._named(Kind.HOLD, self._wealthy())
        left = self._affordable(named["wallet_id"], 25)
        items: list[Wanted] = []
        while left > 0 and len(items) < 3:
            staging_type = self._type()
            price = self.prices.get(staging_type) or 1
            quantity = self.dice.randint(1, max(left // price, 1))
            left -= quantity * price
            items.append(Wanted(staging_type=staging_type, quantity=quantity))
        if self._chance(0.02):
            items.append(Wanted(staging_type="BASIC_ROOM", quantity=1_000_000_000))
        lasts = self.dice.choice([timedelta(seconds=90), HOUR, DAY, DAY, 7 * DAY])
        return self._keyed(PlaceHold(**named, items=tuple(items), lasts=lasts))

    def _capture(self) -> Unit:
        if (found := self._some_hold()) is None:
            return self._hold()
        hold_id, hold = found
        return self._keyed(
            CaptureHold(
                **self._named(Kind.HOLD_STEP, hold.wallet.id),
                hold_id=hold_id,
                parts=self._parts(hold),
                release_rest=self._chance(0.2),
                salt=self.dice.randbytes(16),
            )
        )

    def _release(self) -> Unit:
        if (found := self._some_hold()) is None:
            return self._hold()
        hold_id, hold = found
        named = self._named(Kind.HOLD_STEP, hold.wallet.id)
        return self._keyed(ReleaseHold(**named, hold_id=hold_id, parts=self._parts(hold)))

    def _extension(self) -> Unit:
        if (found := self._some_hold()) is None:
            return self._hold()
        hold_id, hold = found
        lasts = self.dice.choice([timedelta(seconds=30), 2 * HOUR, 2 * DAY, 7 * DAY])
        return self._keyed(ExtendHold(**self._named(Kind.HOLD_STEP, hold.wallet.id), hold_id=hold_id, lasts=lasts))

    def _some_hold(self) -> tuple[str, Hold] | None:
        """Rather one that stands, and rather none than one that does not."""
        holds = list(self.model.holds.items())
        standing = [each for each in holds if not each[1].settled]
        if self._chance(0.15):
            return self._one_of(holds) if holds else None
        return self._one_of(standing) if standing else None

    def _parts(self, hold: Hold) -> tuple[Part, ...] | None:
        """All, or some items: sometimes more than there is, an item twice, or one of another hold."""
        if self._chance(0.25):
            return None
        items = list(hold.items.items())
        if self._chance(0.9):
            items = [each for each in items if each[1].open] or items
        parts = [
            Part(item_id=name, quantity=None if self._chance(0.2) else self._units_of(item.open))
            for name, item in self.dice.sample(items, self.dice.randint(1, len(items)))
        ]
        if self._chance(0.05):
            parts.append(self.dice.choice([parts[0], Part(item_id=item_id(numbered(Kind.HOLD, 0), 0), quantity=1)]))
        return tuple(parts)

    def _units_of(self, there: int) -> int:
        return there + 1 if self._chance(0.07) else self.dice.randint(1, max(there, 1))

    # Payments taken back

    def _freeze(self) -> Unit:
        """A payment is disputed; now and then one that is already."""
        undisputed = [each for each in self.bought if not each.disputed or self._chance(0.05)]
        if not undisputed:
            return self._purchase()
        bought = self._one_of(undisputed)
        bought.disputed = True
        return Freeze(**self._about(bought))

    def _thaw(self) -> Unit:
        disputed = [each for each in self.bought if each.disputed]
        if not disputed:
            return self._freeze()
        bought = self._one_of(self.bought if self._chance(0.1) else disputed)
        bought.disputed = False
        return Thaw(**self._about(bought))

    def _clawback(self) -> Unit:
        """Of a payment that was refunded, or whose dispute was lost."""
        owned = [each for each in self.bought if each.left]
        if not owned:
            return self._purchase()
        bought = self._one_of(owned)
        amount = bought.left if self._chance(0.4) else self.dice.randint(1, bought.left)
        bought.left -= amount
        return Clawback(**self._about(bought), source_id=f"re_{self._number()}", credits=amount)

    def _return(self) -> Unit:
        """A refund of money that came to nothing."""
        taken = [each for each in self.bought if each.left < each.command.credits]
        if not taken:
            return self._clawback()
        bought = self._one_of(taken)
        most = bought.command.credits - bought.left
        amount = most if self._chance(0.4) else self.dice.randint(1, most)
        bought.left += amount
        return GiveBack(**self._about(bought), source_id=f"re_{self._number()}:undone", credits=amount)

    def _about(self, bought: _Bought) -> dict[str, Any]:
        return {
            "id": numbered(Kind.CLAWBACK, self._number()),
            "wallet_id": bought.command.wallet_id,
            "actor": SYSTEM,
            "account_id": self.layout.account_id,
            "purchase_id": bought.command.purchase_id,
        }

    # The same call once more

    def _replay(self) -> Unit:
        return self._again(self._one_of(self.keyed)) if self.keyed else self._deduction()

    def _again(self, earlier: Command, *, same_kind: bool = False) -> Command:
        """An earlier call: the same, with other content, or another operation with its key."""
        again = replace(earlier, id=numbered(Kind(earlier.id.split("_")[0]), self._number()))
        what = self.dice.choices(["same", "other", "operation"], [6, 3, 0 if same_kind else 1])[0]
        if what == "operation":
            again = self._adjustment() if isinstance(earlier, Grant) else self._grant()
        elif what == "other":
            again = _otherwise(again)
        return self._keyed(again, key=earlier.key.key if earlier.key else None)

    def _keyed(self, command: C, *, key: str | None = None) -> C:
        content = {each.name: getattr(command, each.name) for each in fields(command) if each.name not in _NOT_CONTENT}
        made = make_key(
            scope=self.layout.account_id,
            key=key or f"key-{self._number()}",
            operation=type(command).__name__,
            fields=content,
        )
        return replace(command, key=made)

    # What everything is made of

    def _named(self, kind: Kind, wallet_id: str | None = None) -> dict[str, Any]:
        text = None
        if self._chance(0.2):
            metadata = (("job", str(self.made)),) if self._chance(0.5) else None
            text = Text(salt=self.dice.randbytes(16), reference="MLS-1", description=None, metadata=metadata)
        return {
            "id": numbered(kind, self._number()),
            "wallet_id": wallet_id or self._wallet(),
            "actor": self.dice.choice([_PERSON, _CLERK]),
            "text": text,
        }

    def _number(self) -> int:
        self.made += 1
        return self.seed * 100_000 + self.made + 10

    def _wallet(self) -> str:
        """Some more often than others, so that much happens to them."""
        return self.dice.choices(self.layout.wallets, [5, 2, 1, 4, 2, 1])[0]

    def _wealthy(self) -> str:
        """Rather a wallet that has something."""
        wallet_id = self._wallet()
        wealthy = [each for each in self.layout.wallets if self._available(each)]
        return wallet_id if wallet_id in wealthy or not wealthy or self._chance(0.1) else self.dice.choice(wealthy)

    def _owing(self) -> str | None:
        """Rather a wallet that owes: nobody spends before it has repaid."""
        owing = [wallet.id for wallet in self.model.wallets.values() if wallet.debt]
        return self.dice.choice(owing) if owing and self._chance(0.7) else None

    def _available(self, wallet_id: str) -> int:
        return self.model.shown(self.model.wallets[wallet_id]).available

    def _affordable(self, wallet_id: str, most: int) -> int:
        """So many credits as can be had there; now and then more."""
        there = self._available(wallet_id)
        return there + self.dice.randint(1, 3) if self._chance(0.1) else self.dice.randint(1, max(min(there, most), 1))

    def _type(self) -> str:
        offered = [code for code, price in self.prices.items() if price]
        return self.dice.choice(offered) if offered and self._chance(0.96) else self.dice.choice([NO_TYPE, *OFFERED])

    def _chance(self, probability: float) -> bool:
        return self.dice.random() < probability

    def _one_of(self, things: list[T]) -> T:
        """Any of them, rather one of the last."""
        return self.dice.choice(things[-5:] if self._chance(0.6) else things)


def _otherwise(command: C) -> C:
    """The command with other content."""
    changed: dict[str, Any] = {}
    match command:
        case Deduction():
            changed = {"quantity": command.quantity + 1}
        case Grant() | Transfer():
            changed = {"credits": command.credits + 1}
        case Adjustment():
            changed = {"change": command.change * 2}
        case Refund():
            changed = {"credits": (command.credits or 0) + 1}
        case PlaceHold() | ExtendHold():
            changed = {"lasts": command.lasts - timedelta(seconds=1)}
        case CaptureHold() | ReleaseHold():
            changed = {"parts": None if command.parts else (Part(item_id=item_id(command.hold_id, 0), quantity=1),)}
    return replace(command, **changed)
