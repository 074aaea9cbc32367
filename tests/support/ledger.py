"""A ledger of any size in a database of its own, filled set-wise, with the hashes that the service would have written.

One hot wallet has half of the transactions, a thousand others the rest: draws of one and two lots, refunds, transfers,
texts at every tenth transaction, captured holds and open ones, and what was used. What it holds the audit finds whole.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from app.database import credentials
from credits.ledger.chain_sql import DIGEST, HASH
from credits.ledger.usage_rows import used_in
from tests.support import servers

_WALLETS = 1_000

# The wallets are numbered, 0 being the hot one; `at` is the place of a line in the order in which all were posted.
_DRAFT = f"""
CREATE TEMP TABLE draft AS
WITH numbered AS (
    SELECT 0 AS wallet, s AS sequence, 2 * s - 1 AS at FROM generate_series(1, :transactions / 2) s
    UNION ALL
    SELECT w, s, 2 * ((s - 1) * {_WALLETS} + w)
    FROM generate_series(1, :transactions / 2 / {_WALLETS}) s, generate_series(1, {_WALLETS}) w
), decided AS (
    SELECT *, CASE WHEN sequence <= 2 THEN 'GRANT' WHEN sequence = 3 AND wallet > 0 THEN 'TRANSFER'
                   WHEN sequence % 50 = 7 THEN 'REFUND' ELSE 'DEDUCTION' END AS kind
    FROM numbered
), changed AS (
    SELECT *, CASE kind WHEN 'GRANT' THEN 10000000 WHEN 'REFUND' THEN 2
                        WHEN 'TRANSFER' THEN CASE wallet % 2 WHEN 0 THEN 2 ELSE -2 END ELSE -2 END AS change
    FROM decided
)
SELECT pg_temp.id('txn', at) AS id, pg_temp.id('acct', 1) AS account_id, pg_temp.id('wal', wallet) AS wallet_id,
       sequence, kind, change, sum(change) OVER (PARTITION BY wallet ORDER BY sequence) AS balance_after,
       sequence AS version, 'USER' AS actor_kind, pg_temp.id('usr', 1) AS actor_id, NULL::text AS on_behalf_of,
       timestamptz '2026-01-01' + at * interval '1 ms' AS created_at, date '2026-01-01' AS local_day,
       CASE kind WHEN 'DEDUCTION' THEN 'BASIC_ROOM' END AS staging_type,
       CASE kind WHEN 'DEDUCTION' THEN 1 END AS quantity,
       CASE kind WHEN 'TRANSFER' THEN pg_temp.id('trf', (wallet + 1) / 2) END AS transfer_id,
       CASE kind WHEN 'TRANSFER' THEN pg_temp.id('wal', wallet - 1 + wallet % 2 * 2) END AS counterpart_wallet_id,
       NULL::text AS purchase_id, NULL::text AS payment_id,
       CASE WHEN kind = 'DEDUCTION' AND sequence % 100 = 0 THEN pg_temp.id('hold', at) END AS hold_id,
       CASE kind WHEN 'REFUND' THEN pg_temp.id('txn', at - CASE wallet WHEN 0 THEN 2 ELSE 2 * {_WALLETS} END) END
           AS refunds_id,
       NULL::bytea AS text_digest, NULL::bytea AS hash, wallet, at, NULL::text AS draws, NULL::bytea AS hash_before
FROM changed
"""
_DRAWS = """
INSERT INTO transaction_lots (transaction_id, lot_id, account_id, credits)
SELECT id, pg_temp.lot(wallet, lot), account_id, credits FROM draft CROSS JOIN LATERAL (
    SELECT sequence AS lot, change AS credits WHERE kind = 'GRANT'
    UNION ALL SELECT CASE WHEN change > 0 THEN 3 ELSE 1 END, change WHERE kind = 'TRANSFER'
    UNION ALL SELECT 1, change WHERE kind = 'REFUND'
    UNION ALL SELECT 1 + sequence % 2, change WHERE kind = 'DEDUCTION' AND sequence % 10 <> 9
    UNION ALL SELECT lot, -1 FROM generate_series(1, 2) lot WHERE kind = 'DEDUCTION' AND sequence % 10 = 9
) drawn ORDER BY at
"""
_TEXTS = """
INSERT INTO transaction_texts (transaction_id, salt, reference, description, metadata)
SELECT id, sha256(convert_to(id, 'UTF8')), 'Order ' || at, 'Wohnzimmer, 2. Stock', '{"room": "living", "listing": "Ä"}'
FROM draft WHERE at % 10 < 1 ORDER BY at
"""
_READ_ALONG = f"""
UPDATE draft t
SET draws = d.draws, text_digest = (SELECT {DIGEST} FROM transaction_texts x WHERE x.transaction_id = t.id)
FROM (SELECT transaction_id, string_agg(lot_id || '=' || credits, ',' ORDER BY lot_id COLLATE "C") AS draws
      FROM transaction_lots GROUP BY 1) d WHERE d.transaction_id = t.id
"""
_HASHED = f"""
CREATE FUNCTION pg_temp.hashed() RETURNS SETOF draft LANGUAGE plpgsql AS $$
DECLARE line draft; before bytea;
BEGIN
    FOR line IN SELECT * FROM draft ORDER BY wallet, sequence LOOP
        line.hash_before := CASE WHEN line.sequence > 1 THEN before END;
        SELECT {HASH} INTO before FROM (SELECT line.*) t, (SELECT line.draws) d (draws);
        line.hash := before;
        RETURN NEXT line;
    END LOOP;
