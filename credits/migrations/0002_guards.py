"""What the database itself refuses, whoever writes to it: constraints, unique indexes, append-only triggers.

Also the two tables with primary keys of two columns, and the service's clock. Tortoise does not create
`Meta.constraints` on new tables (its issue 2272), so all of it is SQL; `tests/credits/test_guards.py` asks the
database for each by name.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

CLOCK = """
CREATE TABLE clock_offset (singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton), advance interval NOT NULL);
CREATE FUNCTION credits_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    $$ SELECT clock_timestamp() + coalesce((SELECT advance FROM clock_offset), interval '0') $$;
"""

PEOPLE = """
CREATE UNIQUE INDEX users_email_unique ON users (lower(email));
CREATE UNIQUE INDEX pools_name_unique ON pools (account_id, lower(name));
CREATE UNIQUE INDEX departments_name_unique ON departments (pool_id, lower(name));
CREATE INDEX departments_account ON departments (account_id);
CREATE INDEX memberships_user ON memberships (user_id);
CREATE INDEX identities_user ON identities (user_id);
CREATE INDEX pool_administrators_user ON pool_administrators (user_id);
CREATE INDEX department_members_user ON department_members (user_id);
CREATE INDEX api_keys_account ON api_keys (account_id);
"""

CATALOGUE = """
ALTER TABLE staging_types ADD CONSTRAINT staging_types_credits CHECK (credits BETWEEN 1 AND 1000000);
ALTER TABLE packages ADD CONSTRAINT packages_price CHECK (
    (price_minor IS NULL AND credits IS NULL AND minimum_credits >= 1)
    OR (price_minor >= 1 AND credits >= 1)
);
"""

WALLETS = """
ALTER TABLE wallets
    ADD CONSTRAINT wallets_balance CHECK (balance BETWEEN 0 AND 2147483647),
    ADD CONSTRAINT wallets_held CHECK (held BETWEEN 0 AND balance),
    ADD CONSTRAINT wallets_debt CHECK (debt BETWEEN 0 AND 2147483647),
    ADD CONSTRAINT wallets_sequence CHECK (sequence >= 0 AND version >= sequence),
    ADD CONSTRAINT wallets_owner_kind CHECK (owner_kind IN ('ACCOUNT', 'POOL', 'DEPARTMENT'));
CREATE INDEX wallets_account ON wallets (account_id);
CREATE INDEX wallets_in_debt ON wallets (account_id) WHERE debt > 0;

ALTER TABLE lots
    ADD CONSTRAINT lots_credits CHECK (0 <= held AND held <= remaining AND remaining <= amount AND amount >= 1),
    ADD CONSTRAINT lots_priority CHECK (priority BETWEEN 0 AND 100),
    ADD CONSTRAINT lots_source CHECK (source IN ('PURCHASED', 'GRANTED')),
    ADD CONSTRAINT lots_paid CHECK (paid_minor >= 0 AND (currency IS NOT NULL OR paid_minor = 0));
CREATE INDEX lots_open ON lots (wallet_id) WHERE remaining > 0;
CREATE INDEX lots_lapsing ON lots (expires_at) WHERE remaining > 0 AND expires_at IS NOT NULL;
CREATE INDEX lots_origin ON lots (origin_id) WHERE origin_id IS NOT NULL;
CREATE INDEX lots_purchase ON lots (purchase_id) WHERE purchase_id IS NOT NULL;
"""

TRANSACTIONS = """
ALTER TABLE transactions
    ADD CONSTRAINT transactions_change CHECK (change <> 0 AND abs(change) <= 2147483647),
    ADD CONSTRAINT transactions_balance CHECK (balance_after BETWEEN 0 AND 2147483647),
    ADD CONSTRAINT transactions_sequence CHECK (sequence >= 1 AND version >= sequence),
    ADD CONSTRAINT transactions_kind CHECK (kind IN ('PURCHASE', 'GRANT', 'ALLOCATION', 'RECLAIM', 'TRANSFER',
        'DEDUCTION', 'REFUND', 'EXPIRY', 'CLAWBACK', 'ADJUSTMENT')),
    ADD CONSTRAINT transactions_direction CHECK (CASE
        WHEN kind IN ('PURCHASE', 'GRANT', 'REFUND') THEN change > 0
        WHEN kind IN ('DEDUCTION', 'EXPIRY', 'CLAWBACK') THEN change < 0
        ELSE true END),
    ADD CONSTRAINT transactions_deduction CHECK (kind <> 'DEDUCTION' OR (staging_type IS NOT NULL AND quantity >= 1)),
    ADD CONSTRAINT transactions_purchase CHECK (kind <> 'PURCHASE' OR (purchase_id IS NOT NULL AND payment_id IS NOT NULL)),
    ADD CONSTRAINT transactions_transfer CHECK (kind NOT IN ('ALLOCATION', 'RECLAIM', 'TRANSFER')
        OR (transfer_id IS NOT NULL AND counterpart_wallet_id IS NOT NULL)),
    ADD CONSTRAINT transactions_hash CHECK (octet_length(hash) = 32);
