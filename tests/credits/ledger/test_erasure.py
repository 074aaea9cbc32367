"""Erasing what people wrote: it is gone, and every chain is whole."""

from uuid import uuid4

from credits.actors import SYSTEM, Actor, ActorKind
from credits.ledger import queries
from credits.ledger.audit import broken
from credits.ledger.erasure import Texts, erase, texts_by, texts_of, texts_with
from tests.credits.ledger.busy import busy_account, person
from tests.credits.ledger.test_store import rows
from tests.support.service import Service


async def texts(account_id: str) -> int:
    """How many transactions of the account say anything."""
    sql = "SELECT 1 FROM transactions t JOIN transaction_texts x ON x.transaction_id = t.id WHERE t.account_id = $1"
    return len(await rows(sql, account_id))


async def digests(account_id: str) -> list[dict[str, object]]:
    return await rows("SELECT id, text_digest, hash FROM transactions WHERE account_id = $1 ORDER BY id", account_id)


async def test_what_a_person_wrote_goes_and_the_chains_stay(service: Service) -> None:
    user = f"usr_{uuid4().hex[:26]}"
    theirs, others = await busy_account(service, person(user)), await busy_account(service, SYSTEM)
    before = await digests(theirs["account"])
    written = await texts(theirs["account"])

    found = await texts_by(user)
    told: list[tuple[int, int]] = []
    await erase(found, lambda done, of: told.append((done, of)))

    assert (len(found.transactions), sorted(found.holds)) == (written, sorted([theirs["hold"], theirs["captured"]]))
    assert told == [(2, written + 2), (written + 2, written + 2)]
    assert await texts(theirs["account"]) == 0
    assert await texts(others["account"]) == written
    assert await digests(theirs["account"]) == before
    holds = await rows("SELECT reference, metadata FROM holds WHERE account_id = $1", theirs["account"])
    assert holds == [{"reference": None, "metadata": None}] * 2
    assert (await queries.lines_by_id([theirs["spent"]]))[theirs["spent"]].text is None
    assert await texts_by(user) == Texts(transactions=[], holds=[])
    assert await broken() == {}


async def test_what_was_written_on_behalf_of_a_person_is_theirs(service: Service) -> None:
    user = f"usr_{uuid4().hex[:26]}"
    ids = await busy_account(service, Actor(kind=ActorKind.SERVICE, id="staging", on_behalf_of=user))

    await erase(await texts_by(user))

    assert await texts(ids["account"]) == 0


async def test_a_single_transaction_loses_its_text_and_no_other(service: Service) -> None:
    ids = await busy_account(service, SYSTEM)
    written = await texts(ids["account"])

    found = await texts_of([ids["spent"], ids["bought_by"], "txn_x"])
    await erase(found)

    assert found == Texts(transactions=[ids["spent"]], holds=())
    assert await texts(ids["account"]) == written - 1


async def test_a_reference_is_erased_in_its_account_only(service: Service) -> None:
    ids, others = await busy_account(service, SYSTEM), await busy_account(service, SYSTEM)
    written = await texts(ids["account"])

    found = await texts_with(ids["account"], "12 Elm Street")
    await erase(found)

    assert (len(found.transactions), len(found.holds)) == (written, 2)
    assert await texts(ids["account"]) == 0
    assert await texts(others["account"]) == written
    assert await texts_with(ids["account"], "12 Elm") == Texts(transactions=[], holds=[])
