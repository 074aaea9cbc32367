"""What the database refuses of enterprises: names, standing orders, requests; and the audit log is append-only."""

from tortoise import migrations
from tortoise.migrations import operations as ops

# Names are unique among what there is; a deleted pool's or department's name is free again.
NAMES = """
DROP INDEX pools_name_unique;
DROP INDEX departments_name_unique;
CREATE UNIQUE INDEX pools_name_unique ON pools (account_id, lower(name)) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX departments_name_unique ON departments (pool_id, lower(name)) WHERE deleted_at IS NULL;
"""

AUDIT_LOG = """
CREATE INDEX audit_entries_account ON audit_entries (account_id, id);
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
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


class Migration(migrations.Migration):
    dependencies = [("credits", "0007_enterprise")]

    operations = [ops.RunSQL(sql) for sql in (NAMES, AUDIT_LOG, ALLOCATIONS)]