END $$
"""
_LINES = """
INSERT INTO transactions (id, account_id, wallet_id, sequence, kind, change, balance_after, version, actor_kind,
                          actor_id, on_behalf_of, created_at, local_day, staging_type, quantity, transfer_id,
                          counterpart_wallet_id, purchase_id, payment_id, hold_id, refunds_id, text_digest, hash)
SELECT id, account_id, wallet_id, sequence, kind, change, balance_after, version, actor_kind, actor_id, on_behalf_of,
       created_at, local_day, staging_type, quantity, transfer_id, counterpart_wallet_id, purchase_id, payment_id,
       hold_id, refunds_id, text_digest, hash
FROM pg_temp.hashed() ORDER BY at
"""
_REST = f"""
INSERT INTO accounts (id, name, kind, time_zone, created_at)
VALUES (pg_temp.id('acct', 1), 'Big', 'ENTERPRISE', 'UTC', now());
INSERT INTO wallets (id, account_id, owner_kind, owner_id, balance, held, debt, sequence, version, last_hash,
                     last_posted_at, created_at)
SELECT DISTINCT ON (wallet_id) wallet_id, account_id, 'DEPARTMENT', 'dept' || wallet_id, balance_after, 4, 0, sequence,
       version, hash, created_at, created_at FROM transactions ORDER BY wallet_id, sequence DESC;
INSERT INTO lots (id, account_id, wallet_id, source, amount, remaining, held, paid_minor, priority, origin_id,
                  created_at)
SELECT pg_temp.lot(w, l), pg_temp.id('acct', 1), pg_temp.id('wal', w), 'GRANTED',
       CASE l WHEN 3 THEN 2 ELSE 10000000 END, d.total, CASE l WHEN 1 THEN 4 ELSE 0 END, 0, 50,
       CASE l WHEN 3 THEN pg_temp.lot(w - 1, 1) END, now()
FROM generate_series(0, {_WALLETS}) w CROSS JOIN generate_series(1, 3) l
JOIN (SELECT lot_id, sum(credits) AS total FROM transaction_lots GROUP BY 1) d ON d.lot_id = pg_temp.lot(w, l);

INSERT INTO holds (id, account_id, wallet_id, status, credits, actor_kind, actor_id, expires_at, created_at, closed_at)
SELECT hold_id, account_id, wallet_id, 'CAPTURED', 2, 'USER', actor_id, created_at, created_at, created_at
FROM draft WHERE hold_id IS NOT NULL
UNION ALL
SELECT pg_temp.id('hold', -w), pg_temp.id('acct', 1), pg_temp.id('wal', w), 'OPEN', 4, 'USER', 'usr', now(), now(), NULL
FROM generate_series(0, {_WALLETS}) w;
INSERT INTO hold_items (id, account_id, hold_id, staging_type, price, quantity, captured, released)
SELECT 'item' || id, account_id, id, 'BASIC_ROOM', 2, credits / 2, CASE status WHEN 'OPEN' THEN 0 ELSE 1 END, 0
FROM holds;
INSERT INTO hold_steps (id, item_id, hold_id, account_id, kind, quantity, transaction_id, actor_kind, actor_id,
                        created_at)
SELECT 'step' || id, 'item' || hold_id, hold_id, account_id, 'CAPTURED', 1, id, 'USER', actor_id, created_at
FROM draft WHERE hold_id IS NOT NULL;
INSERT INTO reservations (hold_id, lot_id, account_id, credits)
SELECT pg_temp.id('hold', -w), pg_temp.lot(w, 1), pg_temp.id('acct', 1), 4 FROM generate_series(0, {_WALLETS}) w;
"""
_USAGE = f"""
INSERT INTO usage_days (wallet_id, day, staging_type, person_id, account_id, credits, refunded, operations)
{used_in("transactions")};
INSERT INTO usage_months (wallet_id, month, staging_type, person_id, account_id, credits, refunded, operations)
SELECT wallet_id, date_trunc('month', day::timestamp), staging_type, person_id, account_id, sum(credits), sum(refunded),
       sum(operations)
FROM usage_days GROUP BY 1, 2, 3, 4, 5;
ANALYZE;
"""


async def _fill(database: asyncpg.Connection, transactions: int) -> None:
    await database.execute("SET session_replication_role = replica; SET work_mem = '256MB'; SET jit = off")
    await database.execute("""
        CREATE FUNCTION pg_temp.id(kind text, number bigint) RETURNS text IMMUTABLE LANGUAGE sql AS
            $$ SELECT kind || '_' || lpad(replace(number::text, '-', 'x'), 26, '0') $$;
        CREATE FUNCTION pg_temp.lot(wallet bigint, number bigint) RETURNS text IMMUTABLE LANGUAGE sql AS
            $$ SELECT pg_temp.id('lot', wallet * 10 + number) $$;
    """)
    await database.execute(_DRAFT.replace(":transactions", str(transactions)))
    for step in (_DRAWS, _TEXTS, _READ_ALONG, _HASHED, _LINES, _REST, _USAGE):
        await database.execute(step)


@asynccontextmanager
async def filled_ledger(postgres: str, name: str, *, transactions: int) -> AsyncIterator[str]:
    """The address of such a database on that server, dropped in the end."""
    database = f"credits_{name}_{os.getpid()}"
    server = await asyncpg.connect(**credentials(postgres))
    await servers.make_database(server, postgres, database)
    url = servers.on_server(postgres, database)
    try:
        connection = await asyncpg.connect(**credentials(url))
        await _fill(connection, transactions)
        await connection.close()
        yield url
    finally:
        await server.execute(f"DROP DATABASE {database} WITH (FORCE)")
        await server.close()
