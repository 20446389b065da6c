-- A double-entry ledger. Every row of `entries` moves tokens from one place to another, so that no
-- row can be unbalanced; a row is never changed or removed. The two balances of an account are
-- cached in `accounts`, where constraints keep them from going below zero whoever writes, and must
-- always be what its entries add up to.

CREATE SCHEMA wallet;

CREATE TABLE wallet.accounts (
    id uuid PRIMARY KEY,
    available bigint NOT NULL DEFAULT 0 CHECK (available >= 0),
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0)
);

-- The number that clients see as TX-00021: one series for charges and top-ups.
CREATE SEQUENCE wallet.transaction_number;

CREATE TABLE wallet.reservations (
    number bigint PRIMARY KEY DEFAULT nextval('wallet.transaction_number'),
    account_id uuid NOT NULL REFERENCES wallet.accounts,
    key text NOT NULL,
    operation text NOT NULL,
    units integer NOT NULL CHECK (units > 0),
    reserved bigint NOT NULL CHECK (reserved > 0),
    state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'settled', 'refunded', 'expired')),
    consumed bigint NOT NULL DEFAULT 0 CHECK (consumed BETWEEN 0 AND reserved),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    correlation_id text NOT NULL DEFAULT '',
    UNIQUE (account_id, key),
    CHECK ((state = 'held') = (ended_at IS NULL)),
    CHECK (state = 'settled' OR consumed = 0)
);

-- What the sweep of lapsed leases looks for.
CREATE INDEX reservations_lapsing ON wallet.reservations (expires_at) WHERE state = 'held';
CREATE INDEX reservations_of_account ON wallet.reservations (account_id, number DESC);

CREATE TABLE wallet.top_ups (
    number bigint PRIMARY KEY DEFAULT nextval('wallet.transaction_number'),
    account_id uuid NOT NULL REFERENCES wallet.accounts,
    key text NOT NULL,
    tokens bigint NOT NULL CHECK (tokens > 0),
    reason text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    correlation_id text NOT NULL DEFAULT '',
    UNIQUE (account_id, key)
);

CREATE INDEX top_ups_of_account ON wallet.top_ups (account_id, number DESC);

-- Where tokens can be: an account's two places, and two of the house.
CREATE TYPE wallet.place AS ENUM ('available', 'held', 'house:top_ups', 'house:revenue');

CREATE TABLE wallet.entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number bigint NOT NULL,
    account_id uuid NOT NULL REFERENCES wallet.accounts,
    tokens bigint NOT NULL CHECK (tokens > 0),
    source wallet.place NOT NULL,
    destination wallet.place NOT NULL CHECK (destination <> source),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX entries_of_account ON wallet.entries (account_id, id);

CREATE FUNCTION wallet.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries are never changed or removed';
END $$;

CREATE TRIGGER entries_are_final BEFORE UPDATE OR DELETE ON wallet.entries
    FOR EACH ROW EXECUTE FUNCTION wallet.refuse_change();

CREATE TRIGGER entries_are_not_emptied BEFORE TRUNCATE ON wallet.entries
    FOR EACH STATEMENT EXECUTE FUNCTION wallet.refuse_change();

-- Each entry as its pair of signed legs; over all places they add up to zero.
CREATE VIEW wallet.legs AS
    SELECT id, number, account_id, source AS place, -tokens AS tokens, created_at FROM wallet.entries
    UNION ALL
    SELECT id, number, account_id, destination, tokens, created_at FROM wallet.entries;
