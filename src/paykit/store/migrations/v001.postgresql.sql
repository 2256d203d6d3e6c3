-- v001 for postgresql: every table, index, trigger and function.
-- A blank line ends a statement. Never change this file once it is released.

CREATE TABLE paykit_break (
    id VARCHAR(160) NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    aggregatetype VARCHAR(32) NOT NULL,
    aggregateid VARCHAR(64) NOT NULL,
    kind VARCHAR(64) NOT NULL,
    detail JSONB NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    resolved_at TIMESTAMP WITH TIME ZONE,
    resolved_by VARCHAR(64),
    resolution VARCHAR(500),
    CONSTRAINT pk_paykit_break PRIMARY KEY (id)
)

CREATE INDEX ix_paykit_break_aggregateid ON paykit_break (aggregateid)

CREATE TABLE paykit_case (
    id UUID NOT NULL,
    operation_id VARCHAR(64) NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    payment_id VARCHAR(64),
    name VARCHAR(64) NOT NULL,
    why VARCHAR(500) NOT NULL,
    seen JSONB NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
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
    capture_before TIMESTAMP WITH TIME ZONE,
    multicapture VARCHAR(16),
    incremental_authorization VARCHAR(16),
    next_action JSONB,
    decline JSONB,
    description TEXT,
    metadata JSONB NOT NULL,
    version INTEGER NOT NULL,
    event_sequence INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_paykit_payment PRIMARY KEY (id),
    CONSTRAINT uq_paykit_payment_binding_psp_reference UNIQUE (binding, psp_reference),
    CONSTRAINT ck_paykit_payment_amount_positive CHECK (amount > 0),
    CONSTRAINT ck_paykit_payment_amount_asked_positive CHECK (amount_asked > 0),
    CONSTRAINT ck_paykit_payment_observed_not_negative CHECK (capturable >= 0 AND captured >= 0 AND refunded >= 0 AND refunded_external >= 0 AND disputed >= 0 AND returned >= 0),
    CONSTRAINT ck_paykit_payment_refund_ceiling CHECK (refund_reserved >= 0 AND refund_reserved <= captured)
)

CREATE INDEX ix_paykit_payment_binding_created_at ON paykit_payment (binding, created_at)

CREATE INDEX ix_paykit_payment_merchant_id_created_at_id ON paykit_payment (merchant_id, created_at, id)

CREATE OR REPLACE FUNCTION paykit_payment_state_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'INSERT' THEN IF NEW.state <> 'creating' THEN RAISE EXCEPTION 'payment: must begin as creating' USING ERRCODE = 'check_violation'; END IF; ELSIF OLD.state <> NEW.state AND NOT ((OLD.state = 'creating' AND NEW.state = 'requires_payment_method') OR (OLD.state = 'creating' AND NEW.state = 'requires_confirmation') OR (OLD.state = 'creating' AND NEW.state = 'requires_action') OR (OLD.state = 'creating' AND NEW.state = 'processing') OR (OLD.state = 'creating' AND NEW.state = 'authorized') OR (OLD.state = 'creating' AND NEW.state = 'succeeded') OR (OLD.state = 'creating' AND NEW.state = 'canceled') OR (OLD.state = 'creating' AND NEW.state = 'expired') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'requires_confirmation') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'requires_action') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'processing') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'authorized') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'succeeded') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'canceled') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'expired') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'requires_payment_method') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'requires_action') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'processing') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'authorized') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'succeeded') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'canceled') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'expired') OR (OLD.state = 'requires_action' AND NEW.state = 'requires_payment_method') OR (OLD.state = 'requires_action' AND NEW.state = 'requires_confirmation') OR (OLD.state = 'requires_action' AND NEW.state = 'processing') OR (OLD.state = 'requires_action' AND NEW.state = 'authorized') OR (OLD.state = 'requires_action' AND NEW.state = 'succeeded') OR (OLD.state = 'requires_action' AND NEW.state = 'canceled') OR (OLD.state = 'requires_action' AND NEW.state = 'expired') OR (OLD.state = 'processing' AND NEW.state = 'requires_payment_method') OR (OLD.state = 'processing' AND NEW.state = 'requires_confirmation') OR (OLD.state = 'processing' AND NEW.state = 'requires_action') OR (OLD.state = 'processing' AND NEW.state = 'authorized') OR (OLD.state = 'processing' AND NEW.state = 'succeeded') OR (OLD.state = 'processing' AND NEW.state = 'canceled') OR (OLD.state = 'processing' AND NEW.state = 'expired') OR (OLD.state = 'creating' AND NEW.state = 'failed') OR (OLD.state = 'requires_payment_method' AND NEW.state = 'failed') OR (OLD.state = 'requires_confirmation' AND NEW.state = 'failed') OR (OLD.state = 'requires_action' AND NEW.state = 'failed') OR (OLD.state = 'processing' AND NEW.state = 'failed') OR (OLD.state = 'authorized' AND NEW.state = 'failed') OR (OLD.state = 'succeeded' AND NEW.state = 'failed') OR (OLD.state = 'canceled' AND NEW.state = 'failed') OR (OLD.state = 'expired' AND NEW.state = 'failed') OR (OLD.state = 'authorized' AND NEW.state = 'succeeded') OR (OLD.state = 'authorized' AND NEW.state = 'canceled') OR (OLD.state = 'authorized' AND NEW.state = 'expired') OR (OLD.state = 'canceled' AND NEW.state = 'succeeded') OR (OLD.state = 'expired' AND NEW.state = 'succeeded') OR (OLD.state = 'failed' AND NEW.state = 'requires_payment_method') OR (OLD.state = 'failed' AND NEW.state = 'requires_confirmation') OR (OLD.state = 'failed' AND NEW.state = 'requires_action') OR (OLD.state = 'failed' AND NEW.state = 'processing') OR (OLD.state = 'failed' AND NEW.state = 'authorized') OR (OLD.state = 'failed' AND NEW.state = 'succeeded') OR (OLD.state = 'failed' AND NEW.state = 'canceled') OR (OLD.state = 'failed' AND NEW.state = 'expired')) THEN RAISE EXCEPTION 'payment: no such transition' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$

