"""A workload against the rules and the model, step by step: where the two part, the run ends and says how to have it
again."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

from credits.ledger.commands import Bulk, Unit, commands_of
from credits.ledger.holds import HoldState
from credits.ledger.lots import LotState
from credits.ledger.models import LotSource
from credits.ledger.posting import Posted, Refused
from credits.ledger.store import Outcome
from credits.ledger.wallet import BalanceView
from tests.simulation.books import Books
from tests.simulation.model import DONE, REPLAYED, Answer, HoldShown, LotShown, Model, Shown, Terms
from tests.simulation.names import Layout, Step
from tests.simulation.workload import OFFERED, plan, possible

STEPS = 50
_UNTOLD = {"actor", "key", "text", "salt"}
LAYOUT = Layout()


class Disagreement(AssertionError):
    """In this step the rules and the model differ, or a promise is broken."""

    def __init__(self, step: Step, what: str) -> None:
        super().__init__(what)
        self.step = step
        self.topic = re.sub(r"\d+", "#", what.splitlines()[0])


def simulate(seed: int, steps: int = STEPS) -> Counter[str]:
    """Run the workload of the seed; returns how often what came of it. Raises AssertionError with the seed, and with
    the fewest steps that end in the same kind of disagreement."""
    workload = plan(seed, steps)
    try:
        return run(workload)
    except Disagreement as found:
        raise AssertionError(_report(seed, fewest(workload, found), found)) from found


def run(steps: Sequence[Step], layout: Layout = LAYOUT) -> Counter[str]:
    """Run these steps; returns how often what came of it. Raises Disagreement."""
    books, model = Books(layout), Model(layout.rooms)
    seen: Counter[str] = Counter()
    for step in steps:
        units = possible(step.units, model.knows)
        seen["fell away"] += len(step.units) - len(units)
        try:
            same("what has come to be", possible(step.units, books.knows), units)
            seen += _step(books, model, replace(step, units=units))
        except Exception as error:
            raise Disagreement(step, f"{type(error).__name__}: {error}") from error
    return seen + model.seen + Counter({f"booked {kind}": 1 for _, kind in books.booked})


def _step(books: Books, model: Model, step: Step) -> Counter[str]:
    seen: Counter[str] = Counter()
    before = books.views(step)
    outcomes = books.post(step.units, step)
    after = books.views(step)
    answers = model.call(step.units, now=step.at, suspended=step.suspended, prices=step.prices)
    for unit, given, expected in zip(step.units, outcomes, answers, strict=True):
        if isinstance(unit, Bulk) and unit.atomic:
            seen["atomic, stood" if all(each.what == DONE for each in expected) else "atomic, undone"] += 1
        for command, outcome, answer in zip(commands_of(unit), given, expected, strict=True):
            same(f"the answer to {type(command).__name__} {command.id}", answer_of(outcome), answer)
            seen[f"{type(command).__name__} {answer.what}"] += 1
    for wallet_id, view in after.items():
        same(f"wallet {wallet_id}", shown(view), model.shown(model.wallets[wallet_id]))
        was = before[wallet_id]
        if shown(was) != shown(view) and view.version <= was.version:
            raise AssertionError(f"wallet {wallet_id} shows something else, and its version is still {view.version}")
    same_each("what is booked", books.booked, model.booked)
    same_each("what lies where", lots_shown(books.lots.values()), model.lots())
    holds = {each.id: hold_shown(each) for each in books.holds.values()}
    same_each("the holds", holds, {each: model.hold_shown(hold) for each, hold in model.holds.items()})
    books.check()
    return seen


def answer_of(outcome: Outcome) -> Answer:
    """An outcome in the model's words."""
    if isinstance(outcome, Posted):
        return Answer(DONE, shown(outcome.balance))
    return Answer(outcome.code if isinstance(outcome, Refused) else REPLAYED)


