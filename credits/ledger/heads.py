"""The heads of the chains: the number and hash of each wallet's last transaction.

Kept outside the database they tell of a tail that was cut off cleanly, with the wallet put back to what it was: what is
left is whole, and breaks no promise inside the database. A head that was once told stays in its chain for ever.
"""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import asyncpg

PORTION = 200

_HEADS = "SELECT id, sequence, last_hash FROM wallets WHERE id > $1 AND sequence > 0 ORDER BY id LIMIT $2"
_LOST = """
SELECT h.* FROM unnest($1::text[], $2::bigint[], $3::bytea[]) AS h (wallet_id, sequence, hash)
LEFT JOIN transactions t ON t.wallet_id = h.wallet_id AND t.sequence = h.sequence
WHERE t.hash IS DISTINCT FROM h.hash
"""
# As they are printed, and as either kind of log has them.
_WALLET = re.compile(r"\bwal_[0-9a-z]{26}\b")
_SEQUENCE = re.compile(r"(?:\bwal_[0-9a-z]{26} |\bsequence\W{1,4})(\d{1,18})\b")
_HASH = re.compile(r"\b[0-9a-f]{64}\b")


@dataclass(frozen=True, slots=True)
class Head:
    """The last transaction of a wallet at some time: its number and its hash."""

    wallet_id: str
    sequence: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.wallet_id} {self.sequence} {self.hash.hex()}"


def parse(line: str) -> Head | None:
    """The head that a line names, printed or logged; None where it names none."""
    wallet, sequence, digest = _WALLET.search(line), _SEQUENCE.search(line), _HASH.search(line)
    if not (wallet and sequence and digest):
        return None
    return Head(wallet[0], int(sequence[1]), bytes.fromhex(digest[0]))


async def heads(connection: asyncpg.Connection) -> AsyncIterator[list[Head]]:
    """The heads of all wallets that have transactions, in portions."""
    after = ""
    while rows := await connection.fetch(_HEADS, after, PORTION):
        yield [Head(row["id"], row["sequence"], row["last_hash"]) for row in rows]
        after = rows[-1]["id"]


async def lost(connection: asyncpg.Connection, told: Sequence[Head]) -> list[Head]:
    """Those of the heads told earlier that are no longer, or not like this, in their chains."""
    columns = zip(*((head.wallet_id, head.sequence, head.hash) for head in told), strict=True)
    return [Head(*row.values()) for row in await connection.fetch(_LOST, *map(list, columns))]
