-- Whether somebody has said since that the photograph shows another person, or nobody. The row stays
-- for as long as its job may be cutting: what was cut meanwhile is found as well.
ALTER TABLE matching.portraits ADD COLUMN is_taken_back boolean NOT NULL DEFAULT false;
