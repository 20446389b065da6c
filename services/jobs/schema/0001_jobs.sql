CREATE SCHEMA jobs;

-- What engines work on, as they said when they last started.
CREATE TABLE jobs.kinds (
    name text PRIMARY KEY,
    most_seconds double precision NOT NULL,
    most_attempts integer NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE jobs.jobs (
    id uuid PRIMARY KEY,
    -- place in lists
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    account_id uuid NOT NULL,
    kind text NOT NULL REFERENCES jobs.kinds,
    state text NOT NULL DEFAULT 'draft' CHECK (state IN
        ('draft', 'discarded', 'queued', 'running', 'closing', 'completed', 'failed', 'cancelled')),
    hold bigint NOT NULL,
    unit_tokens bigint NOT NULL,
    total integer NOT NULL CHECK (total > 0),
    succeeded integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    cancelled integer NOT NULL DEFAULT 0,
    consumed bigint NOT NULL DEFAULT 0,
    details jsonb NOT NULL,
    -- by name: how many items told it, the mean, and the sum of squared differences from it
    measures jsonb NOT NULL DEFAULT '{}',
    code text NOT NULL DEFAULT '',
    message text NOT NULL DEFAULT '',
    inputs text,
    outputs text NOT NULL,
    correlation_id text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    queued_at timestamptz,
    started_at timestamptz,
    closed_at timestamptz,
    -- when its event was in the stream
    told_at timestamptz,
    CHECK (succeeded + failed + cancelled <= total),
    CHECK ((state IN ('completed', 'failed', 'cancelled')) = (closed_at IS NOT NULL)),
    CHECK (state NOT IN ('closing', 'completed', 'failed', 'cancelled')
           OR succeeded + failed + cancelled = total)
);

CREATE INDEX jobs_of_account ON jobs.jobs (account_id, number DESC);
CREATE INDEX jobs_open ON jobs.jobs (kind, account_id) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_to_close ON jobs.jobs (number) WHERE state IN ('draft', 'discarded', 'closing');
CREATE INDEX jobs_to_tell ON jobs.jobs (number) WHERE closed_at IS NOT NULL AND told_at IS NULL;
CREATE INDEX jobs_closed ON jobs.jobs (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE jobs.items (
    job_id uuid NOT NULL REFERENCES jobs.jobs ON DELETE CASCADE,
    number integer NOT NULL,
    account_id uuid NOT NULL,
    name text NOT NULL,
    -- emptied when the item ends: it may hold addresses of a caller that are nobody's business
    work bytea NOT NULL,
    -- ends as that item does, without work of its own
    same_as integer,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN
        ('waiting', 'queued', 'running', 'succeeded', 'failed', 'cancelled')),
    not_before timestamptz NOT NULL DEFAULT '-infinity',
    -- times that it was handed to the work queue
    handed_out integer NOT NULL DEFAULT 0,
    handed_out_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    attempt uuid,
    first_taken_at timestamptz,
    taken_at timestamptz,
    result bytea,
    code text NOT NULL DEFAULT '',
    message text NOT NULL DEFAULT '',
    -- which of the job's items it was to end
    ended integer,
    ended_at timestamptz,
    PRIMARY KEY (job_id, number),
    CHECK ((state IN ('succeeded', 'failed', 'cancelled')) = (ended IS NOT NULL)),
    CHECK ((state = 'succeeded') = (result IS NOT NULL)),
    CHECK (same_as < number)
);

CREATE INDEX items_waiting ON jobs.items (job_id, number)
    WHERE state = 'waiting' AND same_as IS NULL;
CREATE INDEX items_handed_out ON jobs.items (job_id, number) WHERE state IN ('queued', 'running');
CREATE INDEX items_same ON jobs.items (job_id, same_as) WHERE same_as IS NOT NULL;
CREATE UNIQUE INDEX items_ended ON jobs.items (job_id, ended) WHERE ended IS NOT NULL;
