"""What the database itself refuses, whoever writes to it: constraints, unique indexes, append-only triggers.

Also the tables with primary keys of several columns, and the service's clock. Tortoise does not create
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
-- Names are unique among what there is; a deleted pool's or department's name is free again.
CREATE UNIQUE INDEX users_email_unique ON users (lower(email));
CREATE UNIQUE INDEX pools_name_unique ON pools (account_id, lower(name)) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX departments_name_unique ON departments (pool_id, lower(name)) WHERE deleted_at IS NULL;
CREATE INDEX departments_account ON departments (account_id);
CREATE INDEX memberships_user ON memberships (user_id);
CREATE INDEX identities_user ON identities (user_id);
CREATE INDEX pool_administrators_user ON pool_administrators (user_id);
CREATE INDEX department_members_user ON department_members (user_id);
CREATE INDEX api_keys_account ON api_keys (account_id);
CREATE INDEX slack_links_user ON slack_links (user_id);
"""

CATALOGUE = """
ALTER TABLE staging_types ADD CONSTRAINT staging_types_credits CHECK (credits BETWEEN 1 AND 1000000);
ALTER TABLE packages ADD CONSTRAINT packages_price CHECK (
    (price_minor IS NULL AND credits IS NULL AND minimum_credits >= 1)
    OR (price_minor >= 1 AND credits >= 1)
);
ALTER TABLE price_agreements
    ADD CONSTRAINT price_agreements_numbers CHECK (minimum_credits >= 1 AND unit_price_minor > 0),
    ADD CONSTRAINT price_agreements_account FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE RESTRICT;
ALTER TABLE quote_requests
    ADD CONSTRAINT quote_requests_credits CHECK (credits >= 1),
    ADD CONSTRAINT quote_requests_account FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE RESTRICT;
CREATE INDEX quote_requests_of_account ON quote_requests (account_id, created_at);
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
ALTER TABLE lots ADD CONSTRAINT lots_paid_for CHECK (paid_for >= 1);
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
-- A text may be erased; altered it would no longer be what its digest stands for.
CREATE TRIGGER transaction_texts_unaltered BEFORE UPDATE ON transaction_texts
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""

HOLDS = """
ALTER TABLE holds
    ADD CONSTRAINT holds_credits CHECK (credits BETWEEN 1 AND 1000000000),
    ADD CONSTRAINT holds_status CHECK (status IN ('OPEN', 'CAPTURED', 'RELEASED', 'EXPIRED')
        AND (status = 'OPEN') = (closed_at IS NULL)),
    ADD CONSTRAINT holds_end CHECK (expires_at <= created_at + interval '7 days');
CREATE INDEX holds_wallet ON holds (wallet_id, created_at, id);
CREATE INDEX holds_of_wallet_open ON holds (wallet_id, expires_at) WHERE status = 'OPEN';
CREATE INDEX holds_ending ON holds (expires_at) WHERE status = 'OPEN';
CREATE TRIGGER holds_no_delete BEFORE DELETE ON holds FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE hold_items
    ADD CONSTRAINT hold_items_units CHECK (quantity >= 1 AND captured >= 0 AND released >= 0
        AND captured + released <= quantity),
    ADD CONSTRAINT hold_items_price CHECK (price >= 1);
CREATE INDEX hold_items_hold ON hold_items (hold_id);
CREATE TRIGGER hold_items_no_delete BEFORE DELETE ON hold_items FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE INDEX transactions_transfer_id ON transactions (transfer_id) WHERE transfer_id IS NOT NULL;
CREATE INDEX transactions_hold ON transactions (hold_id) WHERE hold_id IS NOT NULL;
ALTER TABLE transactions ADD CONSTRAINT transactions_refund CHECK ((kind = 'REFUND') = (refunds_id IS NOT NULL));

-- One row as long as anything is reserved there; a hold that has ended has none.
CREATE TABLE reservations (
    hold_id varchar(40) NOT NULL REFERENCES holds (id) ON DELETE RESTRICT,
    lot_id varchar(40) NOT NULL REFERENCES lots (id) ON DELETE RESTRICT,
    account_id varchar(40) NOT NULL,
    credits bigint NOT NULL CONSTRAINT reservations_credits CHECK (credits >= 1),
    PRIMARY KEY (hold_id, lot_id)
);
CREATE INDEX reservations_lot ON reservations (lot_id);

