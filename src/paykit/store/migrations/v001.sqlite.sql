-- v001 for sqlite: every table, index, trigger and function.
-- A blank line ends a statement. Never change this file once it is released.

CREATE TABLE paykit_break (
    id VARCHAR(160) NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    aggregatetype VARCHAR(32) NOT NULL,
    aggregateid VARCHAR(64) NOT NULL,
    kind VARCHAR(64) NOT NULL,
    detail JSON NOT NULL,
    opened_at DATETIME NOT NULL,
    resolved_at DATETIME,
    resolved_by VARCHAR(64),
    resolution VARCHAR(500),
    CONSTRAINT pk_paykit_break PRIMARY KEY (id)
)

CREATE INDEX ix_paykit_break_aggregateid ON paykit_break (aggregateid)

CREATE TABLE paykit_case (
    id CHAR(32) NOT NULL,
    operation_id VARCHAR(64) NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    payment_id VARCHAR(64),
    name VARCHAR(64) NOT NULL,
    why VARCHAR(500) NOT NULL,
    seen JSON NOT NULL,
    opened_at DATETIME NOT NULL,
    CONSTRAINT pk_paykit_case PRIMARY KEY (id),
    CONSTRAINT uq_paykit_case_operation_id UNIQUE (operation_id)
)

CREATE TABLE paykit_payment (
    id VARCHAR(64) NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    operation_id VARCHAR(64) NOT NULL,
    reference VARCHAR(255),
    binding VARCHAR(255) NOT NULL,
    psp_reference VARCHAR(255),
    charge_reference VARCHAR(255),
    state VARCHAR(32) NOT NULL,
    currency VARCHAR(3) NOT NULL,
    capture VARCHAR(16) NOT NULL,
    amount BIGINT NOT NULL,
    amount_asked BIGINT,
    refund_reserved BIGINT NOT NULL,
    cancel_reason VARCHAR(64),
    capturable BIGINT NOT NULL,
    captured BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    refunded_external BIGINT NOT NULL,
    disputed BIGINT NOT NULL,
    returned BIGINT NOT NULL,
    capture_before DATETIME,
    multicapture VARCHAR(16),
    incremental_authorization VARCHAR(16),
    next_action JSON,
    decline JSON,
    description TEXT,
    metadata JSON NOT NULL,
    version INTEGER NOT NULL,
    event_sequence INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    CONSTRAINT pk_paykit_payment PRIMARY KEY (id),
    CONSTRAINT uq_paykit_payment_binding_psp_reference UNIQUE (binding, psp_reference),
    CONSTRAINT ck_paykit_payment_amount_positive CHECK (amount > 0),
    CONSTRAINT ck_paykit_payment_amount_asked_positive CHECK (amount_asked > 0),
    CONSTRAINT ck_paykit_payment_observed_not_negative CHECK (capturable >= 0 AND captured >= 0 AND refunded >= 0 AND refunded_external >= 0 AND disputed >= 0 AND returned >= 0),
    CONSTRAINT ck_paykit_payment_refund_ceiling CHECK (refund_reserved >= 0 AND refund_reserved <= captured)
)

CREATE INDEX ix_paykit_payment_binding_created_at ON paykit_payment (binding, created_at)

CREATE INDEX ix_paykit_payment_merchant_id_created_at_id ON paykit_payment (merchant_id, created_at, id)

CREATE TRIGGER paykit_payment_state_first BEFORE INSERT ON paykit_payment WHEN NEW.state <> 'creating' BEGIN SELECT RAISE(ABORT, 'payment: must begin as creating'); END

CREATE TRIGGER paykit_payment_state_moves BEFORE UPDATE ON paykit_payment WHEN OLD.state <> NEW.state AND NOT ((OLD.state = 'creating' AND NEW.state = 'requires_payment_method') OR (OLD.state = 'creating' AND NEW.state = 'requires_confirmation') OR (OLD.state = 'creating' AND NEW.state = 'requires_action') OR (OLD.state = 'creating' AND NEW.state = 'processing') OR (OLD.state = 'creating' AND NEW.state = 'authorized') OR (OLD.state = 'creating' AND NEW.state = 'succeeded') OR (OLD.state = 'creating' AND NEW.state = 'canceled') OR (OLD.state = 'creating' AND NEW.state = 'expired') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'requires_confirmation') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'requires_action') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'processing') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'authorized') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'succeeded') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'canceled') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'expired') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'requires_payment_method') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'requires_action') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'processing') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'authorized') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'succeeded') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'canceled') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'expired') OR (OLD.state = 'requires_action' AND NEW.state = 'requires_payment_method') OR (OLD.state = 'requires_action' AND NEW.state = 'requires_confirmation') OR (OLD.state = 'requires_action' AND NEW.state = 'processing') OR (OLD.state = 'requires_action' AND NEW.state = 'authorized') OR (OLD.state = 'requires_action' AND NEW.state = 'succeeded') OR (OLD.state = 'requires_action' AND NEW.state = 'canceled') OR (OLD.state = 'requires_action' AND NEW.state = 'expired') OR (OLD.state = 'processing' AND NEW.state = 'requires_payment_method') OR (OLD.state = 'processing' AND NEW.state = 'requires_confirmation') OR (OLD.state = 'processing' AND NEW.state = 'requires_action') OR (OLD.state = 'processing' AND NEW.state = 'authorized') OR (OLD.state = 'processing' AND NEW.state = 'succeeded') OR (OLD.state = 'processing' AND NEW.state = 'canceled') OR (OLD.state = 'processing' AND NEW.state = 'expired') OR (OLD.state = 'creating' AND NEW.state = 'failed') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'failed') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'failed') OR (OLD.state = 'requires_action' AND NEW.state = 'failed') OR (OLD.state = 'processing' AND NEW.state = 'failed') OR (OLD.state = 'authorized' AND NEW.state = 'failed') OR (OLD.state = 'succeeded' AND NEW.state = 'failed') OR (OLD.state = 'canceled' AND NEW.state = 'failed') OR (OLD.state = 'expired' AND NEW.state = 'failed') OR (OLD.state = 'authorized' AND NEW.state = 'succeeded') OR (OLD.state = 'authorized' AND NEW.state = 'canceled') OR (OLD.state = 'authorized' AND NEW.state = 'expired') OR (OLD.state = 'canceled' AND NEW.state = 'succeeded') OR (OLD.state = 'expired' AND NEW.state = 'succeeded') OR (OLD.state = 'failed' AND NEW.state = 'requires_payment_method') OR (OLD.state = 'failed' AND NEW.state = 'requires_confirmation') OR (OLD.state = 'failed' AND NEW.state = 'requires_action') OR (OLD.state = 'failed' AND NEW.state = 'processing') OR (OLD.state = 'failed' AND NEW.state = 'authorized') OR (OLD.state = 'failed' AND NEW.state = 'succeeded') OR (OLD.state = 'failed' AND NEW.state = 'canceled') OR (OLD.state = 'failed' AND NEW.state = 'expired')) BEGIN SELECT RAISE(ABORT, 'payment: no such transition'); END

CREATE TRIGGER paykit_payment_amount BEFORE UPDATE ON paykit_payment WHEN NEW.amount <> OLD.amount AND (OLD.amount_asked IS NULL OR NEW.amount <> OLD.amount_asked) BEGIN SELECT RAISE(ABORT, 'payment: the amount becomes only what was asked for'); END

CREATE TRIGGER paykit_payment_asked BEFORE UPDATE ON paykit_payment WHEN NEW.amount_asked IS NOT NULL AND (OLD.amount_asked IS NULL OR NEW.amount_asked <> OLD.amount_asked) AND OLD.state NOT IN ('requires_payment_method', 'requires_confirmation', 'requires_action', 'authorized') BEGIN SELECT RAISE(ABORT, 'payment: another amount is asked for only before it settles'); END

CREATE TRIGGER paykit_payment_no_delete BEFORE DELETE ON paykit_payment BEGIN SELECT RAISE(ABORT, 'paykit_payment: rows are never changed or deleted'); END

CREATE TRIGGER paykit_payment_keep_rowid BEFORE INSERT ON paykit_payment WHEN NEW.rowid >= 0 AND EXISTS (SELECT 1 FROM paykit_payment existing WHERE existing.rowid = NEW.rowid) BEGIN SELECT RAISE(ABORT, 'paykit_payment: the row exists'); END

CREATE TRIGGER paykit_payment_positive_rowid AFTER INSERT ON paykit_payment WHEN NEW.rowid < 0 BEGIN SELECT RAISE(ABORT, 'paykit_payment: a rowid below zero'); END

