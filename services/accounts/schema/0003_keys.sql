-- Who calls without logging in, and how often anybody may.

CREATE TABLE accounts.api_keys (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts.accounts ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('mk_live', 'stu')),
    name text NOT NULL,
    -- how the key begins, to know it by
    start text NOT NULL,
    -- null for every scope
    scopes text[],
    credit_cap bigint CHECK (credit_cap >= 0),
    -- requests a minute: null for the plan's, 0 for no limit
    per_minute integer CHECK (per_minute >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    last_used_at timestamptz
);
CREATE INDEX api_keys_by_account ON accounts.api_keys (account_id) WHERE revoked_at IS NULL;

-- A key has two secrets while it is being rotated.
CREATE TABLE accounts.api_key_secrets (
    -- the public part by which a secret is found
    lookup text PRIMARY KEY,
    api_key_id uuid NOT NULL REFERENCES accounts.api_keys ON DELETE CASCADE,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    expires_at timestamptz
);
CREATE INDEX api_key_secrets_by_key ON accounts.api_key_secrets (api_key_id);

-- When a bucket is empty again (the theoretical arrival time of the generic cell rate algorithm).
-- Unlogged: to forget these after a crash lets a minute's requests in twice, and no more.
CREATE UNLOGGED TABLE accounts.rate_limits (
    bucket uuid PRIMARY KEY,
    empty_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE accounts.issuers (
    issuer text PRIMARY KEY,
    jwks_url text NOT NULL,
    audience text NOT NULL,
    account_id uuid NOT NULL REFERENCES accounts.accounts ON DELETE CASCADE
);

CREATE TABLE accounts.service_keys (
    name text PRIMARY KEY,
    lookup text NOT NULL UNIQUE,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE accounts.outbound (
    service text PRIMARY KEY,
    -- the key is sealed together with where it goes, under this id
    id uuid NOT NULL,
    base_url text NOT NULL,
    key bytea NOT NULL
);
