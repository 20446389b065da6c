-- A balance that was told of is kept for as long as the stream of events keeps what it was told, so
-- that it can be told again when the stream is lost.
ALTER TABLE wallet.low_balances ADD told_at timestamptz;

CREATE INDEX low_balances_to_tell ON wallet.low_balances (happened_at) WHERE told_at IS NULL;
CREATE INDEX low_balances_told ON wallet.low_balances (told_at) WHERE told_at IS NOT NULL;

-- How far the stream had come when somebody last looked. One that was made at another moment, or
-- that has not come that far, has lost what it was told.
CREATE TABLE wallet.stream (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    made_at timestamptz,
    last bigint NOT NULL DEFAULT 0
);

INSERT INTO wallet.stream DEFAULT VALUES;
