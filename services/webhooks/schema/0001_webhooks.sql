CREATE SCHEMA webhooks;

CREATE TABLE webhooks.endpoints (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    url text NOT NULL,
    -- types of events; NULL for all
    events text[],
    enabled boolean NOT NULL DEFAULT true,
    -- when the receiver said that it is not there any more
    gone_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (gone_at IS NULL OR NOT enabled)
);

CREATE INDEX endpoints_of_account ON webhooks.endpoints (account_id);

-- What signs. Needed in clear to sign, so they are sealed with a key that the database does not
-- have, if there is one.
CREATE TABLE webhooks.secrets (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint uuid NOT NULL REFERENCES webhooks.endpoints ON DELETE CASCADE,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- NULL for the newest; those before it sign until then
    expires_at timestamptz
);

CREATE UNIQUE INDEX newest_secret ON webhooks.secrets (endpoint) WHERE expires_at IS NULL;
CREATE INDEX secrets_of_endpoint ON webhooks.secrets (endpoint, number DESC);

-- One event for one endpoint. The pair is unique: an event that is read twice is told once.
CREATE TABLE webhooks.deliveries (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint uuid NOT NULL REFERENCES webhooks.endpoints ON DELETE CASCADE,
    account_id uuid NOT NULL,
    event_id uuid NOT NULL,
    type text NOT NULL,
    -- as it is signed and sent, the same at every attempt
    body bytea NOT NULL,
    correlation_id text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    last_status integer,
    last_error text,
    next_attempt timestamptz DEFAULT now(),
    -- until then nobody else attempts it; a sender that dies leaves this behind
    leased_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_attempt_at timestamptz,
    ended_at timestamptz,
    UNIQUE (endpoint, event_id),
    CHECK ((state = 'pending') = (next_attempt IS NOT NULL)),
    CHECK ((state = 'pending') = (ended_at IS NULL))
);

CREATE INDEX deliveries_due ON webhooks.deliveries (endpoint, next_attempt)
    WHERE state = 'pending';
CREATE INDEX deliveries_under_way ON webhooks.deliveries (endpoint, leased_until)
    WHERE leased_until IS NOT NULL;
CREATE INDEX deliveries_of_endpoint ON webhooks.deliveries (endpoint, number DESC);
CREATE INDEX deliveries_by_age ON webhooks.deliveries (created_at);