-- One step settles units of one or several items; a capture names the transaction that it made.
CREATE TABLE hold_steps (
    id varchar(40) NOT NULL,
    item_id varchar(40) NOT NULL REFERENCES hold_items (id) ON DELETE RESTRICT,
    hold_id varchar(40) NOT NULL REFERENCES holds (id) ON DELETE RESTRICT,
    account_id varchar(40) NOT NULL,
    kind varchar(10) NOT NULL CONSTRAINT hold_steps_kind CHECK (kind IN ('CAPTURED', 'RELEASED', 'EXPIRED')
        AND (kind = 'CAPTURED') = (transaction_id IS NOT NULL)),
    quantity bigint NOT NULL CONSTRAINT hold_steps_quantity CHECK (quantity >= 1),
    transaction_id varchar(40) REFERENCES transactions (id) ON DELETE RESTRICT,
    actor_kind varchar(20) NOT NULL,
    actor_id varchar(40) NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (id, item_id, kind)
);
CREATE INDEX hold_steps_item ON hold_steps (item_id);
CREATE TRIGGER hold_steps_append_only BEFORE UPDATE OR DELETE ON hold_steps
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER hold_steps_no_truncate BEFORE TRUNCATE ON hold_steps
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# Credits that come back because their payment's refund failed are a clawback undone: the same row with its sign turned.
CLAWBACKS = """
ALTER TABLE clawbacks ADD CONSTRAINT clawbacks_amounts CHECK (
    credits <> 0 AND debt BETWEEN least(credits, 0) AND greatest(credits, 0));
CREATE INDEX clawbacks_account ON clawbacks (account_id);
CREATE INDEX clawbacks_purchase ON clawbacks (purchase_id);
CREATE TRIGGER clawbacks_append_only BEFORE UPDATE OR DELETE ON clawbacks
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER clawbacks_no_truncate BEFORE TRUNCATE ON clawbacks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

_USAGE = """
CREATE TABLE usage_{unit}s (
    wallet_id varchar(40) NOT NULL REFERENCES wallets (id) ON DELETE RESTRICT,
    {unit} date NOT NULL,
    staging_type varchar(40) NOT NULL,
    person_id varchar(40) NOT NULL,
    account_id varchar(40) NOT NULL,
    credits bigint NOT NULL DEFAULT 0,
    refunded bigint NOT NULL DEFAULT 0,
    operations bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (wallet_id, {unit}, staging_type, person_id),
    CONSTRAINT usage_{unit}s_amounts CHECK (credits >= 0 AND refunded >= 0 AND operations >= 0)
) WITH (fillfactor = 50);
CREATE INDEX usage_{unit}s_account ON usage_{unit}s (account_id, {unit});
"""

FIRST_OF_MONTH = """
ALTER TABLE usage_months ADD CONSTRAINT usage_months_first CHECK (extract(day FROM month) = 1);
"""

# A month of a wallet, closed at a transaction of it: `opening` + the movements = `closing`. `movements` has for each
# kind the credits, signed, and how many transactions they were.
STATEMENTS = """
CREATE TABLE statements (
    wallet_id varchar(40) NOT NULL REFERENCES wallets (id) ON DELETE RESTRICT,
    month date NOT NULL CONSTRAINT statements_month CHECK (extract(day FROM month) = 1),
    account_id varchar(40) NOT NULL,
    opening bigint NOT NULL CONSTRAINT statements_opening CHECK (opening >= 0),
    closing bigint NOT NULL CONSTRAINT statements_closing CHECK (closing >= 0),
    after_sequence bigint NOT NULL,
    last_sequence bigint NOT NULL,
    movements jsonb NOT NULL,
    closed_at timestamptz NOT NULL,
    PRIMARY KEY (wallet_id, month),
    CONSTRAINT statements_sequences CHECK (0 <= after_sequence AND after_sequence <= last_sequence)
);
CREATE INDEX statements_account ON statements (account_id, month);
CREATE TRIGGER statements_unaltered BEFORE UPDATE OR DELETE ON statements
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER statements_no_truncate BEFORE TRUNCATE ON statements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# Pages of history by what is rare, which would be looked for along everything else: any kind but deductions (whose
# writing this costs nothing), a person or key of an account, a reference. Staging types are few and all of them
# frequent: the order of time serves them.
HISTORY = """
CREATE INDEX transactions_wallet_kind ON transactions (wallet_id, kind, sequence) WHERE kind <> 'DEDUCTION';
CREATE INDEX transactions_account_kind ON transactions (account_id, kind, created_at, id) WHERE kind <> 'DEDUCTION';
CREATE INDEX transactions_account_actor ON transactions (account_id, actor_id, created_at, id);
CREATE INDEX transaction_texts_reference ON transaction_texts (reference) WHERE reference IS NOT NULL;
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
ALTER TABLE purchases
    ADD CONSTRAINT purchases_returned CHECK (refunded_minor BETWEEN 0 AND total_minor
        AND clawed_back BETWEEN 0 AND credits),
    ADD CONSTRAINT purchases_method CHECK (method IN ('CHECKOUT', 'SAVED_CARD')),
    ADD CONSTRAINT purchases_dispute CHECK (dispute IN ('INQUIRY', 'OPEN', 'WON', 'LOST'));
CREATE INDEX purchases_payment ON purchases (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX purchases_unpaid ON purchases (status, moved_at) WHERE checkout_id IS NOT NULL AND status <> 'PAID';
"""

