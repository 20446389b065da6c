-- Charging calls by the key that the client gave them; kept for a day.

CREATE TABLE wallet.calls (
    account_id uuid NOT NULL,
    key text NOT NULL,
    -- SHA-256 over everything that was sent
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    -- whoever holds this may end the call; another one takes over when the lease has passed
    attempt uuid NOT NULL,
    lease_ends timestamptz NOT NULL,
    forget_at timestamptz NOT NULL,
    status integer,
    content_type text,
    body bytea,
    PRIMARY KEY (account_id, key),
    CHECK ((status IS NULL) = (body IS NULL) AND (status IS NULL) = (content_type IS NULL))
);

CREATE INDEX calls_to_forget ON wallet.calls (forget_at);