CREATE TRIGGER paykit_payment_keep_id BEFORE INSERT ON paykit_payment WHEN EXISTS (SELECT 1 FROM paykit_payment existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_payment: the row exists'); END

CREATE TRIGGER paykit_payment_keep_binding_psp_reference BEFORE INSERT ON paykit_payment WHEN EXISTS (SELECT 1 FROM paykit_payment existing WHERE existing.binding = NEW.binding AND existing.psp_reference = NEW.psp_reference) BEGIN SELECT RAISE(ABORT, 'paykit_payment: the row exists'); END

CREATE TRIGGER paykit_payment_leave_id BEFORE UPDATE ON paykit_payment WHEN (OLD.id IS NOT NEW.id) AND EXISTS (SELECT 1 FROM paykit_payment existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_payment: the row exists'); END

CREATE TRIGGER paykit_payment_leave_binding_psp_reference BEFORE UPDATE ON paykit_payment WHEN (OLD.binding IS NOT NEW.binding OR OLD.psp_reference IS NOT NEW.psp_reference) AND EXISTS (SELECT 1 FROM paykit_payment existing WHERE existing.binding = NEW.binding AND existing.psp_reference = NEW.psp_reference) BEGIN SELECT RAISE(ABORT, 'paykit_payment: the row exists'); END

CREATE TRIGGER paykit_payment_leave_rowid BEFORE UPDATE ON paykit_payment WHEN OLD.rowid <> NEW.rowid BEGIN SELECT RAISE(ABORT, 'paykit_payment: the row exists'); END

CREATE TRIGGER paykit_payment_linked_insert AFTER INSERT ON paykit_payment WHEN NEW.psp_reference IS NOT NULL BEGIN UPDATE paykit_inbox SET status = 'received', reason = NULL, finished_at = NULL, deferrals = 0, unread = 0, failures = 0 WHERE binding = NEW.binding AND subject_reference = NEW.psp_reference AND status IN ('received', 'ignored') AND body IS NOT NULL; UPDATE paykit_work SET due_ms = 0 WHERE queue = 'inbox' AND lease IS NULL AND id IN (SELECT id FROM paykit_inbox WHERE binding = NEW.binding AND subject_reference = NEW.psp_reference AND status IN ('received', 'ignored') AND body IS NOT NULL); END

CREATE TRIGGER paykit_payment_linked_update AFTER UPDATE OF psp_reference ON paykit_payment WHEN NEW.psp_reference IS NOT NULL AND (OLD.psp_reference IS NULL OR NEW.psp_reference <> OLD.psp_reference) BEGIN UPDATE paykit_inbox SET status = 'received', reason = NULL, finished_at = NULL, deferrals = 0, unread = 0, failures = 0 WHERE binding = NEW.binding AND subject_reference = NEW.psp_reference AND status IN ('received', 'ignored') AND body IS NOT NULL; UPDATE paykit_work SET due_ms = 0 WHERE queue = 'inbox' AND lease IS NULL AND id IN (SELECT id FROM paykit_inbox WHERE binding = NEW.binding AND subject_reference = NEW.psp_reference AND status IN ('received', 'ignored') AND body IS NOT NULL); END

CREATE TABLE paykit_live_reference (
    merchant_id VARCHAR(64) NOT NULL,
    reference VARCHAR(255) NOT NULL,
    payment_id VARCHAR(64) NOT NULL,
    CONSTRAINT pk_paykit_live_reference PRIMARY KEY (merchant_id, reference)
)

CREATE TABLE paykit_claim (
    thing_id VARCHAR(64) NOT NULL,
    command VARCHAR(32) NOT NULL,
    operation_id VARCHAR(64) NOT NULL,
    claimed_at DATETIME NOT NULL,
    CONSTRAINT pk_paykit_claim PRIMARY KEY (thing_id)
)

CREATE TRIGGER paykit_claim_insert_guard BEFORE INSERT ON paykit_claim WHEN NOT EXISTS (SELECT 1 FROM paykit_payment thing WHERE thing.id = NEW.thing_id AND ((NEW.command = 'start_create' AND thing.state = 'creating') OR (NEW.command = 'start_confirm' AND thing.state = 'requires_payment_method') OR (NEW.command = 'start_confirm' AND thing.state = 'requires_confirmation') OR (NEW.command = 'start_confirm' AND thing.state = 'requires_action') OR (NEW.command = 'start_update' AND thing.state = 'requires_payment_method') OR (NEW.command = 'start_update' AND thing.state = 'requires_confirmation') OR (NEW.command = 'start_update' AND thing.state = 'requires_action') OR (NEW.command = 'start_capture' AND thing.state = 'authorized') OR (NEW.command = 'start_increment' AND thing.state = 'authorized') OR (NEW.command = 'start_cancel' AND thing.state = 'requires_payment_method') OR (NEW.command = 'start_cancel' AND thing.state = 'requires_confirmation') OR (NEW.command = 'start_cancel' AND thing.state = 'requires_action') OR (NEW.command = 'start_cancel' AND thing.state = 'processing') OR (NEW.command = 'start_cancel' AND thing.state = 'authorized') OR (NEW.command = 'start_refund' AND thing.state = 'authorized') OR (NEW.command = 'start_refund' AND thing.state = 'succeeded'))) BEGIN SELECT RAISE(ABORT, 'payment: command not allowed in this state'); END

CREATE TRIGGER paykit_claim_update_guard BEFORE UPDATE ON paykit_claim WHEN NOT EXISTS (SELECT 1 FROM paykit_payment thing WHERE thing.id = NEW.thing_id AND ((NEW.command = 'start_create' AND thing.state = 'creating') OR (NEW.command = 'start_confirm' AND thing.state = 'requires_payment_method') OR (NEW.command = 'start_confirm' AND thing.state = 'requires_confirmation') OR (NEW.command = 'start_confirm' AND thing.state = 'requires_action') OR (NEW.command = 'start_update' AND thing.state = 'requires_payment_method') OR (NEW.command = 'start_update' AND thing.state = 'requires_confirmation') OR (NEW.command = 'start_update' AND thing.state = 'requires_action') OR (NEW.command = 'start_capture' AND thing.state = 'authorized') OR (NEW.command = 'start_increment' AND thing.state = 'authorized') OR (NEW.command = 'start_cancel' AND thing.state = 'requires_payment_method') OR (NEW.command = 'start_cancel' AND thing.state = 'requires_confirmation') OR (NEW.command = 'start_cancel' AND thing.state = 'requires_action') OR (NEW.command = 'start_cancel' AND thing.state = 'processing') OR (NEW.command = 'start_cancel' AND thing.state = 'authorized') OR (NEW.command = 'start_refund' AND thing.state = 'authorized') OR (NEW.command = 'start_refund' AND thing.state = 'succeeded'))) BEGIN SELECT RAISE(ABORT, 'payment: command not allowed in this state'); END

CREATE TRIGGER paykit_claim_keep_rowid BEFORE INSERT ON paykit_claim WHEN NEW.rowid >= 0 AND EXISTS (SELECT 1 FROM paykit_claim existing WHERE existing.rowid = NEW.rowid) BEGIN SELECT RAISE(ABORT, 'paykit_claim: the row exists'); END

CREATE TRIGGER paykit_claim_positive_rowid AFTER INSERT ON paykit_claim WHEN NEW.rowid < 0 BEGIN SELECT RAISE(ABORT, 'paykit_claim: a rowid below zero'); END

CREATE TRIGGER paykit_claim_keep_thing_id BEFORE INSERT ON paykit_claim WHEN EXISTS (SELECT 1 FROM paykit_claim existing WHERE existing.thing_id = NEW.thing_id) BEGIN SELECT RAISE(ABORT, 'paykit_claim: the row exists'); END

CREATE TRIGGER paykit_claim_leave_thing_id BEFORE UPDATE ON paykit_claim WHEN (OLD.thing_id IS NOT NEW.thing_id) AND EXISTS (SELECT 1 FROM paykit_claim existing WHERE existing.thing_id = NEW.thing_id) BEGIN SELECT RAISE(ABORT, 'paykit_claim: the row exists'); END

CREATE TRIGGER paykit_claim_leave_rowid BEFORE UPDATE ON paykit_claim WHEN OLD.rowid <> NEW.rowid BEGIN SELECT RAISE(ABORT, 'paykit_claim: the row exists'); END

CREATE TABLE paykit_ledger_account (
    id VARCHAR(128) NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    code VARCHAR(32) NOT NULL,
    currency VARCHAR(3) NOT NULL,
    normal VARCHAR(1) NOT NULL,
    stripes SMALLINT DEFAULT '1' NOT NULL,
    CONSTRAINT pk_paykit_ledger_account PRIMARY KEY (id),
    CONSTRAINT uq_paykit_ledger_account_id_merchant_id_currency UNIQUE (id, merchant_id, currency),
    CONSTRAINT ck_paykit_ledger_account_id_from_parts CHECK (id = merchant_id || ':' || code || ':' || currency),
    CONSTRAINT ck_paykit_ledger_account_code_plain CHECK (code NOT LIKE '%:%'),
    CONSTRAINT ck_paykit_ledger_account_normal_side CHECK (normal IN ('D', 'C')),
    CONSTRAINT ck_paykit_ledger_account_stripes_bounded CHECK (stripes BETWEEN 1 AND 64)
)
 WITHOUT ROWID

CREATE TRIGGER paykit_ledger_account_no_update BEFORE UPDATE ON paykit_ledger_account BEGIN SELECT RAISE(ABORT, 'paykit_ledger_account: rows are never changed or deleted'); END

CREATE TRIGGER paykit_ledger_account_no_delete BEFORE DELETE ON paykit_ledger_account BEGIN SELECT RAISE(ABORT, 'paykit_ledger_account: rows are never changed or deleted'); END

CREATE TRIGGER paykit_ledger_account_keep_id BEFORE INSERT ON paykit_ledger_account WHEN EXISTS (SELECT 1 FROM paykit_ledger_account existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(IGNORE); END

CREATE TABLE paykit_ledger_key (
    fact_key VARCHAR(512) NOT NULL,
    kind VARCHAR(64) NOT NULL,
    transfer_id BIGINT NOT NULL,
    digest VARCHAR(64) NOT NULL,
    CONSTRAINT pk_paykit_ledger_key PRIMARY KEY (fact_key, kind)
)
 WITHOUT ROWID

CREATE TRIGGER paykit_ledger_key_no_update BEFORE UPDATE ON paykit_ledger_key BEGIN SELECT RAISE(ABORT, 'paykit_ledger_key: rows are never changed or deleted'); END

CREATE TRIGGER paykit_ledger_key_no_delete BEFORE DELETE ON paykit_ledger_key BEGIN SELECT RAISE(ABORT, 'paykit_ledger_key: rows are never changed or deleted'); END

CREATE TRIGGER paykit_ledger_key_keep_fact_key_kind BEFORE INSERT ON paykit_ledger_key WHEN EXISTS (SELECT 1 FROM paykit_ledger_key existing WHERE existing.fact_key = NEW.fact_key AND existing.kind = NEW.kind) BEGIN SELECT RAISE(ABORT, 'paykit_ledger_key: the row exists'); END

CREATE TABLE paykit_event (
    id CHAR(32) NOT NULL,
    aggregatetype VARCHAR(255) NOT NULL,
    aggregateid VARCHAR(255) NOT NULL,
    type VARCHAR(255) NOT NULL,
    payload JSON NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    sequence INTEGER NOT NULL,
    from_state VARCHAR(32),
    to_state VARCHAR(32),
    cause VARCHAR(255) NOT NULL,
    occurred_at DATETIME NOT NULL,
    CONSTRAINT pk_paykit_event PRIMARY KEY (id),
    CONSTRAINT uq_paykit_event_aggregateid_sequence UNIQUE (aggregateid, sequence)
)

CREATE TRIGGER paykit_event_no_update BEFORE UPDATE ON paykit_event BEGIN SELECT RAISE(ABORT, 'paykit_event: rows are never changed or deleted'); END

CREATE TRIGGER paykit_event_no_delete BEFORE DELETE ON paykit_event BEGIN SELECT RAISE(ABORT, 'paykit_event: rows are never changed or deleted'); END

CREATE TRIGGER paykit_event_keep_rowid BEFORE INSERT ON paykit_event WHEN NEW.rowid >= 0 AND EXISTS (SELECT 1 FROM paykit_event existing WHERE existing.rowid = NEW.rowid) BEGIN SELECT RAISE(ABORT, 'paykit_event: the row exists'); END

CREATE TRIGGER paykit_event_positive_rowid AFTER INSERT ON paykit_event WHEN NEW.rowid < 0 BEGIN SELECT RAISE(ABORT, 'paykit_event: a rowid below zero'); END

CREATE TRIGGER paykit_event_keep_id BEFORE INSERT ON paykit_event WHEN EXISTS (SELECT 1 FROM paykit_event existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_event: the row exists'); END

CREATE TRIGGER paykit_event_keep_aggregateid_sequence BEFORE INSERT ON paykit_event WHEN EXISTS (SELECT 1 FROM paykit_event existing WHERE existing.aggregateid = NEW.aggregateid AND existing.sequence = NEW.sequence) BEGIN SELECT RAISE(ABORT, 'paykit_event: the row exists'); END

CREATE TABLE paykit_inbox (
    id VARCHAR(512) NOT NULL,
    binding VARCHAR(255) NOT NULL,
    event_id VARCHAR(255) NOT NULL,
    event_type VARCHAR(255) NOT NULL,
    account VARCHAR(255),
    body BLOB,
    status VARCHAR(16) NOT NULL,
    reason TEXT,
    payment_id VARCHAR(64),
    subject_reference VARCHAR(255),
    deferrals INTEGER DEFAULT 0 NOT NULL,
    unread INTEGER DEFAULT 0 NOT NULL,
    failures INTEGER DEFAULT 0 NOT NULL,
    first_failed_at DATETIME,
    dead_at DATETIME,
    origin VARCHAR(16),
    received_at DATETIME NOT NULL,
    finished_at DATETIME,
    CONSTRAINT pk_paykit_inbox PRIMARY KEY (id),
    CONSTRAINT ck_paykit_inbox_body_needed CHECK (body IS NOT NULL OR status IN ('applied', 'ignored')),
    CONSTRAINT ck_paykit_inbox_dead_since CHECK ((status = 'dead') = (dead_at IS NOT NULL))
)

CREATE INDEX ix_paykit_inbox_binding_origin_received_at ON paykit_inbox (binding, origin, received_at)

CREATE INDEX ix_paykit_inbox_dead ON paykit_inbox (id) WHERE dead_at IS NOT NULL

CREATE INDEX ix_paykit_inbox_foreign ON paykit_inbox (binding, subject_reference) WHERE subject_reference IS NOT NULL

CREATE INDEX ix_paykit_inbox_whole ON paykit_inbox (received_at) WHERE body IS NOT NULL

CREATE TRIGGER paykit_inbox_keep_rowid BEFORE INSERT ON paykit_inbox WHEN NEW.rowid >= 0 AND EXISTS (SELECT 1 FROM paykit_inbox existing WHERE existing.rowid = NEW.rowid) BEGIN SELECT RAISE(ABORT, 'paykit_inbox: the row exists'); END

CREATE TRIGGER paykit_inbox_positive_rowid AFTER INSERT ON paykit_inbox WHEN NEW.rowid < 0 BEGIN SELECT RAISE(ABORT, 'paykit_inbox: a rowid below zero'); END

CREATE TRIGGER paykit_inbox_keep_id BEFORE INSERT ON paykit_inbox WHEN EXISTS (SELECT 1 FROM paykit_inbox existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(IGNORE); END

CREATE TRIGGER paykit_inbox_leave_id BEFORE UPDATE ON paykit_inbox WHEN (OLD.id IS NOT NEW.id) AND EXISTS (SELECT 1 FROM paykit_inbox existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_inbox: the row exists'); END

CREATE TRIGGER paykit_inbox_leave_rowid BEFORE UPDATE ON paykit_inbox WHEN OLD.rowid <> NEW.rowid BEGIN SELECT RAISE(ABORT, 'paykit_inbox: the row exists'); END

CREATE TRIGGER paykit_inbox_enqueue AFTER INSERT ON paykit_inbox BEGIN INSERT INTO paykit_work (queue, id, due_ms, attempts) VALUES ('inbox', NEW.id, 0, 0); END

CREATE TRIGGER paykit_inbox_again AFTER UPDATE OF status ON paykit_inbox WHEN NEW.status = 'received' AND OLD.status <> 'received' BEGIN INSERT INTO paykit_work (queue, id, due_ms, attempts) VALUES ('inbox', NEW.id, 0, 0); END

CREATE TABLE paykit_inbox_action (
    id CHAR(32) NOT NULL,
    inbox_id VARCHAR(512) NOT NULL,
    action VARCHAR(16) NOT NULL,
    actor VARCHAR(255) NOT NULL,
    reason TEXT,
    status_before VARCHAR(16) NOT NULL,
    reason_before TEXT,
    occurred_at DATETIME NOT NULL,
    CONSTRAINT pk_paykit_inbox_action PRIMARY KEY (id)
)

CREATE INDEX ix_paykit_inbox_action_inbox_id ON paykit_inbox_action (inbox_id)

CREATE TRIGGER paykit_inbox_action_no_update BEFORE UPDATE ON paykit_inbox_action BEGIN SELECT RAISE(ABORT, 'paykit_inbox_action: rows are never changed or deleted'); END

CREATE TRIGGER paykit_inbox_action_no_delete BEFORE DELETE ON paykit_inbox_action BEGIN SELECT RAISE(ABORT, 'paykit_inbox_action: rows are never changed or deleted'); END

CREATE TRIGGER paykit_inbox_action_keep_rowid BEFORE INSERT ON paykit_inbox_action WHEN NEW.rowid >= 0 AND EXISTS (SELECT 1 FROM paykit_inbox_action existing WHERE existing.rowid = NEW.rowid) BEGIN SELECT RAISE(ABORT, 'paykit_inbox_action: the row exists'); END

CREATE TRIGGER paykit_inbox_action_positive_rowid AFTER INSERT ON paykit_inbox_action WHEN NEW.rowid < 0 BEGIN SELECT RAISE(ABORT, 'paykit_inbox_action: a rowid below zero'); END

CREATE TRIGGER paykit_inbox_action_keep_id BEFORE INSERT ON paykit_inbox_action WHEN EXISTS (SELECT 1 FROM paykit_inbox_action existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_inbox_action: the row exists'); END

CREATE TABLE paykit_work (
    queue VARCHAR(16) NOT NULL,
    id VARCHAR(512) NOT NULL,
    group_id VARCHAR(64),
    position INTEGER,
    due_ms BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    lease CHAR(32),
    lease_until_ms BIGINT,
    parked_ms BIGINT,
    reason VARCHAR(500),
    CONSTRAINT pk_paykit_work PRIMARY KEY (queue, id)
)

CREATE INDEX ix_paykit_work_queue_due_ms ON paykit_work (queue, due_ms)

CREATE INDEX ix_paykit_work_queue_group_id_position ON paykit_work (queue, group_id, position)

CREATE TABLE paykit_operation (
    id VARCHAR(64) NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    idempotency_key VARCHAR(255) NOT NULL,
    name VARCHAR(64) NOT NULL,
    fingerprint VARCHAR(80) NOT NULL,
    command JSON NOT NULL,
    binding VARCHAR(255) NOT NULL,
    payment_id VARCHAR(64),
    status VARCHAR(16) NOT NULL,
    recovery_point VARCHAR(64),
    recovery_state JSON,
    result JSON,
    error JSON,
    phase_id CHAR(32) NOT NULL,
    execute_before DATETIME,
    created_at DATETIME NOT NULL,
    finished_at DATETIME,
    CONSTRAINT pk_paykit_operation PRIMARY KEY (id),
    CONSTRAINT uq_paykit_operation_merchant_id_idempotency_key UNIQUE (merchant_id, idempotency_key)
)

CREATE TRIGGER paykit_operation_keep_rowid BEFORE INSERT ON paykit_operation WHEN NEW.rowid >= 0 AND EXISTS (SELECT 1 FROM paykit_operation existing WHERE existing.rowid = NEW.rowid) BEGIN SELECT RAISE(ABORT, 'paykit_operation: the row exists'); END

CREATE TRIGGER paykit_operation_positive_rowid AFTER INSERT ON paykit_operation WHEN NEW.rowid < 0 BEGIN SELECT RAISE(ABORT, 'paykit_operation: a rowid below zero'); END

CREATE TRIGGER paykit_operation_keep_id BEFORE INSERT ON paykit_operation WHEN EXISTS (SELECT 1 FROM paykit_operation existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(IGNORE); END

CREATE TRIGGER paykit_operation_keep_merchant_id_idempotency_key BEFORE INSERT ON paykit_operation WHEN EXISTS (SELECT 1 FROM paykit_operation existing WHERE existing.merchant_id = NEW.merchant_id AND existing.idempotency_key = NEW.idempotency_key) BEGIN SELECT RAISE(IGNORE); END

CREATE TRIGGER paykit_operation_leave_id BEFORE UPDATE ON paykit_operation WHEN (OLD.id IS NOT NEW.id) AND EXISTS (SELECT 1 FROM paykit_operation existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_operation: the row exists'); END

CREATE TRIGGER paykit_operation_leave_merchant_id_idempotency_key BEFORE UPDATE ON paykit_operation WHEN (OLD.merchant_id IS NOT NEW.merchant_id OR OLD.idempotency_key IS NOT NEW.idempotency_key) AND EXISTS (SELECT 1 FROM paykit_operation existing WHERE existing.merchant_id = NEW.merchant_id AND existing.idempotency_key = NEW.idempotency_key) BEGIN SELECT RAISE(ABORT, 'paykit_operation: the row exists'); END

CREATE TRIGGER paykit_operation_leave_rowid BEFORE UPDATE ON paykit_operation WHEN OLD.rowid <> NEW.rowid BEGIN SELECT RAISE(ABORT, 'paykit_operation: the row exists'); END

CREATE TABLE paykit_attempt (
    id VARCHAR(160) NOT NULL,
    operation_id VARCHAR(64) NOT NULL,
    recovery_point VARCHAR(64) NOT NULL,
    number INTEGER NOT NULL,
    binding VARCHAR(255) NOT NULL,
    verb VARCHAR(64) NOT NULL,
    parameters TEXT NOT NULL,
    psp_key VARCHAR(255) NOT NULL,
    first_sent_at DATETIME NOT NULL,
    write_deadline DATETIME NOT NULL,
    outcome VARCHAR(32),
    request_id VARCHAR(255),
    proved_by VARCHAR(255),
    CONSTRAINT pk_paykit_attempt PRIMARY KEY (id),
    CONSTRAINT uq_paykit_attempt_psp_key UNIQUE (psp_key)
)

CREATE INDEX ix_paykit_attempt_operation_id ON paykit_attempt (operation_id)

CREATE TRIGGER paykit_attempt_keep_rowid BEFORE INSERT ON paykit_attempt WHEN NEW.rowid >= 0 AND EXISTS (SELECT 1 FROM paykit_attempt existing WHERE existing.rowid = NEW.rowid) BEGIN SELECT RAISE(ABORT, 'paykit_attempt: the row exists'); END

CREATE TRIGGER paykit_attempt_positive_rowid AFTER INSERT ON paykit_attempt WHEN NEW.rowid < 0 BEGIN SELECT RAISE(ABORT, 'paykit_attempt: a rowid below zero'); END

CREATE TRIGGER paykit_attempt_keep_id BEFORE INSERT ON paykit_attempt WHEN EXISTS (SELECT 1 FROM paykit_attempt existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_attempt: the row exists'); END

CREATE TRIGGER paykit_attempt_keep_psp_key BEFORE INSERT ON paykit_attempt WHEN EXISTS (SELECT 1 FROM paykit_attempt existing WHERE existing.psp_key = NEW.psp_key) BEGIN SELECT RAISE(ABORT, 'paykit_attempt: the row exists'); END

CREATE TRIGGER paykit_attempt_leave_id BEFORE UPDATE ON paykit_attempt WHEN (OLD.id IS NOT NEW.id) AND EXISTS (SELECT 1 FROM paykit_attempt existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_attempt: the row exists'); END

CREATE TRIGGER paykit_attempt_leave_psp_key BEFORE UPDATE ON paykit_attempt WHEN (OLD.psp_key IS NOT NEW.psp_key) AND EXISTS (SELECT 1 FROM paykit_attempt existing WHERE existing.psp_key = NEW.psp_key) BEGIN SELECT RAISE(ABORT, 'paykit_attempt: the row exists'); END

CREATE TRIGGER paykit_attempt_leave_rowid BEFORE UPDATE ON paykit_attempt WHEN OLD.rowid <> NEW.rowid BEGIN SELECT RAISE(ABORT, 'paykit_attempt: the row exists'); END

CREATE TABLE paykit_psp_answer (
    id CHAR(32) NOT NULL,
    attempt_id VARCHAR(160) NOT NULL,
    kind VARCHAR(32) NOT NULL,
    body JSON NOT NULL,
    request_id VARCHAR(255),
    replayed BOOLEAN NOT NULL,
    received_at DATETIME NOT NULL,
    CONSTRAINT pk_paykit_psp_answer PRIMARY KEY (id)
)

CREATE INDEX ix_paykit_psp_answer_attempt_id ON paykit_psp_answer (attempt_id)

CREATE TRIGGER paykit_psp_answer_no_update BEFORE UPDATE ON paykit_psp_answer BEGIN SELECT RAISE(ABORT, 'paykit_psp_answer: rows are never changed or deleted'); END

CREATE TRIGGER paykit_psp_answer_no_delete BEFORE DELETE ON paykit_psp_answer BEGIN SELECT RAISE(ABORT, 'paykit_psp_answer: rows are never changed or deleted'); END

CREATE TRIGGER paykit_psp_answer_keep_rowid BEFORE INSERT ON paykit_psp_answer WHEN NEW.rowid >= 0 AND EXISTS (SELECT 1 FROM paykit_psp_answer existing WHERE existing.rowid = NEW.rowid) BEGIN SELECT RAISE(ABORT, 'paykit_psp_answer: the row exists'); END

CREATE TRIGGER paykit_psp_answer_positive_rowid AFTER INSERT ON paykit_psp_answer WHEN NEW.rowid < 0 BEGIN SELECT RAISE(ABORT, 'paykit_psp_answer: a rowid below zero'); END

CREATE TRIGGER paykit_psp_answer_keep_id BEFORE INSERT ON paykit_psp_answer WHEN EXISTS (SELECT 1 FROM paykit_psp_answer existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_psp_answer: the row exists'); END

CREATE TABLE paykit_payout (
    id VARCHAR(64) NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    binding VARCHAR(255) NOT NULL,
    psp_reference VARCHAR(255) NOT NULL,
    state VARCHAR(32) NOT NULL,
    raw_status VARCHAR(64) NOT NULL,
    amount BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    automatic BOOLEAN NOT NULL,
    arrival DATETIME,
    failure_code VARCHAR(64),
    movements JSON NOT NULL,
    event_sequence INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    CONSTRAINT pk_paykit_payout PRIMARY KEY (id),
    CONSTRAINT uq_paykit_payout_binding_psp_reference UNIQUE (binding, psp_reference),
    CONSTRAINT ck_paykit_payout_counters_not_negative CHECK (event_sequence >= 0)
)

CREATE INDEX ix_paykit_payout_merchant_id_created_at_id ON paykit_payout (merchant_id, created_at, id)

CREATE TRIGGER paykit_payout_state_first BEFORE INSERT ON paykit_payout WHEN NEW.state <> 'pending' BEGIN SELECT RAISE(ABORT, 'payout: must begin as pending'); END

CREATE TRIGGER paykit_payout_state_moves BEFORE UPDATE ON paykit_payout WHEN OLD.state <> NEW.state AND NOT ((OLD.state = 'pending' AND NEW.state = 'in_transit') OR (OLD.state = 'pending' AND NEW.state = 'paid') OR (OLD.state = 'pending' AND NEW.state = 'failed') OR (OLD.state = 'pending' AND NEW.state = 'canceled') OR (OLD.state = 'in_transit' AND NEW.state = 'paid') OR (OLD.state = 'in_transit' AND NEW.state = 'failed') OR (OLD.state = 'in_transit' AND NEW.state = 'canceled') OR (OLD.state = 'paid' AND NEW.state = 'failed') OR (OLD.state = 'paid' AND NEW.state = 'canceled')) BEGIN SELECT RAISE(ABORT, 'payout: no such transition'); END

CREATE TRIGGER paykit_payout_no_delete BEFORE DELETE ON paykit_payout BEGIN SELECT RAISE(ABORT, 'paykit_payout: rows are never changed or deleted'); END

CREATE TRIGGER paykit_payout_keep_rowid BEFORE INSERT ON paykit_payout WHEN NEW.rowid >= 0 AND EXISTS (SELECT 1 FROM paykit_payout existing WHERE existing.rowid = NEW.rowid) BEGIN SELECT RAISE(ABORT, 'paykit_payout: the row exists'); END

CREATE TRIGGER paykit_payout_positive_rowid AFTER INSERT ON paykit_payout WHEN NEW.rowid < 0 BEGIN SELECT RAISE(ABORT, 'paykit_payout: a rowid below zero'); END

CREATE TRIGGER paykit_payout_keep_id BEFORE INSERT ON paykit_payout WHEN EXISTS (SELECT 1 FROM paykit_payout existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(IGNORE); END

CREATE TRIGGER paykit_payout_keep_binding_psp_reference BEFORE INSERT ON paykit_payout WHEN EXISTS (SELECT 1 FROM paykit_payout existing WHERE existing.binding = NEW.binding AND existing.psp_reference = NEW.psp_reference) BEGIN SELECT RAISE(IGNORE); END

CREATE TRIGGER paykit_payout_leave_id BEFORE UPDATE ON paykit_payout WHEN (OLD.id IS NOT NEW.id) AND EXISTS (SELECT 1 FROM paykit_payout existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_payout: the row exists'); END

CREATE TRIGGER paykit_payout_leave_binding_psp_reference BEFORE UPDATE ON paykit_payout WHEN (OLD.binding IS NOT NEW.binding OR OLD.psp_reference IS NOT NEW.psp_reference) AND EXISTS (SELECT 1 FROM paykit_payout existing WHERE existing.binding = NEW.binding AND existing.psp_reference = NEW.psp_reference) BEGIN SELECT RAISE(ABORT, 'paykit_payout: the row exists'); END

CREATE TRIGGER paykit_payout_leave_rowid BEFORE UPDATE ON paykit_payout WHEN OLD.rowid <> NEW.rowid BEGIN SELECT RAISE(ABORT, 'paykit_payout: the row exists'); END

CREATE TABLE paykit_process (
    id VARCHAR(36) NOT NULL,
    seen_ms BIGINT NOT NULL,
    CONSTRAINT pk_paykit_process PRIMARY KEY (id)
)

CREATE TABLE paykit_subscription (
    id VARCHAR(64) NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    binding VARCHAR(255) NOT NULL,
    psp_reference VARCHAR(255) NOT NULL,
    state VARCHAR(32) NOT NULL,
    raw_status VARCHAR(64) NOT NULL,
    customer VARCHAR(255),
    cancel_at_period_end BOOLEAN NOT NULL,
    cancel_at DATETIME,
    canceled_at DATETIME,
    ended_at DATETIME,
    current_period_end DATETIME,
    latest_invoice VARCHAR(255),
    metadata JSON NOT NULL,
    late_invoices JSON NOT NULL,
    event_sequence INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    CONSTRAINT pk_paykit_subscription PRIMARY KEY (id),
    CONSTRAINT uq_paykit_subscription_binding_psp_reference UNIQUE (binding, psp_reference),
    CONSTRAINT ck_paykit_subscription_counters_not_negative CHECK (event_sequence >= 0)
)

CREATE INDEX ix_paykit_subscription_merchant_id_created_at_id ON paykit_subscription (merchant_id, created_at, id)

CREATE TRIGGER paykit_subscription_state_first BEFORE INSERT ON paykit_subscription WHEN NEW.state <> 'unrecognized' BEGIN SELECT RAISE(ABORT, 'subscription: must begin as unrecognized'); END

CREATE TRIGGER paykit_subscription_state_moves BEFORE UPDATE ON paykit_subscription WHEN OLD.state <> NEW.state AND NOT ((OLD.state = 'unrecognized' AND NEW.state = 'incomplete') OR (OLD.state = 'unrecognized' AND NEW.state = 'incomplete_expired') OR (OLD.state = 'unrecognized' AND NEW.state = 'trialing') OR (OLD.state = 'unrecognized' AND NEW.state = 'active') OR (OLD.state = 'unrecognized' AND NEW.state = 'past_due') OR (OLD.state = 'unrecognized' AND NEW.state = 'unpaid') OR (OLD.state = 'unrecognized' AND NEW.state = 'paused') OR (OLD.state = 'unrecognized' AND NEW.state = 'canceled') OR (OLD.state = 'incomplete' AND NEW.state = 'incomplete_expired') OR (OLD.state = 'incomplete' AND NEW.state = 'trialing') OR (OLD.state = 'incomplete' AND NEW.state = 'active') OR (OLD.state = 'incomplete' AND NEW.state = 'past_due') OR (OLD.state = 'incomplete' AND NEW.state = 'unpaid') OR (OLD.state = 'incomplete' AND NEW.state = 'paused') OR (OLD.state = 'incomplete' AND NEW.state = 'canceled') OR (OLD.state = 'trialing' AND NEW.state = 'incomplete') OR (OLD.state = 'trialing' AND NEW.state = 'incomplete_expired') OR (OLD.state = 'trialing' AND NEW.state = 'active') OR (OLD.state = 'trialing' AND NEW.state = 'past_due') OR (OLD.state = 'trialing' AND NEW.state = 'unpaid') OR (OLD.state = 'trialing' AND NEW.state = 'paused') OR (OLD.state = 'trialing' AND NEW.state = 'canceled') OR (OLD.state = 'active' AND NEW.state = 'incomplete') OR (OLD.state = 'active' AND NEW.state = 'incomplete_expired') OR (OLD.state = 'active' AND NEW.state = 'trialing') OR (OLD.state = 'active' AND NEW.state = 'past_due') OR (OLD.state = 'active' AND NEW.state = 'unpaid') OR (OLD.state = 'active' AND NEW.state = 'paused') OR (OLD.state = 'active' AND NEW.state = 'canceled') OR (OLD.state = 'past_due' AND NEW.state = 'incomplete') OR (OLD.state = 'past_due' AND NEW.state = 'incomplete_expired') OR (OLD.state = 'past_due' AND NEW.state = 'trialing') OR (OLD.state = 'past_due' AND NEW.state = 'active') OR (OLD.state = 'past_due' AND NEW.state = 'unpaid') OR (OLD.state = 'past_due' AND NEW.state = 'paused') OR (OLD.state = 'past_due' AND NEW.state = 'canceled') OR (OLD.state = 'unpaid' AND NEW.state = 'incomplete') OR (OLD.state = 'unpaid' AND NEW.state = 'incomplete_expired') OR (OLD.state = 'unpaid' AND NEW.state = 'trialing') OR (OLD.state = 'unpaid' AND NEW.state = 'active') OR (OLD.state = 'unpaid' AND NEW.state = 'past_due') OR (OLD.state = 'unpaid' AND NEW.state = 'paused') OR (OLD.state = 'unpaid' AND NEW.state = 'canceled') OR (OLD.state = 'paused' AND NEW.state = 'incomplete') OR (OLD.state = 'paused' AND NEW.state = 'incomplete_expired') OR (OLD.state = 'paused' AND NEW.state = 'trialing') OR (OLD.state = 'paused' AND NEW.state = 'active') OR (OLD.state = 'paused' AND NEW.state = 'past_due') OR (OLD.state = 'paused' AND NEW.state = 'unpaid') OR (OLD.state = 'paused' AND NEW.state = 'canceled')) BEGIN SELECT RAISE(ABORT, 'subscription: no such transition'); END

CREATE TRIGGER paykit_subscription_no_delete BEFORE DELETE ON paykit_subscription BEGIN SELECT RAISE(ABORT, 'paykit_subscription: rows are never changed or deleted'); END

CREATE TRIGGER paykit_subscription_keep_rowid BEFORE INSERT ON paykit_subscription WHEN NEW.rowid >= 0 AND EXISTS (SELECT 1 FROM paykit_subscription existing WHERE existing.rowid = NEW.rowid) BEGIN SELECT RAISE(ABORT, 'paykit_subscription: the row exists'); END

CREATE TRIGGER paykit_subscription_positive_rowid AFTER INSERT ON paykit_subscription WHEN NEW.rowid < 0 BEGIN SELECT RAISE(ABORT, 'paykit_subscription: a rowid below zero'); END

CREATE TRIGGER paykit_subscription_keep_id BEFORE INSERT ON paykit_subscription WHEN EXISTS (SELECT 1 FROM paykit_subscription existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(IGNORE); END

CREATE TRIGGER paykit_subscription_keep_binding_psp_reference BEFORE INSERT ON paykit_subscription WHEN EXISTS (SELECT 1 FROM paykit_subscription existing WHERE existing.binding = NEW.binding AND existing.psp_reference = NEW.psp_reference) BEGIN SELECT RAISE(IGNORE); END

CREATE TRIGGER paykit_subscription_leave_id BEFORE UPDATE ON paykit_subscription WHEN (OLD.id IS NOT NEW.id) AND EXISTS (SELECT 1 FROM paykit_subscription existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_subscription: the row exists'); END

CREATE TRIGGER paykit_subscription_leave_binding_psp_reference BEFORE UPDATE ON paykit_subscription WHEN (OLD.binding IS NOT NEW.binding OR OLD.psp_reference IS NOT NEW.psp_reference) AND EXISTS (SELECT 1 FROM paykit_subscription existing WHERE existing.binding = NEW.binding AND existing.psp_reference = NEW.psp_reference) BEGIN SELECT RAISE(ABORT, 'paykit_subscription: the row exists'); END

CREATE TRIGGER paykit_subscription_leave_rowid BEFORE UPDATE ON paykit_subscription WHEN OLD.rowid <> NEW.rowid BEGIN SELECT RAISE(ABORT, 'paykit_subscription: the row exists'); END

CREATE TRIGGER paykit_subscription_linked_insert AFTER INSERT ON paykit_subscription WHEN NEW.psp_reference IS NOT NULL BEGIN UPDATE paykit_inbox SET status = 'received', reason = NULL, finished_at = NULL, deferrals = 0, unread = 0, failures = 0 WHERE binding = NEW.binding AND subject_reference = NEW.psp_reference AND status IN ('received', 'ignored') AND body IS NOT NULL; UPDATE paykit_work SET due_ms = 0 WHERE queue = 'inbox' AND lease IS NULL AND id IN (SELECT id FROM paykit_inbox WHERE binding = NEW.binding AND subject_reference = NEW.psp_reference AND status IN ('received', 'ignored') AND body IS NOT NULL); END

CREATE TABLE paykit_schema_version (
    version INTEGER NOT NULL,
    compatible_from INTEGER NOT NULL,
    applied_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_paykit_schema_version PRIMARY KEY (version)
)

CREATE TABLE paykit_event_cursor (
    binding VARCHAR(255) NOT NULL,
    since DATETIME NOT NULL,
    newest DATETIME,
    position VARCHAR(255),
    listed_at DATETIME NOT NULL,
    CONSTRAINT pk_paykit_event_cursor PRIMARY KEY (binding)
)

CREATE TABLE paykit_alarm (
    kind VARCHAR(32) NOT NULL,
    subject VARCHAR(255) NOT NULL,
    detail TEXT NOT NULL,
    opened_at DATETIME NOT NULL,
    closed_at DATETIME,
    closed_by VARCHAR(255),
    CONSTRAINT pk_paykit_alarm PRIMARY KEY (kind, subject)
)

CREATE TABLE paykit_refund (
    id VARCHAR(64) NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    payment_id VARCHAR(64) NOT NULL,
    operation_id VARCHAR(64),
    origin VARCHAR(16) NOT NULL,
    binding VARCHAR(255) NOT NULL,
    psp_reference VARCHAR(255),
    state VARCHAR(32) NOT NULL,
    amount BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    reason VARCHAR(64),
    failure_reason VARCHAR(64),
    metadata JSON NOT NULL,
    version INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    CONSTRAINT pk_paykit_refund PRIMARY KEY (id),
    CONSTRAINT uq_paykit_refund_binding_psp_reference UNIQUE (binding, psp_reference),
    CONSTRAINT ck_paykit_refund_amount_positive CHECK (amount > 0),
    CONSTRAINT ck_paykit_refund_origin_known CHECK (origin IN ('paykit', 'external')),
    CONSTRAINT fk_paykit_refund_payment_id FOREIGN KEY(payment_id) REFERENCES paykit_payment (id)
)

CREATE INDEX ix_paykit_refund_payment_id ON paykit_refund (payment_id)

CREATE TRIGGER paykit_refund_state_first BEFORE INSERT ON paykit_refund WHEN NEW.state <> 'creating' BEGIN SELECT RAISE(ABORT, 'refund: must begin as creating'); END

CREATE TRIGGER paykit_refund_state_moves BEFORE UPDATE ON paykit_refund WHEN OLD.state <> NEW.state AND NOT ((OLD.state = 'creating' AND NEW.state = 'pending') OR (OLD.state = 'creating' AND NEW.state = 'requires_action') OR (OLD.state = 'creating' AND NEW.state = 'succeeded') OR (OLD.state = 'creating' AND NEW.state = 'failed') OR (OLD.state = 'creating' AND NEW.state = 'canceled') OR (OLD.state = 'pending' AND NEW.state = 'requires_action') OR (OLD.state = 'pending' AND NEW.state = 'succeeded') OR (OLD.state = 'pending' AND NEW.state = 'failed') OR (OLD.state = 'pending' AND NEW.state = 'canceled') OR (OLD.state = 'requires_action' AND NEW.state = 'pending') OR (OLD.state = 'requires_action' AND NEW.state = 'succeeded') OR (OLD.state = 'requires_action' AND NEW.state = 'failed') OR (OLD.state = 'requires_action' AND NEW.state = 'canceled') OR (OLD.state = 'succeeded' AND NEW.state = 'failed')) BEGIN SELECT RAISE(ABORT, 'refund: no such transition'); END

CREATE TRIGGER paykit_refund_ceiling BEFORE INSERT ON paykit_refund WHEN NEW.origin = 'paykit' AND (SELECT coalesce(sum(r.amount), 0) FROM paykit_refund r WHERE r.payment_id = NEW.payment_id AND r.origin = 'paykit' AND r.state NOT IN ('failed', 'canceled')) + NEW.amount > coalesce((SELECT p.refund_reserved FROM paykit_payment p WHERE p.id = NEW.payment_id), 0) BEGIN SELECT RAISE(ABORT, 'refund: more than what is reserved on its payment'); END

CREATE TRIGGER paykit_refund_fixed BEFORE UPDATE ON paykit_refund WHEN OLD.payment_id <> NEW.payment_id OR OLD.amount <> NEW.amount OR OLD.currency <> NEW.currency OR OLD.origin <> NEW.origin BEGIN SELECT RAISE(ABORT, 'refund: payment, amount, currency and origin never change'); END

CREATE TRIGGER paykit_payment_reserved BEFORE UPDATE ON paykit_payment WHEN NEW.refund_reserved < OLD.refund_reserved AND NEW.refund_reserved < (SELECT coalesce(sum(r.amount), 0) FROM paykit_refund r WHERE r.payment_id = NEW.id AND r.origin = 'paykit' AND r.state NOT IN ('failed', 'canceled')) BEGIN SELECT RAISE(ABORT, 'payment: reservation below the sum of its refunds'); END

CREATE TRIGGER paykit_payment_left BEFORE UPDATE ON paykit_payment WHEN NEW.refund_reserved > OLD.refund_reserved AND NEW.refund_reserved + NEW.refunded_external > NEW.captured BEGIN SELECT RAISE(ABORT, 'payment: reservation above what is left of its captured amount'); END

CREATE TRIGGER paykit_refund_no_delete BEFORE DELETE ON paykit_refund BEGIN SELECT RAISE(ABORT, 'paykit_refund: rows are never changed or deleted'); END

CREATE TRIGGER paykit_refund_keep_rowid BEFORE INSERT ON paykit_refund WHEN NEW.rowid >= 0 AND EXISTS (SELECT 1 FROM paykit_refund existing WHERE existing.rowid = NEW.rowid) BEGIN SELECT RAISE(ABORT, 'paykit_refund: the row exists'); END

CREATE TRIGGER paykit_refund_positive_rowid AFTER INSERT ON paykit_refund WHEN NEW.rowid < 0 BEGIN SELECT RAISE(ABORT, 'paykit_refund: a rowid below zero'); END

CREATE TRIGGER paykit_refund_keep_id BEFORE INSERT ON paykit_refund WHEN EXISTS (SELECT 1 FROM paykit_refund existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_refund: the row exists'); END

CREATE TRIGGER paykit_refund_keep_binding_psp_reference BEFORE INSERT ON paykit_refund WHEN EXISTS (SELECT 1 FROM paykit_refund existing WHERE existing.binding = NEW.binding AND existing.psp_reference = NEW.psp_reference) BEGIN SELECT RAISE(ABORT, 'paykit_refund: the row exists'); END

CREATE TRIGGER paykit_refund_leave_id BEFORE UPDATE ON paykit_refund WHEN (OLD.id IS NOT NEW.id) AND EXISTS (SELECT 1 FROM paykit_refund existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_refund: the row exists'); END

CREATE TRIGGER paykit_refund_leave_binding_psp_reference BEFORE UPDATE ON paykit_refund WHEN (OLD.binding IS NOT NEW.binding OR OLD.psp_reference IS NOT NEW.psp_reference) AND EXISTS (SELECT 1 FROM paykit_refund existing WHERE existing.binding = NEW.binding AND existing.psp_reference = NEW.psp_reference) BEGIN SELECT RAISE(ABORT, 'paykit_refund: the row exists'); END

CREATE TRIGGER paykit_refund_leave_rowid BEFORE UPDATE ON paykit_refund WHEN OLD.rowid <> NEW.rowid BEGIN SELECT RAISE(ABORT, 'paykit_refund: the row exists'); END

CREATE TABLE paykit_dispute (
    id VARCHAR(64) NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    payment_id VARCHAR(64) NOT NULL,
    binding VARCHAR(255) NOT NULL,
    psp_reference VARCHAR(255) NOT NULL,
    charge_reference VARCHAR(255),
    state VARCHAR(32) NOT NULL,
    raw_status VARCHAR(64) NOT NULL,
    reason VARCHAR(64),
    amount BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    evidence_due_by DATETIME,
    submissions INTEGER NOT NULL,
    charge_refundable BOOLEAN NOT NULL,
    movements JSON NOT NULL,
    version INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    CONSTRAINT pk_paykit_dispute PRIMARY KEY (id),
    CONSTRAINT uq_paykit_dispute_binding_psp_reference UNIQUE (binding, psp_reference),
    CONSTRAINT ck_paykit_dispute_observed_not_negative CHECK (amount >= 0 AND submissions >= 0),
    CONSTRAINT fk_paykit_dispute_payment_id FOREIGN KEY(payment_id) REFERENCES paykit_payment (id)
)

CREATE INDEX ix_paykit_dispute_payment_id ON paykit_dispute (payment_id)

CREATE TRIGGER paykit_dispute_state_first BEFORE INSERT ON paykit_dispute WHEN NEW.state <> 'unrecognized' BEGIN SELECT RAISE(ABORT, 'dispute: must begin as unrecognized'); END

CREATE TRIGGER paykit_dispute_state_moves BEFORE UPDATE ON paykit_dispute WHEN OLD.state <> NEW.state AND NOT ((OLD.state = 'unrecognized' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'unrecognized' AND NEW.state = 'warning_under_review') OR (OLD.state = 'unrecognized' AND NEW.state = 'warning_closed') OR (OLD.state = 'unrecognized' AND NEW.state = 'needs_response') OR (OLD.state = 'unrecognized' AND NEW.state = 'under_review') OR (OLD.state = 'unrecognized' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'unrecognized' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'unrecognized' AND NEW.state = 'won') OR (OLD.state = 'unrecognized' AND NEW.state = 'lost') OR (OLD.state = 'unrecognized' AND NEW.state = 'prevented') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'warning_under_review') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'warning_closed') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'needs_response') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'under_review') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'won') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'lost') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'prevented') OR (OLD.state = 'warning_under_review' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'warning_under_review' AND NEW.state = 'warning_closed') OR (OLD.state = 'warning_under_review' AND NEW.state = 'needs_response') OR (OLD.state = 'warning_under_review' AND NEW.state = 'under_review') OR (OLD.state = 'warning_under_review' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'warning_under_review' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'warning_under_review' AND NEW.state = 'won') OR (OLD.state = 'warning_under_review' AND NEW.state = 'lost') OR (OLD.state = 'warning_under_review' AND NEW.state = 'prevented') OR (OLD.state = 'warning_closed' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'warning_closed' AND NEW.state = 'warning_under_review') OR (OLD.state = 'warning_closed' AND NEW.state = 'needs_response') OR (OLD.state = 'warning_closed' AND NEW.state = 'under_review') OR (OLD.state = 'warning_closed' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'warning_closed' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'warning_closed' AND NEW.state = 'won') OR (OLD.state = 'warning_closed' AND NEW.state = 'lost') OR (OLD.state = 'warning_closed' AND NEW.state = 'prevented') OR (OLD.state = 'needs_response' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'needs_response' AND NEW.state = 'warning_under_review') OR (OLD.state = 'needs_response' AND NEW.state = 'warning_closed') OR (OLD.state = 'needs_response' AND NEW.state = 'under_review') OR (OLD.state = 'needs_response' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'needs_response' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'needs_response' AND NEW.state = 'won') OR (OLD.state = 'needs_response' AND NEW.state = 'lost') OR (OLD.state = 'needs_response' AND NEW.state = 'prevented') OR (OLD.state = 'under_review' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'under_review' AND NEW.state = 'warning_under_review') OR (OLD.state = 'under_review' AND NEW.state = 'warning_closed') OR (OLD.state = 'under_review' AND NEW.state = 'needs_response') OR (OLD.state = 'under_review' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'under_review' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'under_review' AND NEW.state = 'won') OR (OLD.state = 'under_review' AND NEW.state = 'lost') OR (OLD.state = 'under_review' AND NEW.state = 'prevented') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'warning_under_review') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'warning_closed') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'needs_response') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'under_review') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'won') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'lost') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'prevented') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'warning_under_review') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'warning_closed') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'needs_response') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'under_review') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'won') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'lost') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'prevented') OR (OLD.state = 'won' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'won' AND NEW.state = 'warning_under_review') OR (OLD.state = 'won' AND NEW.state = 'warning_closed') OR (OLD.state = 'won' AND NEW.state = 'needs_response') OR (OLD.state = 'won' AND NEW.state = 'under_review') OR (OLD.state = 'won' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'won' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'won' AND NEW.state = 'lost') OR (OLD.state = 'won' AND NEW.state = 'prevented') OR (OLD.state = 'lost' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'lost' AND NEW.state = 'warning_under_review') OR (OLD.state = 'lost' AND NEW.state = 'warning_closed') OR (OLD.state = 'lost' AND NEW.state = 'needs_response') OR (OLD.state = 'lost' AND NEW.state = 'under_review') OR (OLD.state = 'lost' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'lost' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'lost' AND NEW.state = 'won') OR (OLD.state = 'lost' AND NEW.state = 'prevented') OR (OLD.state = 'prevented' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'prevented' AND NEW.state = 'warning_under_review') OR (OLD.state = 'prevented' AND NEW.state = 'warning_closed') OR (OLD.state = 'prevented' AND NEW.state = 'needs_response') OR (OLD.state = 'prevented' AND NEW.state = 'under_review') OR (OLD.state = 'prevented' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'prevented' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'prevented' AND NEW.state = 'won') OR (OLD.state = 'prevented' AND NEW.state = 'lost')) BEGIN SELECT RAISE(ABORT, 'dispute: no such transition'); END

