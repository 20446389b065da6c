-- May this caller call now? One call answers who it is and counts the request against two buckets,
-- that of the key (or of the account's people) and that of the account.
--
-- The generic cell rate algorithm: a bucket is a moment at which it will be empty again. A request
-- puts it off by 60 s / quota, and is refused if that were more than 60 s ahead. The database's
-- clock counts, for all replicas. Only an unlogged table is written, so nobody waits for a disk.

CREATE TYPE accounts.admission AS (
    found boolean,  -- false: there is no such caller, and nothing was counted
    allowed boolean,
    -- how far ahead the buckets are, in seconds, after the request if it was let in; null for no limit
    key_ahead double precision,
    account_ahead double precision,
    key_quota integer,
    account_quota integer,
    account_id uuid,
    plan text,
    role text,
    api_key uuid,
    kind text,
    scopes text[],
    credit_cap bigint,
    hash bytea
);

-- Count a request against both buckets, or against neither; a quota of 0 is no limit.
CREATE FUNCTION accounts.count_request(
    key_bucket uuid, key_quota integer, account_bucket uuid, account_quota integer,
    OUT allowed boolean, OUT key_ahead double precision, OUT account_ahead double precision
) LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz;
    key_empty timestamptz;
    account_empty timestamptz;
    key_next timestamptz;
    account_next timestamptz;
BEGIN
    -- an update that changes nothing locks the row; always the account's first, so that two
    -- requests cannot wait for each other
    IF account_quota > 0 THEN
        INSERT INTO accounts.rate_limits AS b (bucket, empty_at) VALUES (account_bucket, now())
        ON CONFLICT (bucket) DO UPDATE SET empty_at = b.empty_at RETURNING empty_at
        INTO account_empty;
    END IF;
    IF key_quota > 0 THEN
        INSERT INTO accounts.rate_limits AS b (bucket, empty_at) VALUES (key_bucket, now())
        ON CONFLICT (bucket) DO UPDATE SET empty_at = b.empty_at RETURNING empty_at
        INTO key_empty;
    END IF;
    moment := clock_timestamp();
    key_next := greatest(key_empty, moment) + make_interval(secs => 60.0 / nullif(key_quota, 0));
    account_next := greatest(account_empty, moment) + make_interval(secs => 60.0 / nullif(account_quota, 0));
    -- a rounded microsecond must not cost the last request
    allowed := (key_quota = 0 OR key_next <= moment + interval '60.000100 s')
           AND (account_quota = 0 OR account_next <= moment + interval '60.000100 s');
    IF allowed THEN
        UPDATE accounts.rate_limits SET empty_at = key_next
        WHERE bucket = key_bucket AND key_quota > 0;
        UPDATE accounts.rate_limits SET empty_at = account_next
        WHERE bucket = account_bucket AND account_quota > 0;
        key_empty := key_next;
        account_empty := account_next;
    END IF;
    IF key_quota > 0 THEN
        key_ahead := greatest(0, extract(epoch FROM key_empty - moment));
    END IF;
    IF account_quota > 0 THEN
        account_ahead := greatest(0, extract(epoch FROM account_empty - moment));
    END IF;
END $$;

-- `plans`, `key_quotas` and `account_quotas` are the plan book, which the database does not keep.
CREATE FUNCTION accounts.admit_key(
    looked_up text, digest bytea, plans text[], key_quotas integer[], account_quotas integer[]
) RETURNS accounts.admission LANGUAGE plpgsql AS $$
DECLARE
    found_key record;
    place integer;
    answer accounts.admission;
BEGIN
    SELECT k.id, k.account_id, k.kind, k.scopes, k.credit_cap, k.per_minute, k.last_used_at, s.hash,
           a.plan, a.per_minute AS account_per_minute
    INTO found_key
    FROM accounts.api_key_secrets AS s
    JOIN accounts.api_keys AS k ON k.id = s.api_key_id
    JOIN accounts.accounts AS a ON a.id = k.account_id
    -- digests of 256 random bits: how long their comparison takes tells nothing that helps
    WHERE s.lookup = looked_up AND s.hash = digest AND k.revoked_at IS NULL
      AND (s.expires_at IS NULL OR s.expires_at > clock_timestamp());
    answer.found := FOUND;
    IF NOT FOUND THEN
        RETURN answer;
    END IF;
    place := array_position(plans, found_key.plan);
    answer.account_id := found_key.account_id;
    answer.plan := found_key.plan;
    answer.role := 'member';
    answer.api_key := found_key.id;
    answer.kind := found_key.kind;
    answer.scopes := found_key.scopes;
    answer.credit_cap := found_key.credit_cap;
    answer.hash := found_key.hash;
    answer.key_quota := coalesce(found_key.per_minute, key_quotas[place]);
    answer.account_quota := coalesce(found_key.account_per_minute, account_quotas[place]);
    -- a key that was given more than its whole account has was given it on purpose
    IF found_key.per_minute = 0 THEN
        answer.account_quota := 0;
    ELSIF found_key.per_minute > answer.account_quota AND answer.account_quota > 0 THEN
        answer.account_quota := found_key.per_minute;
    END IF;
    SELECT c.allowed, c.key_ahead, c.account_ahead
    INTO answer.allowed, answer.key_ahead, answer.account_ahead
    FROM accounts.count_request(
        found_key.id, answer.key_quota, found_key.account_id, answer.account_quota) AS c;
    IF answer.allowed AND found_key.last_used_at > now() - interval '1 minute' IS NOT TRUE THEN
        UPDATE accounts.api_keys SET last_used_at = now()
        WHERE id = found_key.id
          AND (last_used_at IS NULL OR last_used_at <= now() - interval '1 minute');
    END IF;
    RETURN answer;
END $$;

-- A person by their login, or (session and person null) whoever another issuer vouches for.
CREATE FUNCTION accounts.admit_person(
    account uuid, person uuid, session uuid,
    plans text[], key_quotas integer[], account_quotas integer[]
) RETURNS accounts.admission LANGUAGE plpgsql AS $$
DECLARE
    found_account record;
    place integer;
    answer accounts.admission;
BEGIN
    IF person IS NULL THEN
        SELECT 'member' AS role, a.plan, a.per_minute INTO found_account
        FROM accounts.accounts AS a WHERE a.id = account;
    ELSE
        SELECT m.role, a.plan, a.per_minute INTO found_account
        FROM accounts.sessions AS s
        JOIN accounts.members AS m ON m.account_id = s.account_id AND m.user_id = s.user_id
        JOIN accounts.accounts AS a ON a.id = s.account_id
        WHERE s.id = session AND s.ended_at IS NULL
          AND s.account_id = account AND s.user_id = person;
    END IF;
    answer.found := FOUND;
    IF NOT FOUND THEN
        RETURN answer;
    END IF;
    place := array_position(plans, found_account.plan);
    answer.account_id := account;
    answer.plan := found_account.plan;
    answer.role := found_account.role;
    answer.key_quota := coalesce(found_account.per_minute, key_quotas[place]);
    answer.account_quota := coalesce(found_account.per_minute, account_quotas[place]);
    SELECT c.allowed, c.key_ahead, c.account_ahead
    INTO answer.allowed, answer.key_ahead, answer.account_ahead
    FROM accounts.count_request(
        md5('people of ' || account)::uuid, answer.key_quota, account, answer.account_quota) AS c;
    RETURN answer;
END $$;
