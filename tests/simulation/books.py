"""The ledger's tables in memory, kept as the store keeps them: what the rules do not say they changed is lost."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from copy import copy
from dataclasses import replace

from credits.idempotency import Identity, Used
from credits.ledger.chain import GENESIS, line_hash
from credits.ledger.commands import Command, Refund, Unit, commands_of
from credits.ledger.holds import HoldState
from credits.ledger.holds import Step as HoldStep
from credits.ledger.lots import LotState
from credits.ledger.models import HoldStatus, OwnerKind, TransactionKind
from credits.ledger.posting import Changes, Posted, Price, Spent, State
from credits.ledger.rules import apply
from credits.ledger.store import Outcome, _answer_repeated, _split_repeats
from credits.ledger.wallet import MAX_BALANCE, BalanceView, Line, WalletState
from tests.simulation.names import Layout, Step, refers_to

# What of a lot is written again when it changes; the rest of it stays as it came in.
_WRITTEN = ("remaining", "held", "frozen_by", "renewed")


class Books:
    """Wallets, lots, holds, transactions and keys; `post` is what the store does, less the database."""

    def __init__(self, layout: Layout) -> None:
        owners = [OwnerKind.ACCOUNT, *[OwnerKind.POOL] * 2, *[OwnerKind.DEPARTMENT] * 3]
        self.wallets = {
            wallet_id: _empty(layout, wallet_id, owner) for wallet_id, owner in zip(layout.wallets, owners, strict=True)
        }
        self.lots: dict[str, LotState] = {}
        self.holds: dict[str, HoldState] = {}
        self.booked: Counter[tuple[str, TransactionKind]] = Counter()
        self._lines: dict[str, Line] = {}
        self._heads: dict[str, Line] = {}
        self._refunds: dict[str, list[Line]] = defaultdict(list)
        self._drawn: Counter[str] = Counter()
        self._settled: Counter[tuple[str, bool]] = Counter()
        self._clawed_back = 0
        self._keys: dict[Identity, Used] = {}

    def knows(self, command: Command) -> bool:
        """Whether what the command is about has come to be."""
        about = refers_to(command)
        if about is None or about in self.holds or about in self._lines:
            return True
        return any(lot.purchase_id == about for lot in self.lots.values())

    def views(self, step: Step) -> dict[str, BalanceView]:
        """Each wallet's balance at the time of the step."""
        return {each.id: each.balance_view(each.posting_time(step.at)) for each in self.wallets.values()}

    def post(self, units: Sequence[Unit], step: Step) -> list[list[Outcome]]:
        """Do what is asked for, in order; units that share a key in turns."""
        first, repeats = _split_repeats(units)
        outcomes = dict(zip(first, self._post_distinct([units[index] for index in first], step), strict=True))
        if repeats:
            outcomes |= dict(zip(repeats, self.post([units[index] for index in repeats], step), strict=True))
        return [outcomes[index] for index in range(len(units))]

    def _post_distinct(self, units: list[Unit], step: Step) -> list[list[Outcome]]:
        keys = [command.key for unit in units for command in commands_of(unit) if command.key]
        taken = {key.identity: self._keys[key.identity] for key in keys if key.identity in self._keys}
        outcomes, fresh = _answer_repeated(units, taken)
        decided, changes = apply(self._state(step, fresh), fresh, step.at)
        self._write(changes)
        for unit, each in zip(fresh, decided, strict=True):
            for command, outcome in zip(commands_of(unit), each, strict=True):
                outcomes[command.id] = outcome
                if command.key and isinstance(outcome, Posted):
                    key = command.key
                    self._keys[key.identity] = Used(
                        operation=key.operation, fingerprint=key.fingerprint, result_id=command.result_id
                    )
        return [[outcomes[command.id] for command in commands_of(unit)] for unit in units]

    def _state(self, step: Step, units: Sequence[Unit]) -> State:
        """Copies of everything, so that only what is said to have changed comes back."""
        lots = {lot.id: copy(lot) for lot in self.lots.values()}
        wallets = {
            each.id: replace(each, lots=[lots[lot.id] for lot in each.lots], suspended=step.suspended)
            for each in self.wallets.values()
        }
        prices = {code: Price(credits=each or 1, active=each is not None) for code, each in step.prices.items()}
        state = State(wallets=wallets, prices=prices, lots=lots)
        state.holds = {hold.id: hold.snapshot() for hold in self.holds.values()}
        refunds = [command for unit in units for command in commands_of(unit) if isinstance(command, Refund)]
        state.spent = {each.deduction_id: self._spent(self._lines[each.deduction_id]) for each in refunds}
        return state

    def _spent(self, line: Line) -> Spent:
        """A transaction as it is loaded for its refund: what came back to a new lot counts for the one it was of."""
        drawn = {draw.lot_id: -draw.credits for draw in line.draws}
        returned: Counter[str] = Counter()
        for draw in (draw for refund in self._refunds[line.id] for draw in refund.draws):
            home = draw.lot_id if draw.lot_id in drawn else self.lots[draw.lot_id].origin_id
            returned[home or ""] += draw.credits
        return Spent(
            id=line.id,
            wallet_id=line.wallet_id,
            kind=line.kind,
            staging_type=line.staging_type,
            person_id=line.actor.person_id,
            credits=-line.change,
            at=line.created_at,
            drawn=drawn,
            returned=dict(returned),
        )

    def _write(self, changes: Changes) -> None:
        for lot in changes.lots.values():
            known = self.lots.get(lot.id)
            _need((known is None) == (lot.id in changes.new_lots), lot.id, "is new, or is not")
            written = {name: getattr(lot, name) for name in _WRITTEN}
            self.lots[lot.id] = copy(lot) if known is None else replace(known, **written)
        for hold in changes.holds.values():
            _need((hold.id in self.holds) != (hold.id in changes.new_holds), hold.id, "is new, or is not")
            self.holds[hold.id] = hold.snapshot()
        for wallet in changes.wallets.values():
            self.wallets[wallet.id] = replace(wallet)
        in_order = sorted(self.lots.values(), key=lambda lot: lot.order)
        for wallet in self.wallets.values():
            wallet.lots = [lot for lot in in_order if lot.wallet_id == wallet.id and lot.remaining]
        for line in changes.lines:
            self._append(line)
        _need_pairs(changes.lines)
        for step in changes.steps:
            self._settle(step)
        self._clawed_back += sum(each.credits for each in changes.clawbacks)

    def _append(self, line: Line) -> None:
        """Everything that a transaction promises at the moment at which it is written."""
        before = self._heads.get(line.wallet_id)
        _need(line.id not in self._lines, line.id, "an id that is taken")
        _need(line.change == sum(draw.credits for draw in line.draws) != 0, line.id, "draws add up to something else")
        _need(line.sequence == (before.sequence if before else 0) + 1, line.id, "a gap in the sequence")
        _need(line.balance_after == (before.balance_after if before else 0) + line.change, line.id, "balance after")
        _need(line.hash == line_hash(before.hash if before else GENESIS, line), line.id, "hash")
        _need(line.version > (before.version if before else 0), line.id, "the version does not rise")
        _need(before is None or line.created_at >= before.created_at, line.id, "time goes back")
        for draw in line.draws:
            lot = self.lots[draw.lot_id]
            _need(lot.wallet_id == line.wallet_id, line.id, "draws on another wallet's lot")
            _need(lot.id in self._drawn or lot.amount == draw.credits, lot.id, "did not come in whole")
            self._drawn[lot.id] += draw.credits
        self._lines[line.id] = self._heads[line.wallet_id] = line
        self.booked[line.wallet_id, line.kind] += line.change
        if line.refunds_id:
            refunds = self._refunds[line.refunds_id]
            refunds.append(line)
            deduction = self._lines[line.refunds_id]
            _need(sum(each.change for each in refunds) <= -deduction.change, line.id, "more comes back than went")

    def _settle(self, step: HoldStep) -> None:
        captured = step.kind is HoldStatus.CAPTURED
        self._settled[step.item_id, captured] += step.quantity
        if captured:
            line = self._lines[step.transaction_id or ""]
            _need((line.hold_id, line.quantity) == (step.hold_id, step.quantity), line.id, "is not what was captured")

    def check(self) -> None:
        """What always holds of all of it, transactions aside."""
        reserved: Counter[str] = Counter()
        for hold in self.holds.values():
            reserved.update(hold.reservations)
            is_open = hold.status is HoldStatus.OPEN
            _need(sum(hold.reservations.values()) == hold.open, hold.id, "what is open is not what is reserved")
            _need(hold.credits == hold.open + hold.captured + hold.released, hold.id, "its items do not add up")
            for item in hold.items:
                settled = self._settled[item.id, True], self._settled[item.id, False]
                _need(settled == (item.captured, item.released), item.id, "is not what its steps add up to")
            _need(is_open == (hold.open > 0) == (hold.closed_at is None), hold.id, "its status")
        for lot in self.lots.values():
            _need(lot.held == reserved[lot.id], lot.id, "what is held is not what is reserved")
            _need(lot.remaining == self._drawn[lot.id], lot.id, "what remains is not what came less what went")
            _need(0 <= lot.held <= lot.remaining <= lot.amount, lot.id, "more than there is")
        for wallet in self.wallets.values():
            self._check_wallet(wallet)
        taken = sum(-change for (_, kind), change in self.booked.items() if kind is TransactionKind.CLAWBACK)
        debt = sum(wallet.debt for wallet in self.wallets.values())
        _need(taken + debt == self._clawed_back, "clawbacks", "do not add up")

    def _check_wallet(self, wallet: WalletState) -> None:
        lots = [lot for lot in self.lots.values() if lot.wallet_id == wallet.id]
        last = self._heads.get(wallet.id)
        number, balance, digest = (last.sequence, last.balance_after, last.hash) if last else (0, 0, GENESIS)
        _need(wallet.balance == balance == sum(lot.remaining for lot in lots), wallet.id, "balance")
        _need(wallet.held == sum(lot.held for lot in lots), wallet.id, "held")
        _need(wallet.debt >= 0, wallet.id, "debt")
        _need((wallet.sequence, wallet.last_hash) == (number, digest), wallet.id, "does not know its last transaction")


def _need(holds: bool, what: str, otherwise: str) -> None:
    if not holds:
        raise AssertionError(f"{what}: {otherwise}")


def _need_pairs(lines: Sequence[Line]) -> None:
    """The two sides of each transfer, which are written together."""
    sides: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line.transfer_id:
            sides[line.transfer_id].append(line)
    for transfer_id, both in sides.items():
        _need(len(both) == 2 and not sum(each.change for each in both), transfer_id, "does not add up to zero")
        named = [each.counterpart_wallet_id for each in reversed(both)]
        _need(named == [each.wallet_id for each in both], transfer_id, "does not name the other side")


def _empty(layout: Layout, wallet_id: str, owner: OwnerKind) -> WalletState:
    return WalletState(
        id=wallet_id,
        account_id=layout.account_id,
        owner_kind=owner,
        time_zone="Europe/Berlin",
        suspended=False,
        balance=0,
        held=0,
        debt=0,
        sequence=0,
        version=0,
        last_hash=GENESIS,
        last_posted_at=None,
        reserved=MAX_BALANCE - layout.rooms[wallet_id],
    )