CREATE TRIGGER paykit_payment_state_guard BEFORE INSERT OR UPDATE ON paykit_payment FOR EACH ROW EXECUTE FUNCTION paykit_payment_state_guard()

CREATE OR REPLACE FUNCTION paykit_payment_amount() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.amount <> OLD.amount AND (OLD.amount_asked IS NULL OR NEW.amount <> OLD.amount_asked) THEN RAISE EXCEPTION 'payment: the amount becomes only what was asked for' USING ERRCODE = 'check_violation'; END IF; IF NEW.amount_asked IS NOT NULL AND (OLD.amount_asked IS NULL OR NEW.amount_asked <> OLD.amount_asked) AND OLD.state NOT IN ('requires_payment_method', 'requires_confirmation', 'requires_action', 'authorized') THEN RAISE EXCEPTION 'payment: another amount is asked for only before it settles' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$

CREATE TRIGGER paykit_payment_amount BEFORE UPDATE OF amount, amount_asked ON paykit_payment FOR EACH ROW EXECUTE FUNCTION paykit_payment_amount()

CREATE OR REPLACE FUNCTION paykit_payment_deny() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'paykit_payment: rows are never changed or deleted' USING ERRCODE = 'integrity_constraint_violation'; END $$

CREATE TRIGGER paykit_payment_deny BEFORE DELETE OR TRUNCATE ON paykit_payment FOR EACH STATEMENT EXECUTE FUNCTION paykit_payment_deny()

ALTER TABLE paykit_payment ENABLE ALWAYS TRIGGER paykit_payment_deny

CREATE OR REPLACE FUNCTION paykit_payment_linked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE paykit_inbox SET status = 'received', reason = NULL, finished_at = NULL, deferrals = 0, unread = 0, failures = 0 WHERE binding = NEW.binding AND subject_reference = NEW.psp_reference AND status IN ('received', 'ignored') AND body IS NOT NULL; UPDATE paykit_work SET due_ms = 0 WHERE queue = 'inbox' AND lease IS NULL AND id IN (SELECT id FROM paykit_inbox WHERE binding = NEW.binding AND subject_reference = NEW.psp_reference AND status IN ('received', 'ignored') AND body IS NOT NULL); RETURN NEW; END $$

CREATE TRIGGER paykit_payment_linked_insert AFTER INSERT ON paykit_payment FOR EACH ROW WHEN (NEW.psp_reference IS NOT NULL) EXECUTE FUNCTION paykit_payment_linked()

CREATE TRIGGER paykit_payment_linked_update AFTER UPDATE OF psp_reference ON paykit_payment FOR EACH ROW WHEN (NEW.psp_reference IS NOT NULL AND (OLD.psp_reference IS NULL OR NEW.psp_reference <> OLD.psp_reference)) EXECUTE FUNCTION paykit_payment_linked()

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
    claimed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_paykit_claim PRIMARY KEY (thing_id)
)

CREATE OR REPLACE FUNCTION paykit_claim_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NOT EXISTS (SELECT 1 FROM paykit_payment thing WHERE thing.id = NEW.thing_id AND ((NEW.command = 'start_create' AND thing.state = 'creating') OR (NEW.command = 'start_confirm' AND thing.state = 'requires_payment_method') OR (NEW.command = 'start_confirm' AND thing.state = 'requires_confirmation') OR (NEW.command = 'start_confirm' AND thing.state = 'requires_action') OR (NEW.command = 'start_update' AND thing.state = 'requires_payment_method') OR (NEW.command = 'start_update' AND thing.state = 'requires_confirmation') OR (NEW.command = 'start_update' AND thing.state = 'requires_action') OR (NEW.command = 'start_capture' AND thing.state = 'authorized') OR (NEW.command = 'start_increment' AND thing.state = 'authorized') OR (NEW.command = 'start_cancel' AND thing.state = 'requires_payment_method') OR (NEW.command = 'start_cancel' AND thing.state = 'requires_confirmation') OR (NEW.command = 'start_cancel' AND thing.state = 'requires_action') OR (NEW.command = 'start_cancel' AND thing.state = 'processing') OR (NEW.command = 'start_cancel' AND thing.state = 'authorized') OR (NEW.command = 'start_refund' AND thing.state = 'authorized') OR (NEW.command = 'start_refund' AND thing.state = 'succeeded'))) THEN RAISE EXCEPTION 'payment: command not allowed in this state' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$

CREATE TRIGGER paykit_claim_guard BEFORE INSERT OR UPDATE ON paykit_claim FOR EACH ROW EXECUTE FUNCTION paykit_claim_guard()

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

CREATE OR REPLACE FUNCTION paykit_ledger_account_deny() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'paykit_ledger_account: rows are never changed or deleted' USING ERRCODE = 'integrity_constraint_violation'; END $$

CREATE TRIGGER paykit_ledger_account_deny BEFORE UPDATE OR DELETE OR TRUNCATE ON paykit_ledger_account FOR EACH STATEMENT EXECUTE FUNCTION paykit_ledger_account_deny()

ALTER TABLE paykit_ledger_account ENABLE ALWAYS TRIGGER paykit_ledger_account_deny

CREATE TABLE paykit_ledger_key (
    fact_key VARCHAR(512) NOT NULL,
    kind VARCHAR(64) NOT NULL,
    transfer_id BIGINT NOT NULL,
    digest VARCHAR(64) NOT NULL,
    CONSTRAINT pk_paykit_ledger_key PRIMARY KEY (fact_key, kind)
)

