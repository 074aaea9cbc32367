"""The ledger once more, as plainly as it can be said: every credit is a thing of its own, which lies in a wallet, is
kept for a hold, or is gone.

Written from what the ledger promises and not from how it is done: no counters, no chains, nothing shared with
`credits.ledger` but the commands and the names of kinds. Slow, and right because there is little to get wrong. Where
this and the rules disagree, one of them is mistaken.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from credits.errors import RefusalCode
from credits.idempotency import Identity
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
)
from credits.ledger.models import HoldStatus, TransactionKind
from tests.simulation.names import captured_id, item_id, refers_to

NEVER = datetime.max.replace(tzinfo=UTC)
MOST_AT_ONCE = 1_000_000_000
DAYS_30 = timedelta(days=30)
DAYS_7 = timedelta(days=7)

DONE = "DONE"
REPLAYED = "REPLAYED"


class No(Exception):
    """The command is refused; nothing was done yet."""

    def __init__(self, code: RefusalCode) -> None:
        super().__init__(code.value)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a credit is worth, until when, and which payment it hangs on."""

    priority: int
    expires_at: datetime | None
    bought: bool
    price: Fraction
    purchase: str | None


@dataclass(slots=True, eq=False, kw_only=True)
class Lot:
    """Credits that came into a wallet together; `parent` is what they were split from. `renewed`: they were given new
    time once, or are what was given."""

    wallet: "Wallet"
    terms: Terms
    since: datetime
    name: tuple[str, int]
    parent: "Lot | None" = None
    renewed: bool = False
    turn: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        terms = self.terms
        until = terms.expires_at or NEVER
        self.turn = (terms.priority, until, terms.bought, terms.price, self.since, self.name)


@dataclass(slots=True, eq=False)
class Credit:
    """One credit: the lot in which it lies, and whether a hold keeps it."""

    lot: Lot
    kept: bool = False


@dataclass(slots=True, eq=False, kw_only=True)
class Wallet:
    """The credits that are there, how many it owes, and when something was last booked."""

    id: str
    room: int
    credits: list[Credit] = field(default_factory=list)
    debt: int = 0
    last: datetime | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class Spending:
    """A deduction: the credits that it took, in that order, less those that came back."""

    wallet: Wallet
    at: datetime
    total: int
    taken: list[Credit]


@dataclass(slots=True, eq=False, kw_only=True)
class Item:
    """Units of a hold at a price: each is open, captured or released."""

    price: int
    open: int
    captured: int = 0
    released: int = 0


@dataclass(slots=True, eq=False, kw_only=True)
class Hold:
    """What is kept, in the order in which it was taken, for which items, and until when."""

    wallet: Wallet
    since: datetime
    until: datetime
    items: dict[str, Item]
    kept: list[Credit]
    closed: datetime | None = None
    ending: HoldStatus = HoldStatus.RELEASED

    @property
    def settled(self) -> bool:
        """Whether nothing of it is open any more."""
        return not any(item.open for item in self.items.values())

    @property
    def status(self) -> HoldStatus:
        """Open, or what became of it: captured if any of it was, or else how the last of it ended."""
        if not self.settled:
            return HoldStatus.OPEN
        return HoldStatus.CAPTURED if any(item.captured for item in self.items.values()) else self.ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What there is to see of a wallet."""

    credits: int
    held: int
    frozen: int
    available: int
    debt: int
    next_expiry: tuple[int, datetime] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldShown:
    """What there is to see of a hold, in credits."""

    status: HoldStatus
    open: int
    captured: int
    released: int
    expires_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LotShown:
    """What there is to see of a lot that is not empty."""

    wallet: str
    terms: Terms
    kept: int
    free: int
    frozen: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command: DONE, REPLAYED or the code of its refusal; where it was done, its wallet after it."""

    what: str
    shown: Shown | None = None


