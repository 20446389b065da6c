CREATE SCHEMA matching;

-- Customers of a studio: schools, clubs, companies.
CREATE TABLE matching.agencies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL,
    name text NOT NULL,
    agency_type text NOT NULL,
    -- faces or cards
    mode text NOT NULL,
    consent_statement text,
    consent_by text,
    consent_at timestamptz,
    retention_days integer NOT NULL,
    archived_at timestamptz,
    -- goes up whenever what can be compared with changes, so that nobody goes on with what is gone
    gallery bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, id)
);

-- Picture days of an agency.
CREATE TABLE matching.shoots (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL,
    agency_id bigint NOT NULL,
    name text NOT NULL,
    icp_type text NOT NULL,
    state text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, agency_id, id),
    FOREIGN KEY (account_id, agency_id) REFERENCES matching.agencies (account_id, id)
        ON DELETE CASCADE
);

-- Photographs of a shoot.
CREATE TABLE matching.files (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL,
    agency_id bigint NOT NULL,
    shoot_id bigint NOT NULL,
    filename text NOT NULL,
    -- '' until it was fetched
    key text NOT NULL,
    -- '' for one that was uploaded
    url text NOT NULL,
    size bigint NOT NULL,
    -- of the content, or of the URL
    sha256 bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, id),
    UNIQUE (shoot_id, sha256),
    FOREIGN KEY (account_id, agency_id, shoot_id)
        REFERENCES matching.shoots (account_id, agency_id, id) ON DELETE CASCADE
);

CREATE INDEX files_shoot ON matching.files (account_id, shoot_id, id);
CREATE INDEX files_age ON matching.files (agency_id, created_at);
CREATE INDEX files_key ON matching.files (key);

-- People who are photographed.
CREATE TABLE matching.subjects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL,
    agency_id bigint NOT NULL,
    -- ordered as they are written, whatever the language of the database
    student_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    class_name text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, agency_id, id),
    UNIQUE (agency_id, student_id),
    FOREIGN KEY (account_id, agency_id) REFERENCES matching.agencies (account_id, id)
        ON DELETE CASCADE
);

CREATE INDEX subjects_class ON matching.subjects (account_id, agency_id, class_name, student_id);

-- Photographs of which it is known whom they show. "references" is a word of SQL.
CREATE TABLE matching.reference_photos (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL,
    agency_id bigint NOT NULL,
    subject_id bigint NOT NULL,
    key text NOT NULL,
    url text NOT NULL,
    sha256 bytea NOT NULL,
    -- a photograph of a shoot that somebody confirmed, and where in it the face is
    file_id bigint,
    face_box jsonb,
    -- waiting, embedded or failed; stale is what was embedded by another embedder
    state text NOT NULL DEFAULT 'waiting',
    code text NOT NULL DEFAULT '',
    message text NOT NULL DEFAULT '',
    -- the embedder's version, and the embedding sealed with the key of the service
    embedder text,
    embedding bytea,
    embedded_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, id),
    UNIQUE (subject_id, sha256),
    FOREIGN KEY (account_id, agency_id, subject_id)
        REFERENCES matching.subjects (account_id, agency_id, id) ON DELETE CASCADE,
    FOREIGN KEY (account_id, file_id) REFERENCES matching.files (account_id, id) ON DELETE CASCADE,
    CHECK ((state = 'embedded') = (embedding IS NOT NULL))
);

CREATE INDEX reference_photos_agency ON matching.reference_photos (account_id, agency_id, id);
CREATE INDEX reference_photos_file ON matching.reference_photos (account_id, file_id);
CREATE INDEX reference_photos_age ON matching.reference_photos (agency_id, created_at);
CREATE INDEX reference_photos_key ON matching.reference_photos (key);

-- Objects whose rows are gone, until they are removed from storage.
CREATE TABLE matching.discarded_objects (
    key text PRIMARY KEY,
    account_id uuid NOT NULL,
    discarded_at timestamptz NOT NULL DEFAULT now()
);

