CREATE SCHEMA accounts;

CREATE TABLE accounts.accounts (
    id uuid PRIMARY KEY,
    -- lower case, so that an address is one account however it is typed
    email text NOT NULL UNIQUE CHECK (email = lower(email)),
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Ed25519 keys that sign access tokens; the newest signs, all that are here verify.
CREATE TABLE accounts.signing_keys (
    kid text PRIMARY KEY,
    private_key bytea NOT NULL CHECK (octet_length(private_key) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);