class Model:
    """The account's wallets and all that hangs on them. `call` is the only way to change anything."""

    def __init__(self, rooms: Mapping[str, int]) -> None:
        self.wallets = {wallet_id: Wallet(id=wallet_id, room=room) for wallet_id, room in rooms.items()}
        self.holds: dict[str, Hold] = {}
        self.spendings: dict[str, Spending] = {}
        self.grants: set[str] = set()
        self.disputed: dict[str, bool] = {}
        self.first_lots: dict[str, Lot] = {}
        self.booked: Counter[tuple[str, TransactionKind]] = Counter()
        self.seen: Counter[str] = Counter()
        self._keys: dict[Identity, tuple[str, bytes]] = {}
        self._now = NEVER
        self._suspended = False
        self._prices: Mapping[str, int | None] = {}
        self._lots_of: tuple[str, int] = ("", 0)

    def knows(self, command: Command) -> bool:
        """Whether what the command is about has come to be."""
        about = refers_to(command)
        return about is None or any(about in each for each in (self.holds, self.spendings, self.grants, self.disputed))

    def call(
        self, units: Sequence[Unit], *, now: datetime, suspended: bool, prices: Mapping[str, int | None]
    ) -> list[list[Answer]]:
        """Do what is asked for, one after the other. Holds whose time is over end first."""
        self._now, self._suspended, self._prices = now, suspended, prices
        self._end_holds()
        return [self._unit(unit) for unit in units]

    def shown(self, wallet: Wallet) -> Shown:
        """The wallet as it is seen now."""
        available = self._available(wallet)
        frozen = {lot for lot in {each.lot for each in wallet.credits} if self.frozen(lot)}
        ends = [each.lot.terms.expires_at for each in available if each.lot.terms.expires_at]
        return Shown(
            credits=len(wallet.credits),
            held=sum(each.kept for each in wallet.credits),
            frozen=sum(not each.kept and each.lot in frozen for each in wallet.credits),
            available=len(available),
            debt=wallet.debt,
            next_expiry=(ends.count(min(ends)), min(ends)) if ends else None,
        )

    @staticmethod
    def hold_shown(hold: Hold) -> HoldShown:
        """The hold as it is seen now."""
        items = hold.items.values()
        return HoldShown(
            status=hold.status,
            open=sum(item.open * item.price for item in items),
            captured=sum(item.captured * item.price for item in items),
            released=sum(item.released * item.price for item in items),
            expires_at=hold.until,
            closed_at=hold.closed,
        )

    def lots(self) -> Counter[LotShown]:
        """What lies where, lot by lot; alike ones are counted."""
        kept = Counter(each.lot for wallet in self.wallets.values() for each in wallet.credits if each.kept)
        free = Counter(each.lot for wallet in self.wallets.values() for each in wallet.credits if not each.kept)
        return Counter(
            LotShown(wallet=lot.wallet.id, terms=lot.terms, kept=kept[lot], free=free[lot], frozen=self.frozen(lot))
            for lot in {*kept, *free}
        )

    # What is asked for: once per key, alone or all together

    def _unit(self, unit: Unit) -> list[Answer]:
        commands = unit.commands if isinstance(unit, Bulk) else (unit,)
        atomic = isinstance(unit, Bulk) and unit.atomic
        repeated = {each.id: answer for each in commands if (answer := self._repeated(each))}
        refused = next((each for each in repeated.values() if each.what != REPLAYED), None) if atomic else None
        undo = self._memory() if atomic else None
        fresh = [each for each in commands if each.id not in repeated]
        answers = repeated | {each.id: refused or self._do(each) for each in fresh}
        if undo and not refused:
            refused = next((answers[each.id] for each in fresh if answers[each.id].what != DONE), None)
            if refused:
                undo()
                answers |= {each.id: refused for each in fresh if answers[each.id].what == DONE}
        for each in fresh:
            if each.key and answers[each.id].what == DONE:
                self._keys[each.key.identity] = (each.key.operation, each.key.fingerprint)
        return [answers[each.id] for each in commands]

    def _repeated(self, command: Command) -> Answer | None:
        key = command.key
        if key is None or key.identity not in self._keys:
            return None
        same = self._keys[key.identity] == (key.operation, key.fingerprint)
        return Answer(REPLAYED if same else RefusalCode.IDEMPOTENCY_KEY_REUSED)

    def _memory(self) -> Callable[[], None]:
        """How to undo deductions, which is all that a bulk has."""
        wallets = [(each, list(each.credits), each.last) for each in self.wallets.values()]
        spendings, booked = dict(self.spendings), self.booked.copy()

        def undo() -> None:
            self.spendings, self.booked = spendings, booked
            for wallet, credits_there, last in wallets:
                wallet.credits, wallet.last = credits_there, last

        return undo

    def _do(self, command: Command) -> Answer:
        self._lots_of = (command.id.split("_")[1], 0)
        try:
            self._act(command)
        except No as no:
            return Answer(no.code)
        self._repay()
        return Answer(DONE, self.shown(self.wallets[command.wallet_id]))

    def _act(self, command: Command) -> None:
        match command:
            case Deduction():
                self._deduct(command)
            case Grant():
                self._grant(command)
            case PurchaseCredit():
                self._purchase(command)
            case Adjustment():
                self._adjust(command)
            case Refund():
                self._refund(command)
            case Transfer():
                self._transfer(command)
            case PlaceHold():
                self._place(command)
            case CaptureHold():
                self._capture(command)
            case ReleaseHold():
                self._release(command)
            case ExtendHold():
                self._extend(command)
            case Sweep():
                self._sweep(command)
            case Freeze():
                self.disputed[command.purchase_id] = True
            case Thaw():
                self.disputed[command.purchase_id] = False
            case Clawback():
                self._claw_back(command)
            case GiveBack():
                self._undo_clawback(command)
            case _:
                raise TypeError(command)

    # Credits coming in

    def _grant(self, command: Grant) -> None:
        wallet = self.wallets[command.wallet_id]
        if command.expires_at and command.expires_at <= self._time(wallet):
            raise No(RefusalCode.INVALID)
        self._has_room(wallet, command.credits)
        terms = Terms(
            priority=command.priority, expires_at=command.expires_at, bought=False, price=Fraction(0), purchase=None
        )
        self._put(self._lot(wallet, terms), command.credits)
        self._book(wallet, TransactionKind.GRANT, command.credits)
        self.grants.add(command.id)

    def _purchase(self, command: PurchaseCredit) -> None:
        wallet = self.wallets[command.wallet_id]
        days = command.valid_for_days
        terms = Terms(
            priority=50,
            expires_at=self._time(wallet) + timedelta(days=days) if days else None,
            bought=True,
            price=Fraction(command.paid.amount_minor, command.credits),
            purchase=command.purchase_id,
        )
        lot = self.first_lots[command.purchase_id] = self._lot(wallet, terms)
        self._put(lot, command.credits)
        self._book(wallet, TransactionKind.PURCHASE, command.credits)
        self.disputed[command.purchase_id] = False

    def _adjust(self, command: Adjustment) -> None:
        wallet = self.wallets[command.wallet_id]
        if command.change > 0:
            self._has_room(wallet, command.change)
            terms = Terms(priority=50, expires_at=None, bought=False, price=Fraction(0), purchase=None)
            self._put(self._lot(wallet, terms), command.change)
        else:
            self._taken(wallet, self._chosen(wallet, -command.change))
        self._book(wallet, TransactionKind.ADJUSTMENT, command.change)

    # Spending, and undoing it

    def _deduct(self, command: Deduction) -> None:
        wallet = self.wallets[command.wallet_id]
        cost = self._price(command.staging_type) * command.quantity
        self._movable(cost)
        self._may_spend()
        self._spend(wallet, command.id, self._taken(wallet, self._chosen(wallet, cost)))

    def _spend(self, wallet: Wallet, name: str, taken: list[Credit]) -> None:
        self._book(wallet, TransactionKind.DEDUCTION, -len(taken))
        self.spendings[name] = Spending(wallet=wallet, at=self._time(wallet), total=len(taken), taken=taken)

    def _refund(self, command: Refund) -> None:
        wallet = self.wallets[command.wallet_id]
        if command.deduction_id in self.grants:
            raise No(RefusalCode.INVALID)
        spending = self.spendings[command.deduction_id]
        left = len(spending.taken)
        amount = left if command.credits is None else command.credits
        if not left or left < min(amount, spending.total):
            raise No(RefusalCode.ALREADY_REFUNDED)
        if amount > left:
            raise No(RefusalCode.INVALID)
        self._has_room(wallet, amount)
        back = [spending.taken.pop() for _ in range(amount)]
        wallet.credits += back
        lapsed = [lot for lot in dict.fromkeys(each.lot for each in back) if self.lapsed(lot)]
        renewable = command.reason is RefundReason.RENDER_FAILED and self._time(wallet) <= spending.at + DAYS_30
        gone = [lot for lot in lapsed if not (renewable and self._renew(lot, back))]
        self._book(wallet, TransactionKind.REFUND, amount)
        for lot in gone:
            self._lapse(lot)
            self.seen["lapsed at once"] += 1

    def _renew(self, lot: Lot, back: list[Credit]) -> bool:
        """Those of the credits that came back to the lapsed lot get a new one; once for each lot."""
        if lot.renewed:
            return False
        lot.renewed = True
        terms = replace(lot.terms, expires_at=self._time(lot.wallet) + DAYS_30)
        anew = self._lot(lot.wallet, terms, parent=lot, renewed=True)
        for credit in back:
            if credit.lot is lot:
                credit.lot = anew
        self.seen["renewed"] += 1
        return True

    def _sweep(self, command: Sweep) -> None:
        wallet = self.wallets[command.wallet_id]
        lapsed = sorted((each.lot for each in wallet.credits if not each.kept and self.lapsed(each.lot)), key=_turn)
        for lot in list(dict.fromkeys(lapsed))[: command.limit]:
            self._lapse(lot)

    def _lapse(self, lot: Lot) -> None:
        gone = [each for each in lot.wallet.credits if each.lot is lot and not each.kept]
        self._taken(lot.wallet, gone)
        self._book(lot.wallet, TransactionKind.EXPIRY, -len(gone))

    # Moving

    def _transfer(self, command: Transfer) -> None:
        source, target = self.wallets[command.wallet_id], self.wallets[command.to_wallet_id]
        if self._suspended:
            raise No(RefusalCode.ACCOUNT_SUSPENDED)
        if source.debt:
            raise No(RefusalCode.IN_DEBT)
        most = max(len(self._available(source)), 1) if command.up_to else command.credits
        moved = self._chosen(source, min(command.credits, most))
        self._has_room(target, len(moved))
        split: dict[Lot, Lot] = {}
        for credit in self._taken(source, moved):
            came = credit.lot
            home = next((lot for lot in _above(came) if lot.wallet is target and lot.terms == came.terms), None)
            if home is None and came not in split:
                split[came] = self._lot(target, came.terms, parent=came, renewed=came.renewed)
            self.seen["moved home"] += home is not None
            credit.lot = home or split[came]
        target.credits += moved
        self._book(source, command.kind, -len(moved))
        self._book(target, command.kind, len(moved))

    # Holds

    def _place(self, command: PlaceHold) -> None:
        wallet = self.wallets[command.wallet_id]
        items = {
            item_id(command.id, number): Item(price=self._price(wanted.staging_type), open=wanted.quantity)
            for number, wanted in enumerate(command.items)
        }
        cost = sum(item.price * item.open for item in items.values())
        self._movable(cost)
        self._may_spend()
        kept = self._chosen(wallet, cost)
        for credit in kept:
            credit.kept = True
        since = self._time(wallet)
        self.holds[command.id] = Hold(wallet=wallet, since=since, until=since + command.lasts, items=items, kept=kept)

    def _capture(self, command: CaptureHold) -> None:
        hold = self._standing(command.hold_id)
        for number, (item, units) in enumerate(_settled(hold, command.parts)):
            cost = units * item.price
            taken, hold.kept = hold.kept[:cost], hold.kept[cost:]
            for credit in taken:
                credit.kept = False
                self.seen["captured of a lapsed lot"] += self.lapsed(credit.lot)
                self.seen["captured of a frozen lot"] += self.frozen(credit.lot)
            self.seen["captured in debt"] += any(wallet.debt for wallet in self.wallets.values())
            self._spend(hold.wallet, captured_id(command.id, number), self._taken(hold.wallet, taken))
            item.open -= units
            item.captured += units
        if hold.settled:
            hold.closed = self._time(hold.wallet)
        elif command.release_rest:
            self._give_back(hold, _settled(hold, None), HoldStatus.RELEASED, self._time(hold.wallet))

    def _release(self, command: ReleaseHold) -> None:
        hold = self._standing(command.hold_id)
        self._give_back(hold, _settled(hold, command.parts), HoldStatus.RELEASED, self._time(hold.wallet))

    def _extend(self, command: ExtendHold) -> None:
        hold = self._standing(command.hold_id)
        until = self._time(hold.wallet) + command.lasts
        if until > hold.since + DAYS_7:
            raise No(RefusalCode.INVALID)
        hold.until = until

    def _end_holds(self) -> None:
        """Those whose time is over, at their instant: what they kept is nobody's any more."""
        open_holds = [hold for hold in self.holds.values() if not hold.settled]
        for hold in sorted(open_holds, key=lambda hold: hold.until):
            if hold.until <= self._time(hold.wallet):
                self._give_back(hold, _settled(hold, None), HoldStatus.EXPIRED, hold.until)
                self._repay()

    def _give_back(self, hold: Hold, parts: Iterable[tuple[Item, int]], ending: HoldStatus, at: datetime) -> None:
        for item, units in parts:
            for _ in range(units * item.price):
                hold.kept.pop().kept = False
            item.open -= units
            item.released += units
        if hold.settled:
            hold.ending, hold.closed = ending, at

    def _standing(self, hold_id: str) -> Hold:
        hold = self.holds[hold_id]
        if not hold.settled:
            return hold
        if hold.ending is HoldStatus.EXPIRED:
            raise No(RefusalCode.HOLD_EXPIRED)
        captured = hold.status is HoldStatus.CAPTURED
        raise No(RefusalCode.HOLD_CAPTURED if captured else RefusalCode.HOLD_RELEASED)

    # Payments taken back

    def _claw_back(self, command: Clawback) -> None:
        bought_for = self.wallets[command.wallet_id]
        own = [
            (wallet is not bought_for, wallet.id, credit.lot.turn, wallet, credit)
            for wallet in self.wallets.values()
            for credit in wallet.credits
            if credit.lot.terms.purchase == command.purchase_id and not credit.kept and not self.lapsed(credit.lot)
        ]
        own.sort(key=lambda each: each[:3])
        own = own[: command.credits]
        for wallet in dict.fromkeys(each[3] for each in own):
            gone = [credit for *_, owner, credit in own if owner is wallet]
            self._taken(wallet, gone)
            self._book(wallet, TransactionKind.CLAWBACK, -len(gone))
            self.seen["clawed back elsewhere"] += wallet is not bought_for
        bought_for.debt += command.credits - len(own)
        self.seen["in debt"] += bought_for.debt > 0

    def _undo_clawback(self, command: GiveBack) -> None:
        """Less debt, and then credits like those that were bought."""
        wallet = self.wallets[command.wallet_id]
        owed = min(wallet.debt, command.credits)
        wallet.debt -= owed
        if rest := command.credits - owed:
            first = self.first_lots[command.purchase_id]
            lot = self._lot(wallet, first.terms, parent=first, renewed=first.renewed)
            self._put(lot, rest)
            self._book(wallet, TransactionKind.ADJUSTMENT, rest)
            self.seen["given back"] += 1
            self.seen["given back of a disputed purchase"] += self.frozen(lot)
            if self.lapsed(lot):
                self._lapse(lot)
        self.seen["given back to a debt"] += owed > 0

    def _repay(self) -> None:
        """A wallet that owes keeps nothing that could be spent."""
        for wallet in self.wallets.values():
            if gone := sorted(self._available(wallet), key=_lots_turn)[: wallet.debt]:
                wallet.debt -= len(self._taken(wallet, gone))
                self._book(wallet, TransactionKind.CLAWBACK, -len(gone))
                self.seen["repaid"] += 1

    # What everything is made of

    def _time(self, wallet: Wallet) -> datetime:
        return max(self._now, wallet.last or self._now)

    def lapsed(self, lot: Lot) -> bool:
        """From its expiry on, to the instant."""
        until = lot.terms.expires_at
        return until is not None and until <= self._time(lot.wallet)

    def frozen(self, lot: Lot) -> bool:
        """Whether the payment that it hangs on is disputed."""
        return self.disputed.get(lot.terms.purchase or "", False)

    def _available(self, wallet: Wallet) -> list[Credit]:
        usable = {lot for lot in {each.lot for each in wallet.credits} if not self.lapsed(lot) and not self.frozen(lot)}
        return [each for each in wallet.credits if not each.kept and each.lot in usable]

    def _chosen(self, wallet: Wallet, amount: int) -> list[Credit]:
        available = self._available(wallet)
        if len(available) < amount:
            raise No(RefusalCode.INSUFFICIENT_CREDITS)
        return sorted(available, key=_lots_turn)[:amount]

    @staticmethod
    def _taken(wallet: Wallet, credits_taken: list[Credit]) -> list[Credit]:
        gone = set(credits_taken)
        wallet.credits = [each for each in wallet.credits if each not in gone]
        return credits_taken

    def _lot(self, wallet: Wallet, terms: Terms, *, parent: Lot | None = None, renewed: bool = False) -> Lot:
        name, number = self._lots_of
        self._lots_of = (name, number + 1)
        since = self._time(wallet)
        return Lot(wallet=wallet, terms=terms, since=since, name=(name, number), parent=parent, renewed=renewed)

    @staticmethod
    def _put(lot: Lot, amount: int) -> None:
        lot.wallet.credits += [Credit(lot) for _ in range(amount)]

    def _book(self, wallet: Wallet, kind: TransactionKind, change: int) -> None:
        self.booked[wallet.id, kind] += change
        wallet.last = self._time(wallet)

    def _price(self, staging_type: str) -> int:
        price = self._prices.get(staging_type)
        if price is None:
            raise No(RefusalCode.UNKNOWN_STAGING_TYPE)
        return price

    @staticmethod
    def _movable(cost: int) -> None:
        if cost > MOST_AT_ONCE:
            raise No(RefusalCode.INVALID)

    def _may_spend(self) -> None:
        if self._suspended:
            raise No(RefusalCode.ACCOUNT_SUSPENDED)
        if any(wallet.debt for wallet in self.wallets.values()):
            raise No(RefusalCode.IN_DEBT)

    @staticmethod
    def _has_room(wallet: Wallet, more: int) -> None:
        if len(wallet.credits) + more > wallet.room:
            raise No(RefusalCode.BALANCE_LIMIT_EXCEEDED)


def _turn(lot: Lot) -> tuple[Any, ...]:
    return lot.turn


def _lots_turn(credit: Credit) -> tuple[Any, ...]:
    return credit.lot.turn


def _above(lot: Lot) -> Iterator[Lot]:
    """What the lot was split from, and that from, and so on."""
    above = lot.parent
    while above:
        yield above
        above = above.parent


def _settled(hold: Hold, parts: tuple[Part, ...] | None) -> list[tuple[Item, int]]:
    """The units that the parts name, or all that are open; refused for the first part that cannot be."""
    if parts is None:
        return [(item, item.open) for item in hold.items.values() if item.open]
    settled: list[tuple[Item, int]] = []
    for part in parts:
        item = hold.items.get(part.item_id)
        if item is None or any(item is each for each, _ in settled):
            raise No(RefusalCode.INVALID)
        if not item.open:
            raise No(RefusalCode.HOLD_CAPTURED if item.captured else RefusalCode.HOLD_RELEASED)
        units = item.open if part.quantity is None else part.quantity
        if units > item.open:
            raise No(RefusalCode.EXCEEDS_HOLD)
        settled.append((item, units))
    return settled
