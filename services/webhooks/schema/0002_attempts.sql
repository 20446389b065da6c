-- How each attempt of a delivery went; an attempt whose sender died has no row. The last ones of
-- each delivery are kept, and go with it.
CREATE TABLE webhooks.attempts (
    delivery bigint NOT NULL REFERENCES webhooks.deliveries ON DELETE CASCADE,
    -- as the delivery counts them
    number integer NOT NULL,
    account_id uuid NOT NULL,
    began_at timestamptz NOT NULL,
    milliseconds integer NOT NULL,
    -- NULL when no answer came
    status integer,
    -- NULL when the receiver took it
    error text,
    PRIMARY KEY (delivery, number)
);