CREATE OR REPLACE FUNCTION paykit_ledger_key_deny() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'paykit_ledger_key: rows are never changed or deleted' USING ERRCODE = 'integrity_constraint_violation'; END $$

CREATE TRIGGER paykit_ledger_key_deny BEFORE UPDATE OR DELETE OR TRUNCATE ON paykit_ledger_key FOR EACH STATEMENT EXECUTE FUNCTION paykit_ledger_key_deny()

ALTER TABLE paykit_ledger_key ENABLE ALWAYS TRIGGER paykit_ledger_key_deny

CREATE TABLE paykit_event (
    id UUID NOT NULL,
    aggregatetype VARCHAR(255) NOT NULL,
    aggregateid VARCHAR(255) NOT NULL,
    type VARCHAR(255) NOT NULL,
    payload JSONB NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    sequence INTEGER NOT NULL,
    from_state VARCHAR(32),
    to_state VARCHAR(32),
    cause VARCHAR(255) NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_paykit_event PRIMARY KEY (id),
    CONSTRAINT uq_paykit_event_aggregateid_sequence UNIQUE (aggregateid, sequence)
)

CREATE OR REPLACE FUNCTION paykit_event_deny() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'paykit_event: rows are never changed or deleted' USING ERRCODE = 'integrity_constraint_violation'; END $$

CREATE TRIGGER paykit_event_deny BEFORE UPDATE OR DELETE OR TRUNCATE ON paykit_event FOR EACH STATEMENT EXECUTE FUNCTION paykit_event_deny()

ALTER TABLE paykit_event ENABLE ALWAYS TRIGGER paykit_event_deny

CREATE TABLE paykit_inbox (
    id VARCHAR(512) NOT NULL,
    binding VARCHAR(255) NOT NULL,
    event_id VARCHAR(255) NOT NULL,
    event_type VARCHAR(255) NOT NULL,
    account VARCHAR(255),
    body BYTEA,
    status VARCHAR(16) NOT NULL,
    reason TEXT,
    payment_id VARCHAR(64),
    subject_reference VARCHAR(255),
    deferrals INTEGER DEFAULT 0 NOT NULL,
    unread INTEGER DEFAULT 0 NOT NULL,
    failures INTEGER DEFAULT 0 NOT NULL,
    first_failed_at TIMESTAMP WITH TIME ZONE,
    dead_at TIMESTAMP WITH TIME ZONE,
    origin VARCHAR(16),
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_paykit_inbox PRIMARY KEY (id),
    CONSTRAINT ck_paykit_inbox_body_needed CHECK (body IS NOT NULL OR status IN ('applied', 'ignored')),
    CONSTRAINT ck_paykit_inbox_dead_since CHECK ((status = 'dead') = (dead_at IS NOT NULL))
)

CREATE INDEX ix_paykit_inbox_binding_origin_received_at ON paykit_inbox (binding, origin, received_at)

CREATE INDEX ix_paykit_inbox_dead ON paykit_inbox (id) WHERE dead_at IS NOT NULL

CREATE INDEX ix_paykit_inbox_foreign ON paykit_inbox (binding, subject_reference) WHERE subject_reference IS NOT NULL

CREATE INDEX ix_paykit_inbox_whole ON paykit_inbox (received_at) WHERE body IS NOT NULL

CREATE OR REPLACE FUNCTION paykit_inbox_enqueue() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO paykit_work (queue, id, due_ms, attempts) VALUES ('inbox', NEW.id, 0, 0); RETURN NEW; END $$

CREATE TRIGGER paykit_inbox_enqueue AFTER INSERT ON paykit_inbox FOR EACH ROW EXECUTE FUNCTION paykit_inbox_enqueue()

CREATE TRIGGER paykit_inbox_again AFTER UPDATE OF status ON paykit_inbox FOR EACH ROW WHEN (NEW.status = 'received' AND OLD.status <> 'received') EXECUTE FUNCTION paykit_inbox_enqueue()

CREATE TABLE paykit_inbox_action (
    id UUID NOT NULL,
    inbox_id VARCHAR(512) NOT NULL,
    action VARCHAR(16) NOT NULL,
    actor VARCHAR(255) NOT NULL,
    reason TEXT,
    status_before VARCHAR(16) NOT NULL,
    reason_before TEXT,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_paykit_inbox_action PRIMARY KEY (id)
)

CREATE INDEX ix_paykit_inbox_action_inbox_id ON paykit_inbox_action (inbox_id)

CREATE OR REPLACE FUNCTION paykit_inbox_action_deny() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'paykit_inbox_action: rows are never changed or deleted' USING ERRCODE = 'integrity_constraint_violation'; END $$

CREATE TRIGGER paykit_inbox_action_deny BEFORE UPDATE OR DELETE OR TRUNCATE ON paykit_inbox_action FOR EACH STATEMENT EXECUTE FUNCTION paykit_inbox_action_deny()

ALTER TABLE paykit_inbox_action ENABLE ALWAYS TRIGGER paykit_inbox_action_deny

CREATE TABLE paykit_work (
    queue VARCHAR(16) NOT NULL,
    id VARCHAR(512) NOT NULL,
    group_id VARCHAR(64),
    position INTEGER,
    due_ms BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    lease UUID,
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
    command JSONB NOT NULL,
    binding VARCHAR(255) NOT NULL,
    payment_id VARCHAR(64),
    status VARCHAR(16) NOT NULL,
    recovery_point VARCHAR(64),
    recovery_state JSONB,
    result JSONB,
    error JSONB,
    phase_id UUID NOT NULL,
    execute_before TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_paykit_operation PRIMARY KEY (id),
    CONSTRAINT uq_paykit_operation_merchant_id_idempotency_key UNIQUE (merchant_id, idempotency_key)
)