-- Runs over photographs. A shoot has one that is not ended at most.
CREATE TABLE matching.matches (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL,
    agency_id bigint NOT NULL,
    shoot_id bigint,
    threshold double precision NOT NULL,
    options jsonb NOT NULL,
    -- whose embeddings are compared; NULL where cards alone decide
    embedder text,
    -- jobs that were to carry it out; one of them does
    jobs uuid[] NOT NULL,
    call_id uuid,
    -- open, completed, failed or cancelled
    state text NOT NULL DEFAULT 'open',
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    UNIQUE (account_id, id),
    FOREIGN KEY (account_id, agency_id) REFERENCES matching.agencies (account_id, id)
        ON DELETE CASCADE,
    FOREIGN KEY (account_id, agency_id, shoot_id)
        REFERENCES matching.shoots (account_id, agency_id, id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX matches_running ON matching.matches (shoot_id) WHERE state = 'open';
CREATE UNIQUE INDEX matches_call ON matching.matches (account_id, call_id);
CREATE INDEX matches_agency ON matching.matches (account_id, agency_id, id);

-- What was found in each photograph of a run.
CREATE TABLE matching.results (
    account_id uuid NOT NULL,
    match_id bigint NOT NULL,
    file_id bigint NOT NULL,
    -- pending, matched, needs_review, unmatched or failed
    state text NOT NULL DEFAULT 'pending',
    -- why, and subjects that the cards of the shoot give it to
    reasons text[] NOT NULL DEFAULT '{}',
    from_card bigint[] NOT NULL DEFAULT '{}',
    code text NOT NULL DEFAULT '',
    message text NOT NULL DEFAULT '',
    captured_at timestamptz,
    camera text,
    reviewed boolean NOT NULL DEFAULT false,
    done_at timestamptz,
    PRIMARY KEY (match_id, file_id),
    FOREIGN KEY (account_id, match_id) REFERENCES matching.matches (account_id, id)
        ON DELETE CASCADE,
    FOREIGN KEY (account_id, file_id) REFERENCES matching.files (account_id, id) ON DELETE CASCADE
);

CREATE INDEX results_state ON matching.results (account_id, match_id, state, file_id);
CREATE INDEX results_file ON matching.results (account_id, file_id);

-- Faces of these photographs; number -1 is a card's answer. No embedding of a face is kept.
CREATE TABLE matching.faces (
    account_id uuid NOT NULL,
    match_id bigint NOT NULL,
    file_id bigint NOT NULL,
    number integer NOT NULL,
    box jsonb,
    eye_distance double precision,
    state text NOT NULL,
    subject_id bigint,
    score double precision,
    margin double precision,
    -- at most three: {"subject", "score", "margin"}, the best first
    candidates jsonb NOT NULL,
    reasons text[] NOT NULL DEFAULT '{}',
    reviewed boolean NOT NULL DEFAULT false,
    PRIMARY KEY (match_id, file_id, number),
    FOREIGN KEY (match_id, file_id) REFERENCES matching.results (match_id, file_id)
        ON DELETE CASCADE
);

CREATE INDEX faces_subject ON matching.faces (account_id, match_id, subject_id);

-- What people decided on, with what was there before, so that it can be taken back.
CREATE TABLE matching.decisions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL,
    match_id bigint NOT NULL,
    file_id bigint NOT NULL,
    action text NOT NULL,
    face integer,
    subject_id bigint,
    before jsonb NOT NULL,
    -- a reference that came of it
    reference_id bigint,
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    undone_at timestamptz,
    FOREIGN KEY (match_id, file_id) REFERENCES matching.results (match_id, file_id)
        ON DELETE CASCADE
);

CREATE INDEX decisions_file ON matching.decisions (account_id, match_id, file_id, id);
CREATE INDEX decisions_result ON matching.decisions (match_id, file_id);

-- Who did what with what is known of people. It outlives the agency that it is about.
CREATE TABLE matching.access_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL,
    agency_id bigint NOT NULL,
    subject_id bigint,
    action text NOT NULL,
    done_by text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX access_log_agency ON matching.access_log (account_id, agency_id, id);
