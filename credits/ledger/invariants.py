"""What must be true of the ledger at any time, as named objects: tests run them, and the audit does.

Each is one query that returns the broken rows, set-wise; an empty answer means that it holds.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from tortoise.transactions import in_transaction

NAMED = 10


@dataclass(frozen=True, slots=True)
class Invariant:
    """A promise, in a sentence, and the query for the ids of what breaks it."""

    name: str
    promise: str
    sql: str


_PREFIXED = "coalesce(octet_length({0}::text) || ':' || ({0})::text, '-')"
_HASHED = (
    "coalesce(encode(lag(t.hash) OVER (PARTITION BY t.wallet_id ORDER BY t.sequence), 'hex'), repeat('0', 64))",
    "t.id",
    "t.account_id",
    "t.wallet_id",
    "t.sequence",
    "t.kind",
    "t.change",
    "t.balance_after",
    "t.version",
    "t.actor_kind",
    "t.actor_id",
    "t.on_behalf_of",
    "(extract(epoch FROM t.created_at) * 1000000)::bigint",
    "t.local_day",
    "t.staging_type",
    "t.quantity",
    "t.transfer_id",
    "t.counterpart_wallet_id",
    "t.purchase_id",
    "t.payment_id",
    "t.hold_id",
    "t.refunds_id",
    "encode(t.text_digest, 'hex')",
    "coalesce(d.draws, '')",
)
_CHAIN_TEXT = " || ".join(_PREFIXED.format(expression) for expression in _HASHED)

INVARIANTS = (
    Invariant(
        "balance",
        "A wallet's balance is what its transactions add up to, and what lies in its lots.",
        """
        SELECT w.id FROM wallets w
        LEFT JOIN (SELECT wallet_id, sum(change) AS total FROM transactions GROUP BY 1) t ON t.wallet_id = w.id
        LEFT JOIN (SELECT wallet_id, sum(remaining) AS total, sum(held) AS held FROM lots GROUP BY 1) l
            ON l.wallet_id = w.id
        WHERE w.balance <> coalesce(t.total, 0) OR w.balance <> coalesce(l.total, 0) OR w.held <> coalesce(l.held, 0)
        """,
    ),
    Invariant(
        "lots",
        "What is left in a lot is what was put into it less what was drawn.",
        """
        SELECT l.id FROM lots l
        LEFT JOIN (SELECT lot_id, sum(credits) AS total FROM transaction_lots GROUP BY 1) d ON d.lot_id = l.id
        WHERE l.remaining <> coalesce(d.total, 0)
        """,
    ),
    Invariant(
        "draws",
        "A transaction's draws add up to its change and are on lots of its own wallet.",
        """
        SELECT t.id FROM transactions t
        LEFT JOIN transaction_lots d ON d.transaction_id = t.id LEFT JOIN lots l ON l.id = d.lot_id
        GROUP BY t.id, t.change, t.wallet_id
        HAVING t.change <> coalesce(sum(d.credits), 0) OR bool_or(l.wallet_id <> t.wallet_id)
        """,
    ),
    Invariant(
        "sequence",
        "Each wallet's transactions are numbered 1, 2, 3, …, each balance after is the one before plus the change, "
        "and the wallet knows its last.",
        """
        SELECT s.id FROM (
            SELECT t.id, t.sequence, t.balance_after, t.change, t.created_at,
                   lag(t.sequence, 1, 0::bigint) OVER chain AS sequence_before,
                   lag(t.balance_after, 1, 0::bigint) OVER chain AS balance_before,
                   lag(t.created_at) OVER chain AS time_before
            FROM transactions t WINDOW chain AS (PARTITION BY t.wallet_id ORDER BY t.sequence)
        ) s
        WHERE s.sequence <> s.sequence_before + 1 OR s.balance_after <> s.balance_before + s.change
            OR s.created_at < s.time_before
        UNION ALL
        SELECT w.id FROM wallets w WHERE w.sequence <> (SELECT count(*) FROM transactions t WHERE t.wallet_id = w.id)
        """,
    ),
    Invariant(
        "chain",
        "Each transaction carries the hash of itself and the one before, and the wallet the hash of its last.",
        f"""
        SELECT c.id FROM (
            SELECT t.id, t.hash, sha256(convert_to({_CHAIN_TEXT}, 'UTF8')) AS computed
            FROM transactions t
            LEFT JOIN (
                SELECT transaction_id, string_agg(lot_id || '=' || credits, ',' ORDER BY lot_id COLLATE "C") AS draws
                FROM transaction_lots GROUP BY 1
            ) d ON d.transaction_id = t.id
        ) c WHERE c.hash <> c.computed
        UNION ALL
        SELECT w.id FROM wallets w LEFT JOIN transactions t ON t.wallet_id = w.id AND t.sequence = w.sequence
        WHERE w.last_hash <> coalesce(t.hash, decode(repeat('00', 32), 'hex'))
        """,
    ),
    Invariant(
        "purchases",
        "Every paid purchase has exactly one PURCHASE of its wallet and credits, and every PURCHASE a paid purchase.",
        """
        SELECT p.id FROM purchases p
        LEFT JOIN transactions t ON t.purchase_id = p.id AND t.kind = 'PURCHASE'
        WHERE (p.status = 'PAID') <> (t.id IS NOT NULL)
            OR t.id IS DISTINCT FROM p.transaction_id OR t.wallet_id <> p.wallet_id OR t.change <> p.credits
        UNION ALL
        SELECT t.id FROM transactions t LEFT JOIN purchases p ON p.id = t.purchase_id
        WHERE t.kind = 'PURCHASE' AND p.id IS NULL
        """,
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What the audit says of an invariant: the ids of what breaks it, at most `NAMED` of them."""

    invariant: Invariant
    broken: tuple[str, ...]


async def audit() -> AsyncIterator[Finding]:
    """Ask for one invariant after the other, all of one instant, while others go on writing."""
    async with in_transaction() as connection:
        # As long as it takes, and of one snapshot: what is written meanwhile is not half seen.
        await connection.execute_query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        await connection.execute_query("SET LOCAL statement_timeout = 0")
        for invariant in INVARIANTS:
            rows = await connection.execute_query_dict(f"SELECT id FROM ({invariant.sql}) found LIMIT {NAMED}")
            yield Finding(invariant, tuple(str(row["id"]) for row in rows))


async def broken() -> dict[str, list[str]]:
    """The names of the invariants that do not hold, with ids of what breaks each; empty when all is well."""
    return {found.invariant.name: list(found.broken) async for found in audit() if found.broken}