CREATE UNIQUE INDEX transactions_purchase_once ON transactions (purchase_id) WHERE kind = 'PURCHASE';
CREATE UNIQUE INDEX transactions_payment_once ON transactions (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX transactions_account_time ON transactions (account_id, created_at, id);
CREATE INDEX transactions_refunds ON transactions (refunds_id) WHERE refunds_id IS NOT NULL;
ALTER TABLE transaction_texts ADD CONSTRAINT transaction_texts_transaction
    FOREIGN KEY (transaction_id) REFERENCES transactions (id) ON DELETE RESTRICT;

CREATE TABLE transaction_lots (
    transaction_id varchar(40) NOT NULL REFERENCES transactions (id) ON DELETE RESTRICT,
    lot_id varchar(40) NOT NULL REFERENCES lots (id) ON DELETE RESTRICT,
    account_id varchar(40) NOT NULL,
    credits bigint NOT NULL CONSTRAINT transaction_lots_credits CHECK (credits <> 0),
    PRIMARY KEY (transaction_id, lot_id)
);
CREATE INDEX transaction_lots_lot ON transaction_lots (lot_id);

-- The key comes first, so that a batch of keys of one account is one probe each.
CREATE TABLE idempotency_keys (
    key varchar(255) NOT NULL,
    scope varchar(40) NOT NULL,
    operation varchar(40) NOT NULL,
    fingerprint bytea NOT NULL,
    result_id varchar(40) NOT NULL,
    PRIMARY KEY (key, scope)
);
"""

APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$;
CREATE TRIGGER transactions_append_only BEFORE UPDATE OR DELETE ON transactions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER transactions_no_truncate BEFORE TRUNCATE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER transaction_lots_append_only BEFORE UPDATE OR DELETE ON transaction_lots
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER transaction_lots_no_truncate BEFORE TRUNCATE ON transaction_lots
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER wallets_no_delete BEFORE DELETE ON wallets FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER lots_no_delete BEFORE DELETE ON lots FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""

PURCHASES = """
ALTER TABLE purchases
    ADD CONSTRAINT purchases_amounts CHECK (quantity >= 1 AND credits BETWEEN 1 AND 1000000000 AND total_minor >= 1),
    ADD CONSTRAINT purchases_paid CHECK (status <> 'PAID' OR (transaction_id IS NOT NULL AND payment_id IS NOT NULL
        AND paid_at IS NOT NULL)),
    ADD CONSTRAINT purchases_status CHECK (status IN ('PENDING_APPROVAL', 'AWAITING_PAYMENT', 'PROCESSING', 'PAID',
        'REJECTED', 'CANCELED', 'EXPIRED', 'FAILED'));
CREATE INDEX purchases_account ON purchases (account_id, created_at, id);
CREATE INDEX purchases_open ON purchases (wallet_id) WHERE status IN ('PENDING_APPROVAL', 'AWAITING_PAYMENT', 'PROCESSING');
CREATE INDEX inbox_open ON inbox_events (received_at) WHERE handled_at IS NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0001_tables")]

    operations = [ops.RunSQL(sql) for sql in (CLOCK, PEOPLE, CATALOGUE, WALLETS, TRANSACTIONS, APPEND_ONLY, PURCHASES)]