CREATE TABLE paykit_attempt (
    id VARCHAR(160) NOT NULL,
    operation_id VARCHAR(64) NOT NULL,
    recovery_point VARCHAR(64) NOT NULL,
    number INTEGER NOT NULL,
    binding VARCHAR(255) NOT NULL,
    verb VARCHAR(64) NOT NULL,
    parameters TEXT NOT NULL,
    psp_key VARCHAR(255) NOT NULL,
    first_sent_at TIMESTAMP WITH TIME ZONE NOT NULL,
    write_deadline TIMESTAMP WITH TIME ZONE NOT NULL,
    outcome VARCHAR(32),
    request_id VARCHAR(255),
    proved_by VARCHAR(255),
    CONSTRAINT pk_paykit_attempt PRIMARY KEY (id),
    CONSTRAINT uq_paykit_attempt_psp_key UNIQUE (psp_key)
)

CREATE INDEX ix_paykit_attempt_operation_id ON paykit_attempt (operation_id)

CREATE TABLE paykit_psp_answer (
    id UUID NOT NULL,
    attempt_id VARCHAR(160) NOT NULL,
    kind VARCHAR(32) NOT NULL,
    body JSONB NOT NULL,
    request_id VARCHAR(255),
    replayed BOOLEAN NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_paykit_psp_answer PRIMARY KEY (id)
)

CREATE INDEX ix_paykit_psp_answer_attempt_id ON paykit_psp_answer (attempt_id)

CREATE OR REPLACE FUNCTION paykit_psp_answer_deny() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'paykit_psp_answer: rows are never changed or deleted' USING ERRCODE = 'integrity_constraint_violation'; END $$

CREATE TRIGGER paykit_psp_answer_deny BEFORE UPDATE OR DELETE OR TRUNCATE ON paykit_psp_answer FOR EACH STATEMENT EXECUTE FUNCTION paykit_psp_answer_deny()

ALTER TABLE paykit_psp_answer ENABLE ALWAYS TRIGGER paykit_psp_answer_deny

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
    arrival TIMESTAMP WITH TIME ZONE,
    failure_code VARCHAR(64),
    movements JSONB NOT NULL,
    event_sequence INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_paykit_payout PRIMARY KEY (id),
    CONSTRAINT uq_paykit_payout_binding_psp_reference UNIQUE (binding, psp_reference),
    CONSTRAINT ck_paykit_payout_counters_not_negative CHECK (event_sequence >= 0)
)

CREATE INDEX ix_paykit_payout_merchant_id_created_at_id ON paykit_payout (merchant_id, created_at, id)

CREATE OR REPLACE FUNCTION paykit_payout_state_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'INSERT' THEN IF NEW.state <> 'pending' THEN RAISE EXCEPTION 'payout: must begin as pending' USING ERRCODE = 'check_violation'; END IF; ELSIF OLD.state <> NEW.state AND NOT ((OLD.state = 'pending' AND NEW.state = 'in_transit') OR (OLD.state = 'pending' AND NEW.state = 'paid') OR (OLD.state = 'pending' AND NEW.state = 'failed') OR (OLD.state = 'pending' AND NEW.state = 'canceled') OR (OLD.state = 'in_transit' AND NEW.state = 'paid') OR (OLD.state = 'in_transit' AND NEW.state = 'failed') OR (OLD.state = 'in_transit' AND NEW.state = 'canceled') OR (OLD.state = 'paid' AND NEW.state = 'failed') OR (OLD.state = 'paid' AND NEW.state = 'canceled')) THEN RAISE EXCEPTION 'payout: no such transition' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$

CREATE TRIGGER paykit_payout_state_guard BEFORE INSERT OR UPDATE ON paykit_payout FOR EACH ROW EXECUTE FUNCTION paykit_payout_state_guard()

CREATE OR REPLACE FUNCTION paykit_payout_deny() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'paykit_payout: rows are never changed or deleted' USING ERRCODE = 'integrity_constraint_violation'; END $$

CREATE TRIGGER paykit_payout_deny BEFORE DELETE OR TRUNCATE ON paykit_payout FOR EACH STATEMENT EXECUTE FUNCTION paykit_payout_deny()

ALTER TABLE paykit_payout ENABLE ALWAYS TRIGGER paykit_payout_deny

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
    cancel_at TIMESTAMP WITH TIME ZONE,
    canceled_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    current_period_end TIMESTAMP WITH TIME ZONE,
    latest_invoice VARCHAR(255),
    metadata JSONB NOT NULL,
    late_invoices JSONB NOT NULL,
    event_sequence INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_paykit_subscription PRIMARY KEY (id),
    CONSTRAINT uq_paykit_subscription_binding_psp_reference UNIQUE (binding, psp_reference),
    CONSTRAINT ck_paykit_subscription_counters_not_negative CHECK (event_sequence >= 0)
)

CREATE INDEX ix_paykit_subscription_merchant_id_created_at_id ON paykit_subscription (merchant_id, created_at, id)