def shown(view: BalanceView) -> Shown:
    """A balance in the model's words."""
    soonest = view.next_expiry
    return Shown(
        credits=view.credits,
        held=view.held,
        frozen=view.frozen,
        available=view.available,
        debt=view.debt,
        next_expiry=(soonest.credits, soonest.at) if soonest else None,
    )


def hold_shown(hold: HoldState) -> HoldShown:
    """A hold in the model's words."""
    return HoldShown(
        status=hold.status,
        open=hold.open,
        captured=hold.captured,
        released=hold.released,
        expires_at=hold.expires_at,
        closed_at=hold.closed_at,
    )


def lots_shown(lots: Iterable[LotState]) -> Counter[LotShown]:
    """What lies where, in the model's words."""
    return Counter(
        LotShown(
            wallet=lot.wallet_id,
            terms=Terms(
                priority=lot.priority,
                expires_at=lot.expires_at,
                bought=lot.source is LotSource.PURCHASED,
                price=Fraction(lot.paid_minor, lot.paid_for),
                purchase=lot.purchase_id,
            ),
            kept=lot.held,
            free=lot.unheld,
            frozen=lot.frozen,
        )
        for lot in lots
        if lot.remaining
    )


def same(what: str, found: object, expected: object) -> None:
    """Raises AssertionError with both."""
    if found != expected:
        raise AssertionError(f"{what}\n  rules: {found}\n  model: {expected}")


def same_each(what: str, found: Mapping[Any, object], expected: Mapping[Any, object]) -> None:
    """The same for every name; nothing counts as none. Raises AssertionError with those that differ."""
    names = dict.fromkeys([*found, *expected])
    differing = [each for each in names if (found.get(each) or None) != (expected.get(each) or None)]
    lines = [f"{each}\n    rules: {found.get(each)}\n    model: {expected.get(each)}" for each in differing]
    if lines:
        raise AssertionError("\n  ".join([what, *lines]))


def fewest(steps: Sequence[Step], found: Disagreement) -> list[Step]:
    """As few of the steps, and of what they ask for, as end in the same kind of disagreement."""
    left = [step for step in steps if step.number <= found.step.number]
    for number in [step.number for step in reversed(left)]:
        left = _if_it_still_disagrees([step for step in left if step.number != number], left, found)
    for unit in [unit for step in left for unit in step.units]:
        tried = [replace(step, units=tuple(each for each in step.units if each is not unit)) for step in left]
        left = _if_it_still_disagrees(tried, left, found)
    for number in [step.number for step in left if not step.units]:
        left = _if_it_still_disagrees([step for step in left if step.number != number], left, found)
    return left


def _if_it_still_disagrees(tried: list[Step], left: list[Step], before: Disagreement) -> list[Step]:
    try:
        run(tried)
    except Disagreement as found:
        return tried if found.topic == before.topic else left
    return left


def _report(seed: int, steps: Sequence[Step], found: Disagreement) -> str:
    asked = [f"  {_when(step)}: {said}" for step in steps for said in map(_said, step.units or (None,))]
    return "\n".join(
        [
            f"seed {seed}, step {found.step.number}: {found}",
            f"Once more: make simulate FROM={seed} RUNS=1",
            "As few of its steps as show it:",
            *asked,
        ]
    )


def _when(step: Step) -> str:
    prices = [f"{code} at {price}" for code, price in step.prices.items() if price != OFFERED[code]]
    return " ".join([f"{step.at:%m-%d %H:%M:%S.%f}", *["suspended"] * step.suspended, *prices])


def _said(unit: Unit | None) -> str:
    """A command with what matters of it."""
    if unit is None:
        return "nothing is asked for"
    if isinstance(unit, Bulk):
        return f"Bulk(atomic={unit.atomic}): " + "; ".join(map(_said, unit.commands))
    told = {each.name: getattr(unit, each.name) for each in fields(unit) if each.name not in _UNTOLD}
    key = f" {unit.key.key}" if unit.key else ""
    return f"{type(unit).__name__}{key} " + " ".join(f"{name}={value}" for name, value in told.items())