RETURNS = """
ALTER TABLE payment_refunds
    ADD CONSTRAINT payment_refunds_amount CHECK (amount_minor >= 1),
    ADD CONSTRAINT payment_refunds_status CHECK (status IN ('REQUESTED', 'PENDING', 'SUCCEEDED', 'FAILED', 'CANCELED')),
    ADD CONSTRAINT payment_refunds_owner CHECK ((purchase_id IS NULL) = (account_id IS NULL));
CREATE INDEX payment_refunds_payment ON payment_refunds (payment_id);
CREATE INDEX payment_refunds_purchase ON payment_refunds (purchase_id);
CREATE INDEX payment_refunds_requested ON payment_refunds (created_at) WHERE status = 'REQUESTED';
ALTER TABLE payment_disputes
    ADD CONSTRAINT payment_disputes_amount CHECK (amount_minor >= 1),
    ADD CONSTRAINT payment_disputes_status CHECK (status IN ('INQUIRY', 'OPEN', 'WON', 'LOST')),
    ADD CONSTRAINT payment_disputes_owner CHECK ((purchase_id IS NULL) = (account_id IS NULL));
CREATE INDEX payment_disputes_payment ON payment_disputes (payment_id);
CREATE INDEX payment_disputes_purchase ON payment_disputes (purchase_id);
CREATE INDEX quarantined_payments_open ON quarantined_payments (seen_at) WHERE settled_at IS NULL;
"""

TOP_UPS = """
ALTER TABLE wallets ADD CONSTRAINT wallets_top_up_below CHECK (top_up_below BETWEEN 1 AND 1000000000);
ALTER TABLE auto_top_ups
    ADD CONSTRAINT auto_top_ups_numbers CHECK (threshold BETWEEN 1 AND 1000000000 AND quantity >= 1
        AND monthly_limit_minor >= 1 AND failures >= 0),
    ADD CONSTRAINT auto_top_ups_wallet FOREIGN KEY (wallet_id) REFERENCES wallets (id) ON DELETE RESTRICT;
ALTER TABLE top_up_attempts
    ADD CONSTRAINT top_up_attempts_outcome CHECK (outcome IN ('ASKED', 'SKIPPED', 'PAID', 'FAILED', 'CONFIRM'));
CREATE INDEX top_up_attempts_wallet ON top_up_attempts (wallet_id, created_at);
CREATE INDEX top_up_attempts_purchase ON top_up_attempts (purchase_id) WHERE purchase_id IS NOT NULL;
"""

APPROVALS = """
ALTER TABLE approval_policies
    ADD CONSTRAINT approval_policies_numbers CHECK (minimum_credits >= 1 AND required_approvals >= 1
        AND expires_after_hours >= 1);
CREATE UNIQUE INDEX approval_policies_once ON approval_policies (account_id, coalesce(pool_id, ''), minimum_credits);
ALTER TABLE approvals
    ADD CONSTRAINT approvals_status CHECK (status IN ('PENDING', 'APPROVED', 'REJECTED', 'EXPIRED', 'CANCELED')
        AND (status = 'PENDING') = (decided_at IS NULL));
CREATE UNIQUE INDEX approvals_one_pending ON approvals (purchase_id) WHERE status = 'PENDING';
CREATE INDEX approvals_account ON approvals (account_id, created_at, id);
CREATE INDEX approvals_purchase ON approvals (purchase_id, created_at);
CREATE INDEX approvals_expiring ON approvals (expires_at) WHERE status = 'PENDING';
ALTER TABLE approval_decisions ADD CONSTRAINT approval_decisions_verdict CHECK (verdict IN ('APPROVE', 'REJECT')
    AND (verdict = 'APPROVE' OR comment IS NOT NULL));
CREATE TRIGGER approval_decisions_append_only BEFORE UPDATE OR DELETE ON approval_decisions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""

ALERTS = """
ALTER TABLE wallets
    ADD CONSTRAINT wallets_alert_threshold CHECK (alert_threshold BETWEEN 0 AND 1000000000),
    ADD CONSTRAINT wallets_alert_phase CHECK (alert_phase IN ('NEW', 'ARMED', 'FIRED')
        AND (alert_phase <> 'FIRED' OR (alert_episode IS NOT NULL AND alert_fired_at IS NOT NULL)));