CREATE OR REPLACE FUNCTION paykit_subscription_state_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'INSERT' THEN IF NEW.state <> 'unrecognized' THEN RAISE EXCEPTION 'subscription: must begin as unrecognized' USING ERRCODE = 'check_violation'; END IF; ELSIF OLD.state <> NEW.state AND NOT ((OLD.state = 'unrecognized' AND NEW.state = 'incomplete') OR (OLD.state = 'unrecognized' AND NEW.state = 'incomplete_expired') OR (OLD.state = 'unrecognized' AND NEW.state = 'trialing') OR (OLD.state = 'unrecognized' AND NEW.state = 'active') OR (OLD.state = 'unrecognized' AND NEW.state = 'past_due') OR (OLD.state = 'unrecognized' AND NEW.state = 'unpaid') OR (OLD.state = 'unrecognized' AND NEW.state = 'paused') OR (OLD.state = 'unrecognized' AND NEW.state = 'canceled') OR (OLD.state = 'incomplete' AND NEW.state = 'incomplete_expired') OR (OLD.state = 'incomplete' AND NEW.state = 'trialing') OR (OLD.state = 'incomplete' AND NEW.state = 'active') OR (OLD.state = 'incomplete' AND NEW.state = 'past_due') OR (OLD.state = 'incomplete' AND NEW.state = 'unpaid') OR (OLD.state = 'incomplete' AND NEW.state = 'paused') OR (OLD.state = 'incomplete' AND NEW.state = 'canceled') OR (OLD.state = 'trialing' AND NEW.state = 'incomplete') OR (OLD.state = 'trialing' AND NEW.state = 'incomplete_expired') OR (OLD.state = 'trialing' AND NEW.state = 'active') OR (OLD.state = 'trialing' AND NEW.state = 'past_due') OR (OLD.state = 'trialing' AND NEW.state = 'unpaid') OR (OLD.state = 'trialing' AND NEW.state = 'paused') OR (OLD.state = 'trialing' AND NEW.state = 'canceled') OR (OLD.state = 'active' AND NEW.state = 'incomplete') OR (OLD.state = 'active' AND NEW.state = 'incomplete_expired') OR (OLD.state = 'active' AND NEW.state = 'trialing') OR (OLD.state = 'active' AND NEW.state = 'past_due') OR (OLD.state = 'active' AND NEW.state = 'unpaid') OR (OLD.state = 'active' AND NEW.state = 'paused') OR (OLD.state = 'active' AND NEW.state = 'canceled') OR (OLD.state = 'past_due' AND NEW.state = 'incomplete') OR (OLD.state = 'past_due' AND NEW.state = 'incomplete_expired') OR (OLD.state = 'past_due' AND NEW.state = 'trialing') OR (OLD.state = 'past_due' AND NEW.state = 'active') OR (OLD.state = 'past_due' AND NEW.state = 'unpaid') OR (OLD.state = 'past_due' AND NEW.state = 'paused') OR (OLD.state = 'past_due' AND NEW.state = 'canceled') OR (OLD.state = 'unpaid' AND NEW.state = 'incomplete') OR (OLD.state = 'unpaid' AND NEW.state = 'incomplete_expired') OR (OLD.state = 'unpaid' AND NEW.state = 'trialing') OR (OLD.state = 'unpaid' AND NEW.state = 'active') OR (OLD.state = 'unpaid' AND NEW.state = 'past_due') OR (OLD.state = 'unpaid' AND NEW.state = 'paused') OR (OLD.state = 'unpaid' AND NEW.state = 'canceled') OR (OLD.state = 'paused' AND NEW.state = 'incomplete') OR (OLD.state = 'paused' AND NEW.state = 'incomplete_expired') OR (OLD.state = 'paused' AND NEW.state = 'trialing') OR (OLD.state = 'paused' AND NEW.state = 'active') OR (OLD.state = 'paused' AND NEW.state = 'past_due') OR (OLD.state = 'paused' AND NEW.state = 'unpaid') OR (OLD.state = 'paused' AND NEW.state = 'canceled')) THEN RAISE EXCEPTION 'subscription: no such transition' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$

CREATE TRIGGER paykit_subscription_state_guard BEFORE INSERT OR UPDATE ON paykit_subscription FOR EACH ROW EXECUTE FUNCTION paykit_subscription_state_guard()

CREATE OR REPLACE FUNCTION paykit_subscription_deny() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'paykit_subscription: rows are never changed or deleted' USING ERRCODE = 'integrity_constraint_violation'; END $$

CREATE TRIGGER paykit_subscription_deny BEFORE DELETE OR TRUNCATE ON paykit_subscription FOR EACH STATEMENT EXECUTE FUNCTION paykit_subscription_deny()

ALTER TABLE paykit_subscription ENABLE ALWAYS TRIGGER paykit_subscription_deny

CREATE OR REPLACE FUNCTION paykit_subscription_linked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE paykit_inbox SET status = 'received', reason = NULL, finished_at = NULL, deferrals = 0, unread = 0, failures = 0 WHERE binding = NEW.binding AND subject_reference = NEW.psp_reference AND status IN ('received', 'ignored') AND body IS NOT NULL; UPDATE paykit_work SET due_ms = 0 WHERE queue = 'inbox' AND lease IS NULL AND id IN (SELECT id FROM paykit_inbox WHERE binding = NEW.binding AND subject_reference = NEW.psp_reference AND status IN ('received', 'ignored') AND body IS NOT NULL); RETURN NEW; END $$

CREATE TRIGGER paykit_subscription_linked_insert AFTER INSERT ON paykit_subscription FOR EACH ROW WHEN (NEW.psp_reference IS NOT NULL) EXECUTE FUNCTION paykit_subscription_linked()

CREATE TABLE paykit_schema_version (
    version INTEGER NOT NULL,
    compatible_from INTEGER NOT NULL,
    applied_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_paykit_schema_version PRIMARY KEY (version)
)

CREATE TABLE paykit_event_cursor (
    binding VARCHAR(255) NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    newest TIMESTAMP WITH TIME ZONE,
    position VARCHAR(255),
    listed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_paykit_event_cursor PRIMARY KEY (binding)
)

