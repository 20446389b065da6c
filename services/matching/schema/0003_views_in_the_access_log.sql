-- Whether somebody's look is in the log already is asked with every look.
CREATE INDEX access_log_views
    ON matching.access_log (account_id, agency_id, action, done_by, at);
