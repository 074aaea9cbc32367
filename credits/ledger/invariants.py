"""What must be true of the ledger at any time, as named objects: the audit runs them (`audit.py`), and the tests do.

Those of the lines are conditions, asked of one transaction after the other with what stood before it in its wallet;
those of the whole are queries, set-wise. Neither finds anything while all is well.
"""

from dataclasses import dataclass

from credits.ledger.chain_sql import DIGEST, HASH
from credits.ledger.usage_rows import used_in


@dataclass(frozen=True, slots=True)
class Invariant:
    """A promise, in a sentence, and the SQL of what breaks it: of `LINES` a condition on a row of `read_lines`, of
    `WHOLE` a query for ids."""

    name: str
    promise: str
    broken: str


def read_lines(portion: int) -> str:
    """FROM and WHERE of so many lines after the one of wallet $1 with the sequence number $2, which is read along as
    the one before.

    The draws are looked up line by line on purpose: joined, they would all be read again for each portion.
    """
    return f"""
    FROM (
        SELECT *, lag(sequence) OVER chain AS sequence_before, lag(balance_after) OVER chain AS balance_before,
               lag(version) OVER chain AS version_before, lag(created_at) OVER chain AS time_before,
               lag(hash) OVER chain AS hash_before
        FROM (
            SELECT * FROM transactions WHERE (wallet_id, sequence) >= ($1, $2)
            ORDER BY wallet_id, sequence LIMIT {portion + 1}
        ) portion
        WINDOW chain AS (PARTITION BY wallet_id ORDER BY sequence)
    ) t CROSS JOIN LATERAL (
        SELECT coalesce(sum(d.credits), 0) AS total,
               string_agg(d.lot_id || '=' || d.credits, ',' ORDER BY d.lot_id COLLATE "C") AS draws,
               bool_or(l.wallet_id IS DISTINCT FROM t.wallet_id) AS astray
        FROM transaction_lots d LEFT JOIN lots l ON l.id = d.lot_id WHERE d.transaction_id = t.id
    ) d
    WHERE (t.wallet_id, t.sequence) > ($1, $2)
    """


LINES = (
    Invariant(
        "sequence",
        "A wallet's transactions are numbered 1, 2, 3, …; each balance after is the one before plus the change; time "
        "never goes back and the version always rises.",
        """
        t.sequence <> coalesce(t.sequence_before, 0) + 1 OR t.balance_after <> coalesce(t.balance_before, 0) + t.change
        OR t.version <= coalesce(t.version_before, 0) OR t.created_at < t.time_before
        """,
    ),
    Invariant(
        "draws",
        "A transaction's draws add up to its change, and are on lots of its own wallet.",
        "t.change <> d.total OR d.astray",
    ),
    Invariant("chain", "A transaction carries the hash of itself and of the one before it.", f"t.hash <> {HASH}"),
    Invariant(
        "texts",
        "The free text of a transaction, where it was not erased, is what its digest stands for.",
        f"""
        EXISTS (SELECT FROM transaction_texts x
                WHERE x.transaction_id = t.id AND t.text_digest IS DISTINCT FROM {DIGEST})
        """,
    ),
)