CREATE TABLE paykit_alarm (
    kind VARCHAR(32) NOT NULL,
    subject VARCHAR(255) NOT NULL,
    detail TEXT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
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
    metadata JSONB NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_paykit_refund PRIMARY KEY (id),
    CONSTRAINT uq_paykit_refund_binding_psp_reference UNIQUE (binding, psp_reference),
    CONSTRAINT ck_paykit_refund_amount_positive CHECK (amount > 0),
    CONSTRAINT ck_paykit_refund_origin_known CHECK (origin IN ('paykit', 'external')),
    CONSTRAINT fk_paykit_refund_payment_id FOREIGN KEY(payment_id) REFERENCES paykit_payment (id)
)

CREATE INDEX ix_paykit_refund_payment_id ON paykit_refund (payment_id)

CREATE OR REPLACE FUNCTION paykit_refund_state_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'INSERT' THEN IF NEW.state <> 'creating' THEN RAISE EXCEPTION 'refund: must begin as creating' USING ERRCODE = 'check_violation'; END IF; ELSIF OLD.state <> NEW.state AND NOT ((OLD.state = 'creating' AND NEW.state = 'pending') OR (OLD.state = 'creating' AND NEW.state = 'requires_action') OR (OLD.state = 'creating' AND NEW.state = 'succeeded') OR (OLD.state = 'creating' AND NEW.state = 'failed') OR (OLD.state = 'creating' AND NEW.state = 'canceled') OR (OLD.state = 'pending' AND NEW.state = 'requires_action') OR (OLD.state = 'pending' AND NEW.state = 'succeeded') OR (OLD.state = 'pending' AND NEW.state = 'failed') OR (OLD.state = 'pending' AND NEW.state = 'canceled') OR (OLD.state = 'requires_action' AND NEW.state = 'pending') OR (OLD.state = 'requires_action' AND NEW.state = 'succeeded') OR (OLD.state = 'requires_action' AND NEW.state = 'failed') OR (OLD.state = 'requires_action' AND NEW.state = 'canceled') OR (OLD.state = 'succeeded' AND NEW.state = 'failed')) THEN RAISE EXCEPTION 'refund: no such transition' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$

CREATE TRIGGER paykit_refund_state_guard BEFORE INSERT OR UPDATE ON paykit_refund FOR EACH ROW EXECUTE FUNCTION paykit_refund_state_guard()

CREATE OR REPLACE FUNCTION paykit_refund_ceiling() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE room bigint; BEGIN IF TG_OP = 'UPDATE' THEN IF OLD.payment_id <> NEW.payment_id OR OLD.amount <> NEW.amount OR OLD.currency <> NEW.currency OR OLD.origin <> NEW.origin THEN RAISE EXCEPTION 'refund: payment, amount, currency and origin never change' USING ERRCODE = 'check_violation'; END IF; ELSIF NEW.origin = 'paykit' THEN SELECT p.refund_reserved INTO room FROM paykit_payment p WHERE p.id = NEW.payment_id FOR UPDATE; IF (SELECT coalesce(sum(r.amount), 0) FROM paykit_refund r WHERE r.payment_id = NEW.payment_id AND r.origin = 'paykit' AND r.state NOT IN ('failed', 'canceled')) + NEW.amount > room THEN RAISE EXCEPTION 'refund: more than what is reserved on its payment' USING ERRCODE = 'check_violation'; END IF; END IF; RETURN NEW; END $$

CREATE TRIGGER paykit_refund_ceiling BEFORE INSERT OR UPDATE ON paykit_refund FOR EACH ROW EXECUTE FUNCTION paykit_refund_ceiling()

CREATE OR REPLACE FUNCTION paykit_payment_reserved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.refund_reserved < OLD.refund_reserved AND NEW.refund_reserved < (SELECT coalesce(sum(r.amount), 0) FROM paykit_refund r WHERE r.payment_id = NEW.id AND r.origin = 'paykit' AND r.state NOT IN ('failed', 'canceled')) THEN RAISE EXCEPTION 'payment: reservation below the sum of its refunds' USING ERRCODE = 'check_violation'; END IF; IF NEW.refund_reserved > OLD.refund_reserved AND NEW.refund_reserved + NEW.refunded_external > NEW.captured THEN RAISE EXCEPTION 'payment: reservation above what is left of its captured amount' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$

CREATE TRIGGER paykit_payment_reserved BEFORE UPDATE OF refund_reserved ON paykit_payment FOR EACH ROW EXECUTE FUNCTION paykit_payment_reserved()

CREATE OR REPLACE FUNCTION paykit_refund_deny() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'paykit_refund: rows are never changed or deleted' USING ERRCODE = 'integrity_constraint_violation'; END $$

CREATE TRIGGER paykit_refund_deny BEFORE DELETE OR TRUNCATE ON paykit_refund FOR EACH STATEMENT EXECUTE FUNCTION paykit_refund_deny()

ALTER TABLE paykit_refund ENABLE ALWAYS TRIGGER paykit_refund_deny

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
    evidence_due_by TIMESTAMP WITH TIME ZONE,
    submissions INTEGER NOT NULL,
    charge_refundable BOOLEAN NOT NULL,
    movements JSONB NOT NULL,
    version INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_paykit_dispute PRIMARY KEY (id),
    CONSTRAINT uq_paykit_dispute_binding_psp_reference UNIQUE (binding, psp_reference),
    CONSTRAINT ck_paykit_dispute_observed_not_negative CHECK (amount >= 0 AND submissions >= 0),
    CONSTRAINT fk_paykit_dispute_payment_id FOREIGN KEY(payment_id) REFERENCES paykit_payment (id)
)

CREATE INDEX ix_paykit_dispute_payment_id ON paykit_dispute (payment_id)

