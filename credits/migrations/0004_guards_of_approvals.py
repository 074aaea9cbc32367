"""What the database refuses of alerts, approvals and the outbox; and alerts for the wallets that there are already."""

from tortoise import migrations
from tortoise.migrations import operations as ops

OUTBOX = """
CREATE INDEX outbox_due ON outbox (due_at);
ALTER TABLE outbox ADD CONSTRAINT outbox_attempts CHECK (attempts >= 0);
CREATE INDEX chat_messages_subject ON chat_messages (subject);
"""

ALERTS = """
ALTER TABLE wallets
    ADD CONSTRAINT wallets_alert_threshold CHECK (alert_threshold BETWEEN 0 AND 1000000000),
    ADD CONSTRAINT wallets_alert_phase CHECK (alert_phase IN ('NEW', 'ARMED', 'FIRED')
        AND (alert_phase <> 'FIRED' OR (alert_episode IS NOT NULL AND alert_fired_at IS NOT NULL)));
UPDATE wallets SET alert_phase = 'ARMED' WHERE balance - held >= alert_threshold;
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
CREATE INDEX slack_links_user ON slack_links (user_id);
"""


class Migration(migrations.Migration):
    dependencies = [("credits", "0003_approvals_alerts_outbox")]

    operations = [ops.RunSQL(sql) for sql in (OUTBOX, ALERTS, APPROVALS)]