CREATE TRIGGER paykit_dispute_no_delete BEFORE DELETE ON paykit_dispute BEGIN SELECT RAISE(ABORT, 'paykit_dispute: rows are never changed or deleted'); END

CREATE TRIGGER paykit_dispute_keep_rowid BEFORE INSERT ON paykit_dispute WHEN NEW.rowid >= 0 AND EXISTS (SELECT 1 FROM paykit_dispute existing WHERE existing.rowid = NEW.rowid) BEGIN SELECT RAISE(ABORT, 'paykit_dispute: the row exists'); END

CREATE TRIGGER paykit_dispute_positive_rowid AFTER INSERT ON paykit_dispute WHEN NEW.rowid < 0 BEGIN SELECT RAISE(ABORT, 'paykit_dispute: a rowid below zero'); END

CREATE TRIGGER paykit_dispute_keep_id BEFORE INSERT ON paykit_dispute WHEN EXISTS (SELECT 1 FROM paykit_dispute existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_dispute: the row exists'); END

CREATE TRIGGER paykit_dispute_keep_binding_psp_reference BEFORE INSERT ON paykit_dispute WHEN EXISTS (SELECT 1 FROM paykit_dispute existing WHERE existing.binding = NEW.binding AND existing.psp_reference = NEW.psp_reference) BEGIN SELECT RAISE(ABORT, 'paykit_dispute: the row exists'); END

CREATE TRIGGER paykit_dispute_leave_id BEFORE UPDATE ON paykit_dispute WHEN (OLD.id IS NOT NEW.id) AND EXISTS (SELECT 1 FROM paykit_dispute existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_dispute: the row exists'); END

CREATE TRIGGER paykit_dispute_leave_binding_psp_reference BEFORE UPDATE ON paykit_dispute WHEN (OLD.binding IS NOT NEW.binding OR OLD.psp_reference IS NOT NEW.psp_reference) AND EXISTS (SELECT 1 FROM paykit_dispute existing WHERE existing.binding = NEW.binding AND existing.psp_reference = NEW.psp_reference) BEGIN SELECT RAISE(ABORT, 'paykit_dispute: the row exists'); END

CREATE TRIGGER paykit_dispute_leave_rowid BEFORE UPDATE ON paykit_dispute WHEN OLD.rowid <> NEW.rowid BEGIN SELECT RAISE(ABORT, 'paykit_dispute: the row exists'); END

CREATE TABLE paykit_ledger_transfer (
    id INTEGER NOT NULL,
    journal_id CHAR(32) NOT NULL,
    fact_key VARCHAR(512) NOT NULL,
    kind VARCHAR(64) NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    payment_id VARCHAR(64),
    debit_id VARCHAR(128) NOT NULL,
    credit_id VARCHAR(128) NOT NULL,
    amount BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    effective_at DATETIME NOT NULL,
    created_at DATETIME NOT NULL,
    reverses BIGINT,
    CONSTRAINT pk_paykit_ledger_transfer PRIMARY KEY (id),
    CONSTRAINT ck_paykit_ledger_transfer_id_positive CHECK (id > 0),
    CONSTRAINT ck_paykit_ledger_transfer_amount_positive CHECK (amount > 0),
    CONSTRAINT ck_paykit_ledger_transfer_two_accounts CHECK (debit_id <> credit_id),
    CONSTRAINT ck_paykit_ledger_transfer_whole CHECK (typeof(amount) = 'integer'),
    CONSTRAINT fk_paykit_ledger_transfer_debit_id_merchant_id_currency FOREIGN KEY(debit_id, merchant_id, currency) REFERENCES paykit_ledger_account (id, merchant_id, currency),
    CONSTRAINT fk_paykit_ledger_transfer_credit_id_merchant_id_currency FOREIGN KEY(credit_id, merchant_id, currency) REFERENCES paykit_ledger_account (id, merchant_id, currency)
)

CREATE INDEX ix_paykit_ledger_transfer_credit_id_id ON paykit_ledger_transfer (credit_id, id)

CREATE INDEX ix_paykit_ledger_transfer_debit_id_id ON paykit_ledger_transfer (debit_id, id)

CREATE INDEX ix_paykit_ledger_transfer_journal_id ON paykit_ledger_transfer (journal_id)

CREATE INDEX ix_paykit_ledger_transfer_payment_id ON paykit_ledger_transfer (payment_id)

CREATE TRIGGER paykit_ledger_transfer_no_update BEFORE UPDATE ON paykit_ledger_transfer BEGIN SELECT RAISE(ABORT, 'paykit_ledger_transfer: rows are never changed or deleted'); END

CREATE TRIGGER paykit_ledger_transfer_no_delete BEFORE DELETE ON paykit_ledger_transfer BEGIN SELECT RAISE(ABORT, 'paykit_ledger_transfer: rows are never changed or deleted'); END

CREATE TRIGGER paykit_ledger_transfer_keep_rowid BEFORE INSERT ON paykit_ledger_transfer WHEN NEW.rowid >= 0 AND EXISTS (SELECT 1 FROM paykit_ledger_transfer existing WHERE existing.rowid = NEW.rowid) BEGIN SELECT RAISE(ABORT, 'paykit_ledger_transfer: the row exists'); END

CREATE TRIGGER paykit_ledger_transfer_positive_rowid AFTER INSERT ON paykit_ledger_transfer WHEN NEW.rowid < 0 BEGIN SELECT RAISE(ABORT, 'paykit_ledger_transfer: a rowid below zero'); END

CREATE TRIGGER paykit_ledger_transfer_keep_id BEFORE INSERT ON paykit_ledger_transfer WHEN EXISTS (SELECT 1 FROM paykit_ledger_transfer existing WHERE existing.id = NEW.id) BEGIN SELECT RAISE(ABORT, 'paykit_ledger_transfer: the row exists'); END

CREATE TRIGGER paykit_ledger_transfer_apply AFTER INSERT ON paykit_ledger_transfer BEGIN SELECT RAISE(ABORT, 'paykit_ledger_transfer: an account is not of its merchant and currency') WHERE NOT (EXISTS (SELECT 1 FROM paykit_ledger_account a WHERE a.id = NEW.debit_id AND a.merchant_id = NEW.merchant_id AND a.currency = NEW.currency) AND EXISTS (SELECT 1 FROM paykit_ledger_account a WHERE a.id = NEW.credit_id AND a.merchant_id = NEW.merchant_id AND a.currency = NEW.currency));SELECT RAISE(ABORT, 'paykit_ledger_transfer: no key names it') WHERE NOT (EXISTS (SELECT 1 FROM paykit_ledger_key k WHERE k.fact_key = NEW.fact_key AND k.kind = NEW.kind AND k.transfer_id = NEW.id));SELECT RAISE(ABORT, 'paykit_ledger_transfer: it is not the one mirror of what it reverses') WHERE NOT (CASE WHEN NEW.reverses IS NULL THEN replace(NEW.kind, '_reversal', '') = NEW.kind ELSE EXISTS (SELECT 1 FROM paykit_ledger_transfer o WHERE o.id = NEW.reverses AND o.reverses IS NULL AND o.debit_id = NEW.credit_id AND o.credit_id = NEW.debit_id AND o.amount = NEW.amount AND o.fact_key = NEW.fact_key AND o.kind || '_reversal' = NEW.kind) END); INSERT INTO paykit_ledger_balance (account_id, stripe, debits, credits, last_transfer_id) SELECT NEW.debit_id, 0, 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM paykit_ledger_balance b WHERE b.account_id = NEW.debit_id); UPDATE paykit_ledger_balance SET debits = debits + NEW.amount, last_transfer_id = NEW.id WHERE account_id = NEW.debit_id AND stripe = 0; INSERT INTO paykit_ledger_balance (account_id, stripe, debits, credits, last_transfer_id) SELECT NEW.credit_id, 0, 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM paykit_ledger_balance b WHERE b.account_id = NEW.credit_id); UPDATE paykit_ledger_balance SET credits = credits + NEW.amount, last_transfer_id = NEW.id WHERE account_id = NEW.credit_id AND stripe = 0; END

