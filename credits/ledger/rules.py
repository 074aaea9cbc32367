"""The rules of the ledger: pure decisions over the state of the locked wallets.

`(state, commands in order, now) → outcomes and changes`. No clock, no chance, no await, no database. The checks of a
command stand in the order in which they refuse; what comes after the last of them cannot fail.
"""

from collections.abc import Iterable
from datetime import datetime

from credits.ids import Series
from credits.ledger import disputing, giving, holding, moving, refunding, spending
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
    PlaceHold,
    PurchaseCredit,
    Refund,
    ReleaseHold,
    Sweep,
    Thaw,
    Transfer,
    Unit,
)
from credits.ledger.posting import Changes, Posted, Posting, Refused, State, not_posted

Decision = Posted | Refused


def apply(state: State, units: Iterable[Unit], now: datetime) -> tuple[list[list[Decision]], Changes]:
    """Decide what is asked for, one after the other, each on what those before it left. `state` is used up: what it
    came to stands in the changes. Returns an outcome for each command of each unit. Holds whose time is over end first:
    they promise nothing."""
    posting = Posting(state, now)
    holding.end_those_over(posting)
    return [_unit(posting, unit) for unit in units], posting.changes


def _unit(posting: Posting, unit: Unit) -> list[Decision]:
    if isinstance(unit, Command):
        return [decide(posting, unit)]
    if not unit.atomic:
        return [decide(posting, command) for command in unit.commands]
    return _all_or_none(posting, unit)


def _all_or_none(posting: Posting, bulk: Bulk) -> list[Decision]:
    trial = posting.fork(wallet_id for command in bulk.commands for wallet_id in command.wallet_ids)
    outcomes: list[Decision] = [decide(trial, command) for command in bulk.commands]
    first = next((each for each in outcomes if isinstance(each, Refused)), None)
    if first is None:
        posting.adopt(trial)
        return outcomes
    return [each if isinstance(each, Refused) else not_posted(first) for each in outcomes]


def decide(posting: Posting, command: Command) -> Decision:
    """Do one command or refuse it. A wallet in debt keeps nothing: whatever became available repays at once."""
    posting.ids = Series(command.id)
    outcome = _decide(posting, command)
    if isinstance(outcome, Posted):
        disputing.repay(posting)
        wallet = posting.state.wallets[command.wallet_id]
        if outcome.balance.version != wallet.version:
            return posting.posted(wallet, outcome.lines, outcome.hold)
    return outcome


def _decide(posting: Posting, command: Command) -> Decision:
    match command:
        case Deduction():
            return spending.deduct(posting, command)
        case PlaceHold():
            return holding.place(posting, command)
        case CaptureHold():
            return holding.capture(posting, command)
        case ReleaseHold():
            return holding.release(posting, command)
        case ExtendHold():
            return holding.extend(posting, command)
        case Refund():
            return refunding.refund(posting, command)
        case Transfer():
            return moving.transfer(posting, command)
        case Grant():
            return giving.grant(posting, command)
        case Adjustment():
            return giving.adjust(posting, command)
        case PurchaseCredit():
            return giving.credit_purchase(posting, command)
        case Sweep():
            return giving.sweep(posting, command)
        case Freeze():
            return disputing.freeze(posting, command)
        case Thaw():
            return disputing.thaw(posting, command)
        case Clawback():
            return disputing.claw_back(posting, command)
        case GiveBack():
            return disputing.give_back(posting, command)
    raise TypeError(f"no rule for {type(command).__name__}")