ALTER TABLE wallet_watches
    ADD CONSTRAINT wallet_watches_days CHECK (runway_days BETWEEN 1 AND 365 AND expiry_days BETWEEN 1 AND 365
        AND (runway_days IS NOT NULL OR expiry_days IS NOT NULL)),
    ADD CONSTRAINT wallet_watches_wallet FOREIGN KEY (wallet_id) REFERENCES wallets (id) ON DELETE RESTRICT;
ALTER TABLE wallet_warnings
    ADD CONSTRAINT wallet_warnings_kind CHECK (kind IN ('RUNWAY', 'EXPIRY')
        AND (kind = 'EXPIRY') = (lapses_on IS NOT NULL) AND (kind = 'EXPIRY') = (lapses_at IS NOT NULL)),
    ADD CONSTRAINT wallet_warnings_end CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    ADD CONSTRAINT wallet_warnings_wallet FOREIGN KEY (wallet_id) REFERENCES wallets (id) ON DELETE RESTRICT;
CREATE UNIQUE INDEX wallet_warnings_open ON wallet_warnings (wallet_id, kind, coalesce(lapses_on, '-infinity'))
    WHERE ended_at IS NULL;
"""

OUTBOX = """
CREATE INDEX inbox_open ON inbox_events (received_at) WHERE handled_at IS NULL;
CREATE INDEX outbox_due ON outbox (due_at);
ALTER TABLE outbox ADD CONSTRAINT outbox_attempts CHECK (attempts >= 0);
CREATE INDEX chat_messages_subject ON chat_messages (subject);
-- What is urgent is looked for by itself, however much else waits.
CREATE INDEX outbox_due_by_queue ON outbox (queue, due_at);
"""

ALLOCATIONS = """
ALTER TABLE allocation_rules
    ADD CONSTRAINT allocation_rules_credits CHECK (credits BETWEEN 1 AND 1000000000),
    ADD CONSTRAINT allocation_rules_period CHECK (period IN ('WEEKLY', 'MONTHLY', 'QUARTERLY')),
    ADD CONSTRAINT allocation_rules_department FOREIGN KEY (department_id) REFERENCES departments (id)
        ON DELETE RESTRICT;
CREATE INDEX allocation_rules_due ON allocation_rules (next_run);
CREATE INDEX allocation_rules_pool ON allocation_rules (pool_id);
ALTER TABLE allocation_requests
    ADD CONSTRAINT allocation_requests_credits CHECK (credits BETWEEN 1 AND 1000000000),
    ADD CONSTRAINT allocation_requests_status CHECK (status IN ('PENDING', 'GIVEN', 'DECLINED', 'CANCELED')
        AND (status = 'PENDING') = (decided_at IS NULL) AND (status = 'GIVEN') = (transfer_id IS NOT NULL));
-- The same question is asked once until it is answered.
CREATE UNIQUE INDEX allocation_requests_once ON allocation_requests (department_id, requested_by_id, credits, reason)
    WHERE status = 'PENDING';
ALTER TABLE use_notices ADD CONSTRAINT use_notices_percent CHECK (percent IN (0, 50, 80, 100));
"""

AUDIT_LOG = """
CREATE INDEX audit_entries_account ON audit_entries (account_id, id);
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0014_tables")]
    replaces = [
        ("credits", "0001_tables"),
        ("credits", "0002_guards"),
        ("credits", "0003_approvals_alerts_outbox"),
        ("credits", "0004_guards_of_approvals"),
        ("credits", "0005_holds_clawbacks"),
        ("credits", "0006_guards_of_holds"),
        ("credits", "0007_enterprise"),
        ("credits", "0008_guards_of_enterprise"),
        ("credits", "0009_payments"),
        ("credits", "0010_guards_of_payments"),
        ("credits", "0011_reports"),
        ("credits", "0012_slack"),
        ("credits", "0013_warnings"),
    ]

    operations = [
        ops.RunSQL(sql)
        for sql in (
            CLOCK,
            PEOPLE,
            CATALOGUE,
            WALLETS,
            TRANSACTIONS,
            APPEND_ONLY,
            HOLDS,
            CLAWBACKS,
            _USAGE.format(unit="day"),
            _USAGE.format(unit="month"),
            FIRST_OF_MONTH,
            STATEMENTS,
            HISTORY,
            PURCHASES,
            RETURNS,
            TOP_UPS,
            APPROVALS,
            ALERTS,
            OUTBOX,
            ALLOCATIONS,
            AUDIT_LOG,
        )
    ]
