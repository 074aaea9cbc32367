"""The rules against an independent model, over workloads planned from seeds, and with deliberate faults in them."""

from collections import Counter
from collections.abc import Callable

import pytest

from credits.errors import RefusalCode
from credits.ledger import commands
from credits.ledger.commands import AboutPayment, Command
from credits.ledger.models import TransactionKind
from tests.simulation.model import DONE, REPLAYED
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.run import STEPS, Disagreement, run, simulate
from tests.simulation.workload import plan

RUNS = 500
AT_ONCE = 25
# So many seeds try everything, and show every mutant.
SEEDS = 60


@pytest.mark.parametrize("first", range(0, RUNS, AT_ONCE))
def test_the_rules_and_the_model_agree(first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        simulate(seed)


# What the ledger itself can refuse; the other codes are of purchases, approvals and the structure of accounts.
REFUSALS = {
    RefusalCode.INVALID,
    RefusalCode.INSUFFICIENT_CREDITS,
    RefusalCode.IN_DEBT,
    RefusalCode.ACCOUNT_SUSPENDED,
    RefusalCode.BALANCE_LIMIT_EXCEEDED,
    RefusalCode.IDEMPOTENCY_KEY_REUSED,
    RefusalCode.UNKNOWN_STAGING_TYPE,
    RefusalCode.HOLD_CAPTURED,
    RefusalCode.HOLD_RELEASED,
    RefusalCode.HOLD_EXPIRED,
    RefusalCode.EXCEEDS_HOLD,
    RefusalCode.ALREADY_REFUNDED,
}
COMMANDS = {
    name
    for name, each in vars(commands).items()
    if isinstance(each, type) and issubclass(each, Command) and each not in {Command, AboutPayment}
}
EVENTS = {
    "atomic, stood",
    "atomic, undone",
    "renewed",
    "lapsed at once",
    "moved home",
    "in debt",
    "repaid",
    "clawed back elsewhere",
    "captured of a lapsed lot",
    "captured of a frozen lot",
    "captured in debt",
    "given back",
    "given back to a debt",
    "given back of a disputed purchase",
}


def test_the_workload_is_not_vacuous() -> None:
    seen: Counter[str] = sum((run(plan(seed, STEPS)) for seed in range(SEEDS)), Counter())

    answers = {name.split()[-1] for name, count in seen.items() if count}
    assert {f"{kind} {DONE}" for kind in COMMANDS} <= set(seen)
    assert {f"booked {kind}" for kind in TransactionKind} <= set(seen)
    assert {code.value for code in REFUSALS} | {DONE, REPLAYED} <= answers
    assert all(seen[event] >= 5 for event in EVENTS), {event: seen[event] for event in EVENTS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_fault_in_the_rules_is_seen(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    mutant(monkeypatch)

    seed = _caught_by()

    record_property("seed", seed)
    assert seed is not None, f"no seed below {SEEDS} sees it: {mutant.__doc__}"


def test_rules_without_a_fault_are_not_seen_as_faulty() -> None:
    assert _caught_by() is None


def _caught_by() -> int | None:
    """The first seed whose run shows that the rules are not right."""
    for seed in range(SEEDS):
        try:
            run(plan(seed, STEPS))
        except Disagreement:
            return seed
    return None
