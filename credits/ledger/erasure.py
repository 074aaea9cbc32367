"""Erasing what people wrote: the row of the text goes, the digest that stands for it in the chain stays.

What is to go is looked up first and told to whoever decides; then that is erased, and nothing else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tortoise.transactions import in_transaction

from credits.progress import Progress, untold

PORTION = 1_000

_TRANSACTIONS = """
SELECT id FROM (
    SELECT t.*, x.reference FROM transactions t JOIN transaction_texts x ON x.transaction_id = t.id
) written WHERE """
_HOLDS = "SELECT id FROM holds WHERE (reference IS NOT NULL OR metadata IS NOT NULL) AND "
_BY_PERSON = "(actor_id = $1 OR on_behalf_of = $1)"
_WITH_REFERENCE = "account_id = $1 AND reference = $2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The ids of transactions, and of holds, that have free text."""

    transactions: Sequence[str]
    holds: Sequence[str]


async def texts_by(user_id: str) -> Texts:
    """What this person wrote, or was written on their behalf."""
    return Texts(
        transactions=await _ids(_TRANSACTIONS + _BY_PERSON, user_id), holds=await _ids(_HOLDS + _BY_PERSON, user_id)
    )


async def texts_with(account_id: str, reference: str) -> Texts:
    """What carries this reference in an account."""
    return Texts(
        transactions=await _ids(_TRANSACTIONS + _WITH_REFERENCE, account_id, reference),
        holds=await _ids(_HOLDS + _WITH_REFERENCE, account_id, reference),
    )


async def texts_of(transaction_ids: Sequence[str]) -> Texts:
    """What these transactions say."""
    return Texts(transactions=await _ids(_TRANSACTIONS + "id = ANY($1)", list(transaction_ids)), holds=())


async def _ids(sql: str, *values: Any) -> list[str]:
    async with in_transaction() as connection:
        # No index knows who wrote what: it takes its time.
        await connection.execute_query("SET LOCAL statement_timeout = 0")
        return [row["id"] for row in await connection.execute_query_dict(f"{sql} ORDER BY id", list(values))]


async def erase(texts: Texts, progress: Progress = untold) -> None:
    """Erase these texts for good, a portion a commit. The holds first: what is captured later repeats their text."""
    done, of = 0, len(texts.holds) + len(texts.transactions)
    for statement, ids in (
        ("UPDATE holds SET reference = NULL, metadata = NULL WHERE id = ANY($1)", texts.holds),
        ("DELETE FROM transaction_texts WHERE transaction_id = ANY($1)", texts.transactions),
    ):
        for portion in _portions(ids):
            async with in_transaction() as connection:
                await connection.execute_query(statement, [portion])
            done += len(portion)
            progress(done, of)


def _portions(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), PORTION):
        yield list(ids[start : start + PORTION])
