"""What the database refuses of payments: amounts that cannot be, states that do not fit; and where they are looked up."""

from tortoise import migrations
from tortoise.migrations import operations as ops

PURCHASES = """
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

# Credits that come back because their payment's refund failed are a clawback undone: the same row with its sign turned.
CLAWBACKS = """
ALTER TABLE clawbacks DROP CONSTRAINT clawbacks_amounts;
ALTER TABLE clawbacks ADD CONSTRAINT clawbacks_amounts CHECK (
    credits <> 0 AND debt BETWEEN least(credits, 0) AND greatest(credits, 0));
"""

PRICES = """
ALTER TABLE price_agreements
    ADD CONSTRAINT price_agreements_numbers CHECK (minimum_credits >= 1 AND unit_price_minor > 0),
    ADD CONSTRAINT price_agreements_account FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE RESTRICT;
ALTER TABLE quote_requests
    ADD CONSTRAINT quote_requests_credits CHECK (credits >= 1),
    ADD CONSTRAINT quote_requests_account FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE RESTRICT;
CREATE INDEX quote_requests_of_account ON quote_requests (account_id, created_at);
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


class Migration(migrations.Migration):
    dependencies = [("credits", "0009_payments")]

    operations = [ops.RunSQL(sql) for sql in (PURCHASES, RETURNS, CLAWBACKS, PRICES, TOP_UPS)]