CREATE OR REPLACE FUNCTION paykit_dispute_state_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'INSERT' THEN IF NEW.state <> 'unrecognized' THEN RAISE EXCEPTION 'dispute: must begin as unrecognized' USING ERRCODE = 'check_violation'; END IF; ELSIF OLD.state <> NEW.state AND NOT ((OLD.state = 'unrecognized' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'unrecognized' AND NEW.state = 'warning_under_review') OR (OLD.state = 'unrecognized' AND NEW.state = 'warning_closed') OR (OLD.state = 'unrecognized' AND NEW.state = 'needs_response') OR (OLD.state = 'unrecognized' AND NEW.state = 'under_review') OR (OLD.state = 'unrecognized' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'unrecognized' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'unrecognized' AND NEW.state = 'won') OR (OLD.state = 'unrecognized' AND NEW.state = 'lost') OR (OLD.state = 'unrecognized' AND NEW.state = 'prevented') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'warning_under_review') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'warning_closed') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'needs_response') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'under_review') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'won') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'lost') OR (OLD.state = 'warning_needs_response' AND NEW.state = 'prevented') OR (OLD.state = 'warning_under_review' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'warning_under_review' AND NEW.state = 'warning_closed') OR (OLD.state = 'warning_under_review' AND NEW.state = 'needs_response') OR (OLD.state = 'warning_under_review' AND NEW.state = 'under_review') OR (OLD.state = 'warning_under_review' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'warning_under_review' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'warning_under_review' AND NEW.state = 'won') OR (OLD.state = 'warning_under_review' AND NEW.state = 'lost') OR (OLD.state = 'warning_under_review' AND NEW.state = 'prevented') OR (OLD.state = 'warning_closed' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'warning_closed' AND NEW.state = 'warning_under_review') OR (OLD.state = 'warning_closed' AND NEW.state = 'needs_response') OR (OLD.state = 'warning_closed' AND NEW.state = 'under_review') OR (OLD.state = 'warning_closed' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'warning_closed' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'warning_closed' AND NEW.state = 'won') OR (OLD.state = 'warning_closed' AND NEW.state = 'lost') OR (OLD.state = 'warning_closed' AND NEW.state = 'prevented') OR (OLD.state = 'needs_response' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'needs_response' AND NEW.state = 'warning_under_review') OR (OLD.state = 'needs_response' AND NEW.state = 'warning_closed') OR (OLD.state = 'needs_response' AND NEW.state = 'under_review') OR (OLD.state = 'needs_response' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'needs_response' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'needs_response' AND NEW.state = 'won') OR (OLD.state = 'needs_response' AND NEW.state = 'lost') OR (OLD.state = 'needs_response' AND NEW.state = 'prevented') OR (OLD.state = 'under_review' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'under_review' AND NEW.state = 'warning_under_review') OR (OLD.state = 'under_review' AND NEW.state = 'warning_closed') OR (OLD.state = 'under_review' AND NEW.state = 'needs_response') OR (OLD.state = 'under_review' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'under_review' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'under_review' AND NEW.state = 'won') OR (OLD.state = 'under_review' AND NEW.state = 'lost') OR (OLD.state = 'under_review' AND NEW.state = 'prevented') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'warning_under_review') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'warning_closed') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'needs_response') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'under_review') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'won') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'lost') OR (OLD.state = 'appeal_needs_response' AND NEW.state = 'prevented') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'warning_under_review') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'warning_closed') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'needs_response') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'under_review') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'won') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'lost') OR (OLD.state = 'appeal_under_review' AND NEW.state = 'prevented') OR (OLD.state = 'won' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'won' AND NEW.state = 'warning_under_review') OR (OLD.state = 'won' AND NEW.state = 'warning_closed') OR (OLD.state = 'won' AND NEW.state = 'needs_response') OR (OLD.state = 'won' AND NEW.state = 'under_review') OR (OLD.state = 'won' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'won' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'won' AND NEW.state = 'lost') OR (OLD.state = 'won' AND NEW.state = 'prevented') OR (OLD.state = 'lost' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'lost' AND NEW.state = 'warning_under_review') OR (OLD.state = 'lost' AND NEW.state = 'warning_closed') OR (OLD.state = 'lost' AND NEW.state = 'needs_response') OR (OLD.state = 'lost' AND NEW.state = 'under_review') OR (OLD.state = 'lost' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'lost' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'lost' AND NEW.state = 'won') OR (OLD.state = 'lost' AND NEW.state = 'prevented') OR (OLD.state = 'prevented' AND NEW.state = 'warning_needs_response') OR (OLD.state = 'prevented' AND NEW.state = 'warning_under_review') OR (OLD.state = 'prevented' AND NEW.state = 'warning_closed') OR (OLD.state = 'prevented' AND NEW.state = 'needs_response') OR (OLD.state = 'prevented' AND NEW.state = 'under_review') OR (OLD.state = 'prevented' AND NEW.state = 'appeal_needs_response') OR (OLD.state = 'prevented' AND NEW.state = 'appeal_under_review') OR (OLD.state = 'prevented' AND NEW.state = 'won') OR (OLD.state = 'prevented' AND NEW.state = 'lost')) THEN RAISE EXCEPTION 'dispute: no such transition' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$

CREATE TRIGGER paykit_dispute_state_guard BEFORE INSERT OR UPDATE ON paykit_dispute FOR EACH ROW EXECUTE FUNCTION paykit_dispute_state_guard()

CREATE OR REPLACE FUNCTION paykit_dispute_deny() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'paykit_dispute: rows are never changed or deleted' USING ERRCODE = 'integrity_constraint_violation'; END $$

CREATE TRIGGER paykit_dispute_deny BEFORE DELETE OR TRUNCATE ON paykit_dispute FOR EACH STATEMENT EXECUTE FUNCTION paykit_dispute_deny()

ALTER TABLE paykit_dispute ENABLE ALWAYS TRIGGER paykit_dispute_deny

