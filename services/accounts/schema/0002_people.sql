-- People are told apart from the accounts that they are members of. Whoever had an account becomes
-- a person with the account's id, and its owner.

CREATE TABLE accounts.users (
    id uuid PRIMARY KEY,
    -- lower case, so that an address is one person however it is typed
    email text NOT NULL UNIQUE CHECK (email = lower(email)),
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO accounts.users SELECT id, email, password_hash, created_at FROM accounts.accounts;

ALTER TABLE accounts.accounts
    DROP COLUMN password_hash,
    ADD name text NOT NULL DEFAULT '',
    ADD plan text NOT NULL DEFAULT 'basic',
    -- requests a minute: null for the plan's, 0 for no limit
    ADD per_minute integer CHECK (per_minute >= 0);
ALTER TABLE accounts.accounts ALTER plan DROP DEFAULT;
COMMENT ON COLUMN accounts.accounts.email IS 'of the person who opened it';

CREATE TABLE accounts.members (
    account_id uuid NOT NULL REFERENCES accounts.accounts ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES accounts.users ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('owner', 'member', 'read_only')),
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, user_id)
);
CREATE INDEX members_by_user ON accounts.members (user_id, since);

INSERT INTO accounts.members SELECT id, id, 'owner', created_at FROM accounts.accounts;

-- A login; its refresh tokens are one family.
CREATE TABLE accounts.sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    account_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    -- nobody logs in, or stays so, who is no member
    FOREIGN KEY (account_id, user_id) REFERENCES accounts.members ON DELETE CASCADE
);
CREATE INDEX sessions_by_user ON accounts.sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_member ON accounts.sessions (account_id, user_id);

CREATE TABLE accounts.refresh_tokens (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    session_id uuid NOT NULL REFERENCES accounts.sessions ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_tokens_by_session ON accounts.refresh_tokens (session_id);

-- Wrong guesses, by what they were made against: an e-mail address or a network address.
CREATE TABLE accounts.failures (
    about text PRIMARY KEY,
    count integer NOT NULL,
    window_ends timestamptz NOT NULL
);

CREATE TABLE accounts.invitations (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    account_id uuid NOT NULL REFERENCES accounts.accounts ON DELETE CASCADE,
    email text NOT NULL CHECK (email = lower(email)),
    role text NOT NULL CHECK (role IN ('owner', 'member', 'read_only')),
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz
);
CREATE INDEX invitations_by_account ON accounts.invitations (account_id);

-- Private keys may be sealed (kit/sealing.py), which makes them longer; those that are 32 bytes lie
-- in clear.
ALTER TABLE accounts.signing_keys
    DROP CONSTRAINT signing_keys_private_key_check,
    ADD CHECK (octet_length(private_key) >= 32),
    -- when a newer key took over; it verifies until the tokens that it signed have expired
    ADD replaced_at timestamptz;
