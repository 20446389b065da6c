-- Grants that expire, spend caps of API keys, holds that wait for a job, thresholds; and indexes
-- that a batch of two hundred holds can afford.

ALTER TABLE wallet.accounts
    -- tokens of grants that can be spent now; spent before `available`, which was paid for
    ADD promotional bigint NOT NULL DEFAULT 0 CHECK (promotional >= 0),
    -- what falls below is told, once until tokens are added again
    ADD low_balance bigint CHECK (low_balance > 0),
    ADD low_told boolean NOT NULL DEFAULT false,
    -- room on the page for the next versions of a row that changes with every batch
    SET (fillfactor = 50);

ALTER TABLE wallet.reservations
    -- sixteen bytes instead of a long text in the index that every hold pays for
    ADD idempotency uuid,
    -- how much of `reserved` came out of grants
    ADD promotional bigint NOT NULL DEFAULT 0,
    ADD api_key uuid,
    ADD job_id uuid,
    ALTER expires_at DROP NOT NULL,
    ADD CHECK (promotional BETWEEN 0 AND reserved),
    -- a hold without a lease belongs to a job
    ADD CHECK (expires_at IS NOT NULL OR job_id IS NOT NULL);

CREATE FUNCTION wallet.idempotency(account uuid, key text) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN encode(substring(sha256(uuid_send(account) || convert_to(key, 'UTF8')) FOR 16), 'hex')::uuid;

UPDATE wallet.reservations SET idempotency = wallet.idempotency(account_id, key);

-- The accounts of holds and entries are locked when these are written, and never removed; a foreign
-- key would look each of them up once more, which costs more than the row itself. `reconcile`
-- reports entries of accounts that are not there.
ALTER TABLE wallet.reservations
    ALTER idempotency SET NOT NULL,
    DROP CONSTRAINT reservations_account_id_fkey,
    DROP CONSTRAINT reservations_account_id_key_key,
    DROP CONSTRAINT reservations_pkey,
    ADD PRIMARY KEY (account_id, number),
    ADD UNIQUE (idempotency);
DROP INDEX wallet.reservations_of_account;

ALTER TABLE wallet.entries
    DROP CONSTRAINT entries_account_id_fkey,
    DROP CONSTRAINT entries_pkey,
    ADD PRIMARY KEY (account_id, id);
DROP INDEX wallet.entries_of_account;

-- What was paid for once, whatever the message that told of it: a payment's own number.
ALTER TABLE wallet.top_ups ADD reference text;
CREATE UNIQUE INDEX top_ups_by_reference ON wallet.top_ups (reference);

CREATE TABLE wallet.grants (
    number bigint NOT NULL DEFAULT nextval('wallet.transaction_number'),
    account_id uuid NOT NULL REFERENCES wallet.accounts,
    key text NOT NULL,
    tokens bigint NOT NULL CHECK (tokens > 0),
    -- not spent, not held, not expired
    remaining bigint NOT NULL CHECK (remaining BETWEEN 0 AND tokens),
    -- what went back to the house unspent
    expired bigint NOT NULL DEFAULT 0 CHECK (expired BETWEEN 0 AND tokens),
    reason text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    correlation_id text NOT NULL DEFAULT '',
    PRIMARY KEY (account_id, number),
    UNIQUE (account_id, key),
    CHECK (remaining + expired <= tokens)
);

CREATE INDEX grants_lapsing ON wallet.grants (expires_at) WHERE remaining > 0;

-- Which grants the promotional part of a hold came out of.
CREATE TABLE wallet.grant_uses (
    account_id uuid NOT NULL,
    reservation bigint NOT NULL,
    grant_number bigint NOT NULL,
    tokens bigint NOT NULL CHECK (tokens > 0),
    PRIMARY KEY (account_id, reservation, grant_number)
);

-- What each API key has spent and holds at the moment; compared with its cap at every hold.
CREATE TABLE wallet.spenders (
    account_id uuid NOT NULL,
    api_key uuid NOT NULL,
    spent bigint NOT NULL DEFAULT 0 CHECK (spent >= 0),
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    PRIMARY KEY (account_id, api_key)
) WITH (fillfactor = 50);

-- Balances that fell below their threshold, until the event is published.
CREATE TABLE wallet.low_balances (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL,
    balance bigint NOT NULL,
    threshold bigint NOT NULL,
    happened_at timestamptz NOT NULL DEFAULT now()
);
