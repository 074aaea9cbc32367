"""What the database refuses of holds, clawbacks and texts; `reservations` and `hold_steps`, whose keys have two columns."""

from tortoise import migrations
from tortoise.migrations import operations as ops

LOTS = """
UPDATE lots SET paid_for = amount WHERE paid_minor > 0;
ALTER TABLE lots ADD CONSTRAINT lots_paid_for CHECK (paid_for >= 1);
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

CLAWBACKS = """
ALTER TABLE clawbacks ADD CONSTRAINT clawbacks_amounts CHECK (credits >= 1 AND debt BETWEEN 0 AND credits);
CREATE INDEX clawbacks_account ON clawbacks (account_id);
CREATE INDEX clawbacks_purchase ON clawbacks (purchase_id);
CREATE TRIGGER clawbacks_append_only BEFORE UPDATE OR DELETE ON clawbacks
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER clawbacks_no_truncate BEFORE TRUNCATE ON clawbacks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# A text may be erased; altered it would no longer be what its digest stands for.
TEXTS = """
CREATE TRIGGER transaction_texts_unaltered BEFORE UPDATE ON transaction_texts
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0005_holds_clawbacks")]

    operations = [ops.RunSQL(sql) for sql in (LOTS, HOLDS, CLAWBACKS, TEXTS)]
