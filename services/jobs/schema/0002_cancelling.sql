-- When somebody asked for the job to be cancelled: what is put back after that is not begun again.
ALTER TABLE jobs.jobs ADD COLUMN cancel_asked_at timestamptz;

-- A hold pays for one job.
CREATE UNIQUE INDEX jobs_of_holds ON jobs.jobs (account_id, hold)
    WHERE hold <> 0 AND state NOT IN ('draft', 'discarded');

CREATE INDEX jobs_being_cancelled ON jobs.jobs (number)
    WHERE cancel_asked_at IS NOT NULL AND state IN ('queued', 'running');
