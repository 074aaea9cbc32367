"""Ids: their kind can be told, they sort by time, and nothing else passes for one."""

import pytest

from credits.ids import Kind, kind_of, make_id


@pytest.mark.parametrize("kind", Kind)
def test_an_id_tells_its_kind(kind: Kind) -> None:
    assert kind_of(make_id(kind)) is kind


def test_ids_sort_in_the_order_in_which_they_were_made() -> None:
    made = [make_id(Kind.TRANSACTION) for _ in range(10_000)]

    assert made == sorted(made)
    assert len(set(made)) == 10_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wal",
        "wal_",
        "wal_1",
        make_id(Kind.WALLET) + "0",
        make_id(Kind.WALLET).upper(),
        "xyz_" + "0" * 26,
        "wal_" + "u" * 26,
    ],
)
def test_what_is_no_id_has_no_kind(text: str) -> None:
    assert kind_of(text) is None