WHOLE = (
    Invariant(
        "heads",
        "A wallet knows the number, hash and time of its last transaction.",
        """
        SELECT w.id FROM wallets w
        LEFT JOIN transactions t ON t.wallet_id = w.id AND t.sequence = w.sequence
        LEFT JOIN transactions more ON more.wallet_id = w.id AND more.sequence = w.sequence + 1
        WHERE (t.id IS NULL) <> (w.sequence = 0) OR more.id IS NOT NULL OR w.version < t.version
            OR w.last_hash <> coalesce(t.hash, decode(repeat('00', 32), 'hex'))
            OR t.created_at > coalesce(w.last_posted_at, '-infinity')
        """,
    ),
    Invariant(
        "accounts",
        "What is of a wallet, a hold or a transaction is of its account.",
        """
        SELECT r.id FROM (
            SELECT id, account_id, wallet_id FROM transactions
            UNION ALL SELECT id, account_id, wallet_id FROM lots
            UNION ALL SELECT id, account_id, wallet_id FROM holds
            UNION ALL SELECT id, account_id, wallet_id FROM clawbacks
            UNION ALL SELECT id, account_id, wallet_id FROM purchases
        ) r LEFT JOIN wallets w ON w.id = r.wallet_id WHERE w.account_id IS DISTINCT FROM r.account_id
        UNION ALL
        SELECT r.id FROM (
            SELECT id, account_id, hold_id FROM hold_items
            UNION ALL SELECT id, account_id, hold_id FROM hold_steps
            UNION ALL SELECT lot_id, account_id, hold_id FROM reservations
        ) r LEFT JOIN holds h ON h.id = r.hold_id WHERE h.account_id IS DISTINCT FROM r.account_id
        """,
    ),
    Invariant(
        "balance",
        "A wallet's balance is what its transactions add up to and what lies in its lots; neither it nor the debt is "
        "ever negative.",
        """
        SELECT w.id FROM wallets w
        LEFT JOIN (SELECT wallet_id, sum(change) AS total FROM transactions GROUP BY 1) t ON t.wallet_id = w.id
        LEFT JOIN (SELECT wallet_id, sum(remaining) AS total FROM lots GROUP BY 1) l ON l.wallet_id = w.id
        WHERE w.balance <> coalesce(t.total, 0) OR w.balance <> coalesce(l.total, 0) OR w.balance < 0 OR w.debt < 0
        """,
    ),
    Invariant(
        "lots",
        "A lot came in whole; what is left in it is what was put into it less what was drawn, and enough for what is "
        "held.",
        """
        SELECT l.id FROM lots l
        LEFT JOIN (SELECT lot_id, sum(credits) AS total FROM transaction_lots GROUP BY 1) d ON d.lot_id = l.id
        LEFT JOIN (
            SELECT DISTINCT ON (d.lot_id) d.lot_id, d.credits
            FROM transaction_lots d JOIN transactions t ON t.id = d.transaction_id ORDER BY d.lot_id, t.sequence
        ) first ON first.lot_id = l.id
        WHERE l.remaining <> coalesce(d.total, 0) OR l.amount IS DISTINCT FROM first.credits
            OR NOT (0 <= l.held AND l.held <= l.remaining AND l.remaining <= l.amount)
        """,
    ),
    Invariant(
        "origins",
        "A lot that was split from another has its price and its purchase; one that was bought is what was paid for.",
        """
        SELECT l.id FROM lots l LEFT JOIN lots o ON o.id = l.origin_id
        WHERE l.origin_id IS NOT NULL
            AND (o.account_id, o.source, o.paid_minor, o.paid_for, o.currency, o.purchase_id)
            IS DISTINCT FROM (l.account_id, l.source, l.paid_minor, l.paid_for, l.currency, l.purchase_id)
        UNION ALL
        SELECT l.id FROM lots l LEFT JOIN purchases p ON p.id = l.purchase_id
        WHERE l.origin_id IS NULL AND l.source = 'PURCHASED'
            AND (p.status, p.wallet_id, p.credits, p.credits, p.total_minor, p.currency)
            IS DISTINCT FROM ('PAID', l.wallet_id, l.amount, l.paid_for, l.paid_minor, l.currency)
        """,
    ),
    Invariant(
        "held",
        "What is held of a wallet is what is held of its lots, and of each lot what open holds of the wallet reserve "
        "there.",
        """
        SELECT w.id FROM wallets w
        LEFT JOIN (SELECT wallet_id, sum(held) AS total FROM lots GROUP BY 1) l ON l.wallet_id = w.id
        WHERE w.held <> coalesce(l.total, 0)
        UNION ALL
        SELECT l.id FROM lots l
        LEFT JOIN (SELECT lot_id, sum(credits) AS total FROM reservations GROUP BY 1) r ON r.lot_id = l.id
        WHERE l.held <> coalesce(r.total, 0)
        UNION ALL
        SELECT r.hold_id FROM reservations r LEFT JOIN holds h ON h.id = r.hold_id LEFT JOIN lots l ON l.id = r.lot_id
        WHERE (h.status, h.wallet_id) IS DISTINCT FROM ('OPEN', l.wallet_id)
        """,
    ),
    Invariant(
        "holds",
        "A hold is its items: what is open of them is reserved, and it is open as long as anything of them is.",
        """
        SELECT h.id FROM holds h
        LEFT JOIN (
            SELECT hold_id, sum(quantity * price) AS credits, sum((quantity - captured - released) * price) AS open,
                   sum(captured) AS captured, bool_or(captured + released > quantity) AS overdone
            FROM hold_items GROUP BY 1
        ) i ON i.hold_id = h.id
        LEFT JOIN (SELECT hold_id, sum(credits) AS total FROM reservations GROUP BY 1) r ON r.hold_id = h.id
        WHERE h.credits IS DISTINCT FROM i.credits OR i.open <> coalesce(r.total, 0) OR i.overdone
            OR (h.status = 'OPEN') <> (i.open > 0) OR (h.status = 'CAPTURED') <> (i.open = 0 AND i.captured > 0)
        """,
    ),
    Invariant(
        "steps",
        "What was captured and released of a hold's item is what its steps add up to.",
        """
        SELECT i.id FROM hold_items i
        LEFT JOIN (
            SELECT item_id, sum(quantity) FILTER (WHERE kind = 'CAPTURED') AS captured,
                   sum(quantity) FILTER (WHERE kind IN ('RELEASED', 'EXPIRED')) AS released
            FROM hold_steps GROUP BY 1
        ) s ON s.item_id = i.id
        WHERE i.captured <> coalesce(s.captured, 0) OR i.released <> coalesce(s.released, 0)
        UNION ALL
        SELECT s.id FROM hold_steps s LEFT JOIN hold_items i ON i.id = s.item_id
        WHERE i.hold_id IS DISTINCT FROM s.hold_id
        """,
    ),
    Invariant(
        "captures",
        "A capture is one DEDUCTION from the hold's wallet, at the price that was promised, and every DEDUCTION from a "
        "hold is a capture.",
        """
        SELECT s.id FROM hold_steps s
        LEFT JOIN holds h ON h.id = s.hold_id LEFT JOIN hold_items i ON i.id = s.item_id
        LEFT JOIN transactions t ON t.id = s.transaction_id
        WHERE s.kind = 'CAPTURED'
            AND (t.kind, t.hold_id, t.wallet_id, t.staging_type, t.quantity, t.change)
            IS DISTINCT FROM ('DEDUCTION', s.hold_id, h.wallet_id, i.staging_type, s.quantity, -s.quantity * i.price)
        UNION ALL
        SELECT t.id FROM transactions t LEFT JOIN hold_steps s ON s.transaction_id = t.id
        WHERE t.kind = 'DEDUCTION' AND t.hold_id IS NOT NULL GROUP BY t.id HAVING count(s.id) <> 1
        """,
    ),
    Invariant(
        "transfers",
        "A movement between two wallets is two transactions of one kind and account, which name each other's wallet "
        "and add up to zero.",
        """
        SELECT coalesce(transfer_id, min(id)) AS id FROM transactions
        WHERE transfer_id IS NOT NULL OR kind IN ('ALLOCATION', 'RECLAIM', 'TRANSFER')
        GROUP BY transfer_id
        HAVING count(*) <> 2 OR sum(change) <> 0 OR min(account_id) <> max(account_id) OR min(kind) <> max(kind)
            OR min(kind) NOT IN ('ALLOCATION', 'RECLAIM', 'TRANSFER') OR min(wallet_id) = max(wallet_id)
            OR bool_or(counterpart_wallet_id IS NULL OR counterpart_wallet_id = wallet_id)
            OR min(wallet_id) <> min(counterpart_wallet_id) OR max(wallet_id) <> max(counterpart_wallet_id)
        """,
    ),
    Invariant(
        "refunds",
        "The refunds of a transaction are never more than it; it is a DEDUCTION from the same wallet.",
        """
        SELECT coalesce(r.refunds_id, min(r.id)) AS id
        FROM transactions r LEFT JOIN transactions d ON d.id = r.refunds_id
        WHERE r.refunds_id IS NOT NULL OR r.kind = 'REFUND'
        GROUP BY r.refunds_id, d.change
        HAVING bool_or((r.kind, r.wallet_id, 'DEDUCTION') IS DISTINCT FROM ('REFUND', d.wallet_id, d.kind))
            OR sum(r.change) > -d.change
        """,
    ),
    Invariant(
        "clawbacks",
        "What was clawed back of an account was taken from its wallets, or is their debt.",
        """
        SELECT account_id AS id FROM (
            SELECT account_id, -change AS credits FROM transactions WHERE kind = 'CLAWBACK'
            UNION ALL SELECT account_id, debt FROM wallets WHERE debt <> 0
            UNION ALL SELECT account_id, -credits FROM clawbacks
        ) c GROUP BY 1 HAVING sum(credits) <> 0
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
    Invariant(
        "usage",
        "What is kept as used on a day is that day's deductions and refunds, and of a month what its days add up to.",
        f"""
        SELECT wallet_id AS id FROM ({used_in("transactions")}) t
        FULL JOIN usage_days u USING (wallet_id, day, staging_type, person_id)
        WHERE (t.account_id, t.credits, t.refunded, t.operations)
            IS DISTINCT FROM (u.account_id, u.credits, u.refunded, u.operations)
        UNION ALL
        SELECT wallet_id FROM (
            SELECT wallet_id, date_trunc('month', day::timestamp)::date AS month, staging_type, person_id, account_id,
                   sum(credits) AS credits, sum(refunded) AS refunded, sum(operations) AS operations
            FROM usage_days GROUP BY 1, 2, 3, 4, 5
        ) d FULL JOIN usage_months u USING (wallet_id, month, staging_type, person_id)
        WHERE (d.account_id, d.credits, d.refunded, d.operations)
            IS DISTINCT FROM (u.account_id, u.credits, u.refunded, u.operations)
        """,
    ),
)

INVARIANTS = (*LINES, *WHOLE)
