-- How far the stream of events had come when somebody last looked. One that was made at another
-- moment, or that has not come that far, has lost what it was told: then it is told again.
CREATE TABLE jobs.stream (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    made_at timestamptz,
    last bigint NOT NULL DEFAULT 0
);

INSERT INTO jobs.stream DEFAULT VALUES;
