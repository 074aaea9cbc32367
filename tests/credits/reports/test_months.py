"""How statements follow from what was posted, whatever was posted and whenever months were closed."""

from collections.abc import Sequence
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from credits.ledger.models import TransactionKind
from credits.reports.months import Movement, Posted, Statement, following, last_day, months, statements, together

FIRST, LAST = date(2023, 11, 1), date(2024, 4, 1)
KINDS = (TransactionKind.GRANT, TransactionKind.DEDUCTION, TransactionKind.REFUND)
MONTHS = tuple(months(FIRST, LAST))

lines = st.lists(
    st.tuples(st.sampled_from(MONTHS), st.sampled_from(KINDS), st.integers(-50, 50).filter(bool)), max_size=30
).map(lambda found: sorted(found, key=lambda line: line[0]))


def as_posted(found: Sequence[tuple[date, TransactionKind, int]], *, after: int = 0) -> list[Posted]:
    return [
        Posted(month=month, movement=Movement(kind=kind, credits=change, count=1), last_sequence=number)
        for number, (month, kind, change) in enumerate(found, after + 1)
    ]


def test_months_follow_each_other_over_the_turn_of_a_year_and_a_leap_day() -> None:
    assert [month.isoformat() for month in months(date(2023, 12, 1), date(2024, 3, 1))] == [
        "2023-12-01",
        "2024-01-01",
        "2024-02-01",
        "2024-03-01",
    ]
    assert last_day(date(2024, 2, 1)) == date(2024, 2, 29)
    assert list(months(LAST, FIRST)) == []


@given(lines)
def test_each_opens_with_the_closing_before_it_and_nothing_is_left_out(
    found: list[tuple[date, TransactionKind, int]],
) -> None:
    made = statements("wal", None, as_posted(found), upto=LAST)

    assert [each.month for each in made] == list(months(found[0][0] if found else LAST, LAST))
    assert [each.opening for each in made] == [0, *(each.closing for each in made[:-1])]
    assert [each.after_sequence for each in made] == [0, *(each.last_sequence for each in made[:-1])]
    for each in made:
        assert each.opening + sum(line.credits for line in each.movements) == each.closing
        assert each.count == each.last_sequence - each.after_sequence
    assert made[-1].closing == sum(change for _, _, change in found)
    assert made[-1].last_sequence == len(found)


@given(lines, st.sampled_from(MONTHS))
def test_whenever_months_are_closed_they_come_to_the_same(
    found: list[tuple[date, TransactionKind, int]], until: date
) -> None:
    at_once = statements("wal", None, as_posted(found), upto=LAST)
    early = [line for line in found if line[0] <= until]
    first = statements("wal", None, as_posted(early), upto=until) if early else []
    before: Statement | None = first[-1] if first else None
    later = as_posted(found[len(early) :], after=len(early))

    assert [*first, *statements("wal", before, later, upto=LAST)] == at_once


def test_what_comes_too_late_for_a_closed_month_is_of_the_next() -> None:
    (closed,) = statements("wal", None, as_posted([(FIRST, TransactionKind.GRANT, 10)]), upto=FIRST)

    late = as_posted([(FIRST, TransactionKind.DEDUCTION, -3)], after=1)
    (following_one,) = statements("wal", closed, late, upto=following(FIRST))

    assert (closed.closing, following_one.opening, following_one.closing) == (10, 10, 7)


def test_movements_of_a_kind_are_added_up_in_the_order_of_the_kinds() -> None:
    added = together(
        Movement(kind=kind, credits=credits_, count=1)
        for kind, credits_ in ((TransactionKind.REFUND, 1), (TransactionKind.GRANT, 2), (TransactionKind.REFUND, 3))
    )

    assert added == (
        Movement(kind=TransactionKind.GRANT, credits=2, count=1),
        Movement(kind=TransactionKind.REFUND, credits=4, count=2),
    )
