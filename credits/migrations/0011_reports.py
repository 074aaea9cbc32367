"""What was used, by day and by month, statements of closed months, and indexes of history; SQL, since keys have several
columns.

Use is kept in the commit that posts a deduction or a refund. A statement is written once and never again.
"""

from tortoise import migrations
from tortoise.migrations import operations as ops

# By wallet, local day (the day on which it was booked), staging type and person: who was acted for, else who did it.
# A refund is of the staging type and the person of the deduction that it undoes. `operations` are jobs deducted.
# A busy wallet's row of today changes with each commit: half of a page is left free, so that its versions stay there.
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

# What there is already.
_FILL = """
INSERT INTO usage_{unit}s (wallet_id, {unit}, staging_type, person_id, account_id, credits, refunded, operations)
SELECT t.wallet_id, {day}, d.staging_type, coalesce(d.on_behalf_of, d.actor_id), t.account_id,
       coalesce(sum(-t.change) FILTER (WHERE t.kind = 'DEDUCTION'), 0),
       coalesce(sum(t.change) FILTER (WHERE t.kind = 'REFUND'), 0),
       coalesce(sum(t.quantity) FILTER (WHERE t.kind = 'DEDUCTION'), 0)
FROM transactions t JOIN transactions d ON d.id = coalesce(t.refunds_id, t.id)
WHERE t.kind IN ('DEDUCTION', 'REFUND')
GROUP BY 1, 2, 3, 4, 5;
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


class Migration(migrations.Migration):
    dependencies = [("credits", "0010_guards_of_payments")]

    operations = [
        ops.RunSQL(sql)
        for sql in (
            _USAGE.format(unit="day"),
            _USAGE.format(unit="month"),
            FIRST_OF_MONTH,
            _FILL.format(unit="day", day="t.local_day"),
            _FILL.format(unit="month", day="date_trunc('month', t.local_day::timestamp)::date"),
            STATEMENTS,
            HISTORY,
        )
    ]