CREATE TABLE paykit_ledger_transfer (
    id BIGINT GENERATED BY DEFAULT AS IDENTITY,
    journal_id UUID NOT NULL,
    fact_key VARCHAR(512) NOT NULL,
    kind VARCHAR(64) NOT NULL,
    merchant_id VARCHAR(64) NOT NULL,
    payment_id VARCHAR(64),
    debit_id VARCHAR(128) NOT NULL,
    credit_id VARCHAR(128) NOT NULL,
    amount BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    effective_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    reverses BIGINT,
    CONSTRAINT pk_paykit_ledger_transfer PRIMARY KEY (id),
    CONSTRAINT ck_paykit_ledger_transfer_id_positive CHECK (id > 0),
    CONSTRAINT ck_paykit_ledger_transfer_amount_positive CHECK (amount > 0),
    CONSTRAINT ck_paykit_ledger_transfer_two_accounts CHECK (debit_id <> credit_id),
    CONSTRAINT fk_paykit_ledger_transfer_debit_id_merchant_id_currency FOREIGN KEY(debit_id, merchant_id, currency) REFERENCES paykit_ledger_account (id, merchant_id, currency),
    CONSTRAINT fk_paykit_ledger_transfer_credit_id_merchant_id_currency FOREIGN KEY(credit_id, merchant_id, currency) REFERENCES paykit_ledger_account (id, merchant_id, currency)
)

CREATE INDEX ix_paykit_ledger_transfer_credit_id_id ON paykit_ledger_transfer (credit_id, id)

CREATE INDEX ix_paykit_ledger_transfer_debit_id_id ON paykit_ledger_transfer (debit_id, id)

CREATE INDEX ix_paykit_ledger_transfer_journal_id ON paykit_ledger_transfer (journal_id)

CREATE INDEX ix_paykit_ledger_transfer_payment_id ON paykit_ledger_transfer (payment_id)

CREATE OR REPLACE FUNCTION paykit_ledger_transfer_deny() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'paykit_ledger_transfer: rows are never changed or deleted' USING ERRCODE = 'integrity_constraint_violation'; END $$

CREATE TRIGGER paykit_ledger_transfer_deny BEFORE UPDATE OR DELETE OR TRUNCATE ON paykit_ledger_transfer FOR EACH STATEMENT EXECUTE FUNCTION paykit_ledger_transfer_deny()

ALTER TABLE paykit_ledger_transfer ENABLE ALWAYS TRIGGER paykit_ledger_transfer_deny

CREATE OR REPLACE FUNCTION paykit_ledger_transfer_apply() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$ DECLARE broken text; BEGIN SELECT max(CASE WHEN NOT EXISTS (SELECT 1 FROM paykit_ledger_key k WHERE k.fact_key = p.fact_key AND k.kind = p.kind AND k.transfer_id = p.id) THEN 'no key names it' WHEN NOT CASE WHEN p.reverses IS NULL THEN replace(p.kind, '_reversal', '') = p.kind ELSE EXISTS (SELECT 1 FROM paykit_ledger_transfer o WHERE o.id = p.reverses AND o.reverses IS NULL AND o.debit_id = p.credit_id AND o.credit_id = p.debit_id AND o.amount = p.amount AND o.fact_key = p.fact_key AND o.kind || '_reversal' = p.kind) END THEN 'it is not the one mirror of what it reverses' END) INTO broken FROM posted p; IF broken IS NOT NULL THEN RAISE EXCEPTION USING MESSAGE = 'paykit_ledger_transfer: ' || broken, ERRCODE = 'integrity_constraint_violation'; END IF; INSERT INTO paykit_ledger_balance AS b (account_id, stripe, debits, credits, last_transfer_id) SELECT a.id, mod(pg_backend_pid(), a.stripes), sum(side.debit), sum(side.credit), max(p.id) FROM posted p CROSS JOIN LATERAL (VALUES (p.debit_id, p.amount, 0), (p.credit_id, 0, p.amount)) AS side (account_id, debit, credit) JOIN paykit_ledger_account a ON a.id = side.account_id GROUP BY a.id, a.stripes ORDER BY a.id ON CONFLICT (account_id, stripe) DO UPDATE SET debits = b.debits + excluded.debits, credits = b.credits + excluded.credits, last_transfer_id = greatest(b.last_transfer_id, excluded.last_transfer_id); RETURN NULL; END $$

CREATE TRIGGER paykit_ledger_transfer_apply AFTER INSERT ON paykit_ledger_transfer REFERENCING NEW TABLE AS posted FOR EACH STATEMENT EXECUTE FUNCTION paykit_ledger_transfer_apply()

CREATE TABLE paykit_ledger_balance (
    account_id VARCHAR(128) NOT NULL,
    stripe SMALLINT NOT NULL,
    debits BIGINT NOT NULL,
    credits BIGINT NOT NULL,
    last_transfer_id BIGINT NOT NULL,
    CONSTRAINT pk_paykit_ledger_balance PRIMARY KEY (account_id, stripe),
    CONSTRAINT ck_paykit_ledger_balance_not_negative CHECK (debits >= 0 AND credits >= 0),
    CONSTRAINT fk_paykit_ledger_balance_account_id FOREIGN KEY(account_id) REFERENCES paykit_ledger_account (id)
)

CREATE OR REPLACE FUNCTION paykit_ledger_balance_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'paykit_ledger_balance: balances are kept by the ledger alone' USING ERRCODE = 'integrity_constraint_violation'; END $$

CREATE TRIGGER paykit_ledger_balance_guard BEFORE INSERT OR UPDATE OR DELETE ON paykit_ledger_balance FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION paykit_ledger_balance_guard()

CREATE TRIGGER paykit_ledger_balance_guard_truncate BEFORE TRUNCATE ON paykit_ledger_balance FOR EACH STATEMENT EXECUTE FUNCTION paykit_ledger_balance_guard()
