-- One item may be several units of what is paid for: a sheet of cards is as many as it has subjects.
-- The job's counts, and the places in which items end, are in units.

ALTER TABLE jobs.items ADD COLUMN units integer NOT NULL DEFAULT 1 CHECK (units > 0);
