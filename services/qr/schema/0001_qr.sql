CREATE SCHEMA qr;

-- What was asked for, and what came of it. The names in it go when it is drawn.
CREATE TABLE qr.sheets (
    account_id uuid NOT NULL,
    id uuid NOT NULL,
    -- the caller's own reference
    job_id text NOT NULL,
    wishes jsonb NOT NULL,
    -- null until it is drawn
    result jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    drawn_at timestamptz,
    PRIMARY KEY (account_id, id)
);

CREATE INDEX sheets_created_at ON qr.sheets (created_at);

-- Subjects of sheets that are not drawn yet, in MessagePack.
CREATE TABLE qr.sheet_parts (
    account_id uuid NOT NULL,
    sheet_id uuid NOT NULL,
    part integer NOT NULL,
    subjects bytea NOT NULL,
    PRIMARY KEY (account_id, sheet_id, part),
    FOREIGN KEY (account_id, sheet_id) REFERENCES qr.sheets (account_id, id) ON DELETE CASCADE
);

-- Everybody who has a card, as last printed.
CREATE TABLE qr.printed (
    account_id uuid NOT NULL,
    -- ordered as they are written, whatever the language of the database
    job_id text COLLATE "C" NOT NULL,
    student_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    class_name text NOT NULL,
    lines jsonb NOT NULL,
    school_name text NOT NULL,
    symbol text NOT NULL,
    -- whether the code holds the name too
    name_in_code boolean NOT NULL,
    -- the first time
    added_at timestamptz NOT NULL DEFAULT now(),
    -- the last time
    printed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, job_id, student_id)
);

CREATE INDEX printed_printed_at ON qr.printed (printed_at);