CREATE TABLE paykit_ledger_balance (
    account_id VARCHAR(128) NOT NULL,
    stripe SMALLINT NOT NULL,
    debits BIGINT NOT NULL,
    credits BIGINT NOT NULL,
    last_transfer_id BIGINT NOT NULL,
    CONSTRAINT pk_paykit_ledger_balance PRIMARY KEY (account_id, stripe),
    CONSTRAINT ck_paykit_ledger_balance_not_negative CHECK (debits >= 0 AND credits >= 0),
    CONSTRAINT ck_paykit_ledger_balance_whole CHECK (typeof(debits) = 'integer' AND typeof(credits) = 'integer'),
    CONSTRAINT fk_paykit_ledger_balance_account_id FOREIGN KEY(account_id) REFERENCES paykit_ledger_account (id)
)
 WITHOUT ROWID

CREATE TRIGGER paykit_ledger_balance_starts BEFORE INSERT ON paykit_ledger_balance WHEN NEW.stripe <> 0 OR NEW.debits <> 0 OR NEW.credits <> 0 OR NEW.last_transfer_id <> 0 OR EXISTS (SELECT 1 FROM paykit_ledger_balance b WHERE b.account_id = NEW.account_id AND b.stripe = NEW.stripe) BEGIN SELECT RAISE(ABORT, 'paykit_ledger_balance: balances are kept by the ledger alone'); END

CREATE TRIGGER paykit_ledger_balance_grows BEFORE UPDATE ON paykit_ledger_balance WHEN NOT (EXISTS (SELECT 1 FROM paykit_ledger_transfer t WHERE t.id = (SELECT max(id) FROM paykit_ledger_transfer) AND t.id = NEW.last_transfer_id AND t.id > OLD.last_transfer_id AND NEW.account_id = OLD.account_id AND NEW.stripe = OLD.stripe AND NEW.debits = OLD.debits + CASE WHEN t.debit_id = OLD.account_id THEN t.amount ELSE 0 END AND typeof(NEW.debits) = 'integer' AND NEW.credits = OLD.credits + CASE WHEN t.credit_id = OLD.account_id THEN t.amount ELSE 0 END AND typeof(NEW.credits) = 'integer')) BEGIN SELECT RAISE(ABORT, 'paykit_ledger_balance: balances are kept by the ledger alone'); END

CREATE TRIGGER paykit_ledger_balance_stays BEFORE DELETE ON paykit_ledger_balance BEGIN SELECT RAISE(ABORT, 'paykit_ledger_balance: balances are kept by the ledger alone'); END
