"""History: every filter, search in what people wrote, and pages that writers do not disturb."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from credits.accounts.rules import Place
from credits.actors import SYSTEM
from credits.ids import Kind, make_id
from credits.ledger import commands, erasure, queries
from credits.ledger.commands import RefundReason
from credits.ledger.queries import LineFilter, search_account, search_wallet
from credits.ledger.text import SALT_BYTES, Text
from tests.credits.ledger.busy import person
from tests.credits.ledger.test_store import posted, spend
from tests.support.service import Service

PAGE = """query ($id: ID!, $first: Int!, $after: String, $filter: TransactionFilter) { %s(id: $id) {
  transactions(first: $first, after: $after, filter: $filter) { nodes { id reference }
    pageInfo { hasNextPage endCursor } } } }"""


def _text(reference: str | None, description: str | None = None) -> Text:
    return Text(salt=bytes(SALT_BYTES), reference=reference, description=description, metadata=None)


async def _pages(service: Service, place: Place, of: str, first: int, **chosen: Any) -> AsyncGenerator[list[str], None]:
    """The ids on each page of the wallet's or the account's history."""
    token = await service.owner_token(place.account_id)
    of_id = place.wallet_id if of == "wallet" else place.account_id
    after, more = None, True
    while more:
        answer = await service.gql(PAGE % of, token, id=of_id, first=first, after=after, filter=chosen or None)
        page = answer.data[of]["transactions"]
        yield [node["id"] for node in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]


async def _paged(service: Service, place: Place, of: str, first: int, **chosen: Any) -> list[str]:
    return [each async for page in _pages(service, place, of, first, **chosen) for each in page]


async def _written(service: Service) -> tuple[Place, dict[str, str]]:
    """An account and the ids of what happened to it, by name, the oldest first."""
    place = await service.account(credits_given=500)
    wallet = place.wallet_id or ""
    (given,) = await queries.wallet_lines(wallet, LineFilter(), limit=1)
    actor = person("usr_somebody")
    room = spend(place, text=_text("MLS-100_%", "Wohnzimmer, 2. Stock"))
    outdoor = replace(spend(place, text=_text("mls-1007\\", "GARTEN")), staging_type="OUTDOOR", actor=actor)
    plain = spend(place, 2)
    await posted(room, outdoor, plain)
    back = commands.Refund(
        id=make_id(Kind.TRANSACTION),
        wallet_id=wallet,
        actor=SYSTEM,
        deduction_id=room.id,
        credits=1,
        reason=RefundReason.OTHER,
        text=_text(None, "Zu dunkel im wohnzimmer"),
    )
    await posted(back)
    return place, {"given": given.id, "room": room.id, "outdoor": outdoor.id, "plain": plain.id, "back": back.id}


FILTERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, ["back", "plain", "outdoor", "room", "given"]),
    "kinds": ({"kinds": ["REFUND", "GRANT"]}, ["back", "given"]),
    "no kinds": ({"kinds": []}, []),
    "staging types": ({"stagingTypes": ["OUTDOOR"]}, ["outdoor"]),
    "two staging types": ({"stagingTypes": ["OUTDOOR", "BASIC_ROOM"]}, ["plain", "outdoor", "room"]),
    "an actor": ({"actorId": "usr_somebody"}, ["outdoor"]),
    "a reference": ({"reference": "MLS-100_%"}, ["room"]),
    "a part of a reference is none": ({"reference": "MLS-100"}, []),
    "a reference in another case is none": ({"reference": "mls-100_%"}, []),
    "a part in any case": ({"search": "mLs-10"}, ["outdoor", "room"]),
    "a part of a description": ({"search": "WOHNZ"}, ["back", "room"]),
    "the end of a description": ({"search": ", 2. stock"}, ["room"]),
    "a percent sign": ({"search": "%"}, ["room"]),
    "an underscore": ({"search": "_"}, ["room"]),
    "a backslash": ({"search": "\\"}, ["outdoor"]),
    "what a pattern would find": ({"search": "MLS%_"}, []),
    "what nobody wrote": ({"search": "Küche"}, []),
    "a part, and a kind": ({"search": "wohnz", "kinds": ["REFUND"]}, ["back"]),
    "a part, and an actor": ({"search": "mls", "actorId": "usr_somebody"}, ["outdoor"]),
    "a part, and a staging type": ({"search": "mls", "stagingTypes": ["BASIC_ROOM"]}, ["room"]),
    "after all of it": ({"from": "2200-01-01T00:00:00Z"}, []),
    "before all of it": ({"to": "2020-01-01T00:00:00Z"}, []),
    "a part, after all of it": ({"search": "mls", "from": "2200-01-01T00:00:00Z"}, []),
    "a part, before all of it": ({"search": "mls", "to": "2020-01-01T00:00:00Z"}, []),
}


async def test_every_filter_finds_what_it_says_on_pages_of_any_size(service: Service) -> None:
    place, ids = await _written(service)

    for what, (chosen, names) in FILTERS.items():
        for of in ("wallet", "account"):
            for first in (1, 2, 100):
                found = await _paged(service, place, of, first, **chosen)

                assert found == [ids[name] for name in names], (what, of, first)


async def test_from_is_included_and_to_is_not(service: Service) -> None:
    place, ids = await _written(service)
    lines = await queries.lines_by_id([ids["room"], ids["back"]])
    first, last = (lines[ids[name]].created_at.isoformat() for name in ("room", "back"))

    for of in ("wallet", "account"):
        between = {"from": first, "to": last}
        assert await _paged(service, place, of, 2, **between) == [ids["plain"], ids["outdoor"], ids["room"]]
        assert await _paged(service, place, of, 2, search="mls", **between) == [ids["outdoor"], ids["room"]]
        assert await _paged(service, place, of, 2, search="mls", to=first) == []


async def test_a_search_stays_within_its_wallet_and_account(service: Service) -> None:
    place, _ = await _written(service)
    other, ids = await _written(service)

    assert await _paged(service, other, "account", 10, search="garten") == [ids["outdoor"]]
    assert await _paged(service, other, "wallet", 10, search="garten") == [ids["outdoor"]]
    assert ids["outdoor"] not in await _paged(service, place, "account", 10, search="garten")


async def test_erased_text_is_not_found(service: Service) -> None:
    place, ids = await _written(service)
    await erasure.erase(await erasure.texts_of([ids["room"]]))

    assert await _paged(service, place, "wallet", 10, search="wohnz") == [ids["back"]]
    assert await _paged(service, place, "account", 10, search="MLS-100_%") == []
    assert await _paged(service, place, "wallet", 10, reference="MLS-100_%") == []


@pytest.mark.parametrize("window", [1, 2, 3, 50])
@pytest.mark.parametrize("most", [1, 4, 1_000])
async def test_a_search_that_stops_early_goes_on_where_it_stopped(service: Service, window: int, most: int) -> None:
    place = await service.account(credits_given=100)
    wanted = [number % 5 == 0 for number in range(17)]
    deductions = [spend(place, text=_text("Needle" if each else "hay")) for each in wanted]
    await posted(*deductions)
    expected = [each.id for each, is_wanted in zip(deductions, wanted, strict=True) if is_wanted][::-1]
    chosen = LineFilter(search="needle")

    of_wallet: list[str] = []
    sequence: int | None = None
    while True:
        lines, sequence = await search_wallet(
            place.wallet_id or "", chosen, limit=100, before_sequence=sequence, window=window, most=most
        )
        of_wallet += [line.id for line in lines]
        if sequence is None:
            break
    of_account: list[str] = []
    before = None
    while True:
        lines, before = await search_account(
            place.account_id, chosen, limit=100, before=before, window=window, most=most
        )
        of_account += [line.id for line in lines]
        if before is None:
            break

    assert of_wallet == of_account == expected
    few, _ = await search_wallet(place.wallet_id or "", chosen, limit=2, window=window)
    assert [line.id for line in few] == expected[:2]


async def test_a_page_that_found_nothing_yet_has_a_next_one(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    place = await service.account(credits_given=100)
    oldest = spend(place, text=_text("Needle"))
    await posted(oldest, *(spend(place, text=_text("hay")) for _ in range(9)))
    for search in (queries.search_wallet, queries.search_account):
        defaults = {**(search.__kwdefaults__ or {}), "window": 2, "most": 4}
        monkeypatch.setattr(search, "__kwdefaults__", defaults)

    for of in ("wallet", "account"):
        token = await service.owner_token(place.account_id)
        of_id = place.wallet_id if of == "wallet" else place.account_id
        answer = await service.gql(PAGE % of, token, id=of_id, first=10, filter={"search": "needle"})

        page = answer.data[of]["transactions"]
        assert page["nodes"] == []
        assert page["pageInfo"]["hasNextPage"]
        assert await _paged(service, place, of, 10, search="needle") == [oldest.id]


@pytest.mark.parametrize("chosen", [{}, {"kinds": ["DEDUCTION"]}, {"search": "needle"}])
@pytest.mark.parametrize("of", ["wallet", "account"])
async def test_pages_neither_shift_nor_repeat_while_others_write(
    service: Service, of: str, chosen: dict[str, Any]
) -> None:
    place = await service.account(credits_given=1_000)
    before = [spend(place, text=_text("Needle")) for _ in range(40)]
    await posted(*before)
    done = asyncio.Event()
    written = 0

    async def write() -> None:
        nonlocal written
        while not done.is_set():
            await posted(spend(place, text=_text("Needle")))
            written += 1

    paged: list[str] = []
    async with asyncio.TaskGroup() as group:
        async for page in _pages(service, place, of, 3, **chosen):
            if not paged:
                for _ in range(2):
                    group.create_task(write())
            paged += page
        done.set()

    assert written > 0
    history = [each.id for each in reversed(before)]
    assert paged[: len(history)] == history
    assert len(paged) == len(history) + (not chosen)
