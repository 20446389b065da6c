-- How tokens move. `apply` takes a batch and is the only thing the wallet calls for holds and their
-- ends; what is ordinary it does for all of them at once, the rest (a key that was used before,
-- grants) one at a time with `hold_one` and `end_one`, which know every rule.
--
-- Everything about an account happens while its row is locked. Rows are locked in the order of their
-- ids, so that two batches cannot wait for each other, and in a statement of its own: one that both
-- locks and looks up a key would look with a snapshot older than the lock.
--
-- Arrays are worked through in plpgsql rather than joined: the planner does not know how long they
-- are, and joins two of them row by row.

CREATE TYPE wallet.outcome AS (
    code text,  -- done, same, conflict, short, capped, ended, missing, too_much
    number bigint,
    state text,
    reserved bigint,
    consumed bigint,
    available bigint,  -- what the account can spend afterwards, grants included
    spent bigint,  -- of the API key
    held bigint  -- of the API key
);

-- Lock those accounts that there are, and return which.
CREATE FUNCTION wallet.lock(ids uuid[]) RETURNS uuid[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN ARRAY(SELECT id FROM wallet.accounts WHERE id = ANY (ids) ORDER BY id FOR UPDATE);
END $$;

-- Give what is left of an account's lapsed grants back to the house.
CREATE FUNCTION wallet.expire_grants(account uuid) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    taken bigint;
    how_many integer;
BEGIN
    WITH lapsed AS (
        SELECT number, remaining FROM wallet.grants
        WHERE account_id = account AND remaining > 0 AND expires_at <= now()
    ), emptied AS (
        UPDATE wallet.grants SET remaining = 0, expired = expired + lapsed.remaining
        FROM lapsed WHERE account_id = account AND grants.number = lapsed.number
    ), entry AS (
        INSERT INTO wallet.entries (number, account_id, tokens, source, destination)
        SELECT number, account, remaining, 'promotional', 'house:grants' FROM lapsed
    )
    SELECT sum(remaining), count(*) INTO taken, how_many FROM lapsed;
    IF how_many > 0 THEN
        UPDATE wallet.accounts SET promotional = promotional - taken WHERE id = account;
        -- a balance also falls by what lapses
        PERFORM wallet.tell_low(ARRAY[account]);
    END IF;
    RETURN how_many;
END $$;

-- Take the promotional part of a hold out of the grants, the one that lapses first at the front.
CREATE FUNCTION wallet.use_grants(account uuid, reservation bigint, tokens bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    wanted bigint := tokens;
    part bigint;
    found_grant record;
BEGIN
    FOR found_grant IN
        SELECT number, remaining FROM wallet.grants
        WHERE account_id = account AND remaining > 0 ORDER BY expires_at, number
    LOOP
        EXIT WHEN wanted = 0;
        part := least(wanted, found_grant.remaining);
        UPDATE wallet.grants SET remaining = remaining - part
        WHERE account_id = account AND number = found_grant.number;
        INSERT INTO wallet.grant_uses VALUES (account, reservation, found_grant.number, part);
        wanted := wanted - part;
    END LOOP;
    IF wanted > 0 THEN
        RAISE EXCEPTION 'grants of % do not add up to their sum', account;
    END IF;
END $$;

-- Put unspent promotional tokens of a hold back, first into the grant that lapses last; what has
-- lapsed meanwhile is taken by `expire_grants` right after.
CREATE FUNCTION wallet.return_to_grants(account uuid, reservation bigint, tokens bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wanted bigint := tokens;
    part bigint;
    used record;
BEGIN
    FOR used IN
        SELECT grant_number, uses.tokens
        FROM wallet.grant_uses AS uses
        JOIN wallet.grants ON grants.account_id = account AND grants.number = grant_number
        WHERE uses.account_id = account AND uses.reservation = return_to_grants.reservation
        ORDER BY expires_at DESC, grant_number DESC
    LOOP
        EXIT WHEN wanted = 0;
        part := least(wanted, used.tokens);
        UPDATE wallet.grants SET remaining = remaining + part
        WHERE account_id = account AND number = used.grant_number;
        wanted := wanted - part;
    END LOOP;
    IF wanted > 0 THEN
        RAISE EXCEPTION 'the grants used by % do not add up', reservation;
    END IF;
END $$;

-- Hold tokens for one request. The account is locked.
CREATE FUNCTION wallet.hold_one(
    account uuid, idem uuid, client_key text, what text, how_many integer, tokens bigint,
    lease double precision, correlation text, spender uuid, cap bigint
) RETURNS wallet.outcome LANGUAGE plpgsql AS $$
DECLARE
    earlier wallet.reservations;
    owner wallet.accounts;
    used wallet.spenders;
    from_grants bigint;
    answer wallet.outcome;
BEGIN
    SELECT * INTO owner FROM wallet.accounts WHERE id = account;
    IF owner.promotional > 0 AND wallet.expire_grants(account) > 0 THEN
        SELECT * INTO owner FROM wallet.accounts WHERE id = account;
    END IF;
    answer.available := coalesce(owner.available + owner.promotional, 0);

    SELECT * INTO earlier FROM wallet.reservations WHERE idempotency = idem;
    IF FOUND THEN
        answer.code := CASE
            WHEN (earlier.reserved, earlier.operation, earlier.units) = (tokens, what, how_many)
            THEN 'same' ELSE 'conflict' END;
        answer.number := earlier.number;
        answer.state := earlier.state;
        answer.reserved := earlier.reserved;
        answer.consumed := earlier.consumed;
        RETURN answer;
    END IF;
    IF answer.available < tokens THEN
        answer.code := 'short';
        RETURN answer;
    END IF;
    IF spender IS NOT NULL THEN
        SELECT * INTO used FROM wallet.spenders WHERE account_id = account AND api_key = spender;
        answer.spent := coalesce(used.spent, 0);
        answer.held := coalesce(used.held, 0);
        IF answer.spent + answer.held + tokens > cap THEN
            answer.code := 'capped';
            RETURN answer;
        END IF;
        INSERT INTO wallet.spenders VALUES (account, spender, 0, tokens)
        ON CONFLICT (account_id, api_key) DO UPDATE SET held = spenders.held + tokens;
    END IF;

    from_grants := least(owner.promotional, tokens);
    INSERT INTO wallet.reservations (
        account_id, idempotency, key, operation, units, reserved, promotional, expires_at,
        correlation_id, api_key
    ) VALUES (
        account, idem, client_key, what, how_many, tokens, from_grants,
        now() + make_interval(secs => lease), correlation, spender
    ) RETURNING number INTO answer.number;
    PERFORM wallet.use_grants(account, answer.number, from_grants);
    INSERT INTO wallet.entries (number, account_id, tokens, source, destination)
    SELECT answer.number, account, part, place, 'held'
    FROM (VALUES (from_grants, 'promotional'::wallet.place), (tokens - from_grants, 'available'))
        AS parts (part, place) WHERE part > 0;
    UPDATE wallet.accounts SET
        available = owner.available - (tokens - from_grants),
        promotional = owner.promotional - from_grants,
        held = held + tokens
    WHERE id = account;
    answer.code := 'done';
    answer.state := 'held';
    answer.reserved := tokens;
    answer.consumed := 0;
    answer.available := answer.available - tokens;
    RETURN answer;
END $$;

-- End one hold: settled, refunded or expired. The account is locked. Grants are consumed first.
CREATE FUNCTION wallet.end_one(account uuid, which bigint, how text, used bigint)
RETURNS wallet.outcome LANGUAGE plpgsql AS $$
DECLARE
    hold wallet.reservations;
    answer wallet.outcome;
    promotional_back bigint;
BEGIN
    SELECT * INTO hold FROM wallet.reservations WHERE account_id = account AND number = which;
    answer.number := which;
    answer.state := hold.state;
    answer.reserved := hold.reserved;
    answer.consumed := hold.consumed;
    answer.code := wallet.verdict(hold.state, hold.reserved, hold.consumed, hold.expires_at, how, used);
    IF answer.code = 'done' THEN
        promotional_back := hold.promotional - least(hold.promotional, used);
        UPDATE wallet.reservations SET state = how, consumed = used, ended_at = now()
        WHERE account_id = account AND number = which;
        INSERT INTO wallet.entries (number, account_id, tokens, source, destination)
        SELECT which, account, part, 'held', place
        FROM (VALUES (used, 'house:revenue'::wallet.place),
                     (promotional_back, 'promotional'),
                     (hold.reserved - used - promotional_back, 'available'))
            AS parts (part, place) WHERE part > 0;
        UPDATE wallet.accounts SET
            held = held - hold.reserved,
            promotional = promotional + promotional_back,
            available = available + hold.reserved - used - promotional_back
        WHERE id = account;
        IF hold.api_key IS NOT NULL THEN
            UPDATE wallet.spenders SET held = held - hold.reserved, spent = spent + used
            WHERE account_id = account AND api_key = hold.api_key;
        END IF;
        PERFORM wallet.return_to_grants(account, which, promotional_back);
        PERFORM wallet.expire_grants(account);
        answer.state := how;
        answer.consumed := used;
    END IF;
    SELECT available + promotional INTO answer.available FROM wallet.accounts WHERE id = account;
    RETURN answer;
END $$;

-- What is to be said to a wish to end a hold: done when it may end so.
CREATE FUNCTION wallet.verdict(
    state text, reserved bigint, consumed bigint, expires_at timestamptz, how text, used bigint
) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF state IS NULL THEN
        RETURN 'missing';
    END IF;
    IF how = 'settled' THEN
        IF state = 'settled' AND consumed = used THEN
            RETURN 'same';
        END IF;
        IF state <> 'held' OR expires_at <= now() THEN
            RETURN 'ended';
        END IF;
        RETURN CASE WHEN used > reserved THEN 'too_much' ELSE 'done' END;
    END IF;
    IF state = 'settled' THEN
        RETURN 'ended';
    END IF;
    -- the sweep looked without a lock: the hold may have got a job since
    IF state <> 'held' OR (how = 'expired' AND NOT coalesce(expires_at <= now(), false)) THEN
        RETURN 'same';
    END IF;
    RETURN 'done';
END $$;

-- Tell of touched accounts that fell below their threshold, once.
CREATE FUNCTION wallet.tell_low(ids uuid[]) RETURNS void LANGUAGE sql AS $$
    WITH low AS (
        UPDATE wallet.accounts SET low_told = true
        WHERE id = ANY (ids) AND NOT low_told AND available + promotional < low_balance
        RETURNING id, available + promotional AS balance, low_balance
    )
    INSERT INTO wallet.low_balances (account_id, balance, threshold)
    SELECT id, balance, low_balance FROM low
$$;
