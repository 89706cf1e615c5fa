DROP TABLE tokenward.audit, tokenward.audit_head CASCADE;
DROP FUNCTION tokenward.seal_audit();
DROP FUNCTION tokenward.guard_audit();
