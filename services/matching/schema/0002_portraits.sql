-- Portraits that were cut for a yearbook, and lie where results of jobs lie. A row is written before
-- its portrait is, and outlasts whom it is of, so that what was cut meanwhile is found as well.
CREATE TABLE matching.portraits (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid NOT NULL,
    agency_id bigint NOT NULL,
    match_id bigint NOT NULL,
    -- whom it is of, and the photograph that it was cut out of
    subject_id bigint NOT NULL,
    file_id bigint NOT NULL,
    -- its files are outputs/s<subject>_<ending>
    outputs text NOT NULL,
    endings text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX portraits_agency ON matching.portraits (account_id, agency_id, subject_id);
CREATE INDEX portraits_file ON matching.portraits (account_id, file_id);

-- Every face that a decision was about, and whom it was given to: [{"face", "subject"}].
ALTER TABLE matching.decisions ADD COLUMN faces jsonb NOT NULL DEFAULT '[]';

UPDATE matching.decisions
SET faces = jsonb_build_array(jsonb_build_object('face', face, 'subject', subject_id))
WHERE face IS NOT NULL;
