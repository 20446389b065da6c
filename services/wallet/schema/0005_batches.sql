-- Many holds and ends at once. Both functions take arrays sorted by account, walk through them
-- beside the locked accounts, and then write everything with one statement per table.

-- End many holds. A row whose hold drew on grants is done by `end_one`.
CREATE FUNCTION wallet.end_many(
    accounts uuid[], numbers bigint[], ways text[], used bigint[],
    OUT codes text[], OUT states text[], OUT reserved bigint[], OUT consumed bigint[],
    OUT availables bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
    n CONSTANT integer := cardinality(accounts);
    promotional bigint[];
    leases timestamptz[];
    spender uuid[];
    simple boolean[];
    ids uuid[] := '{}';
    held_less bigint[] := '{}';
    available_more bigint[] := '{}';
    last integer := 0;
    one wallet.outcome;
BEGIN
    SELECT array_agg(r.state ORDER BY t.i), array_agg(r.reserved ORDER BY t.i),
           array_agg(r.consumed ORDER BY t.i), array_agg(r.promotional ORDER BY t.i),
           array_agg(r.expires_at ORDER BY t.i), array_agg(r.api_key ORDER BY t.i)
    INTO states, reserved, consumed, promotional, leases, spender
    FROM unnest(accounts, numbers) WITH ORDINALITY AS t (account, number, i)
    LEFT JOIN wallet.reservations AS r ON r.account_id = t.account AND r.number = t.number;

    FOR i IN 1 .. n LOOP
        codes[i] := wallet.verdict(states[i], reserved[i], consumed[i], leases[i], ways[i], used[i]);
        simple[i] := codes[i] = 'done' AND promotional[i] = 0;
        CONTINUE WHEN NOT simple[i];
        IF last = 0 OR ids[last] <> accounts[i] THEN
            last := last + 1;
            ids[last] := accounts[i];
            held_less[last] := 0;
            available_more[last] := 0;
        END IF;
        held_less[last] := held_less[last] + reserved[i];
        available_more[last] := available_more[last] + reserved[i] - used[i];
    END LOOP;

    IF last > 0 THEN
        UPDATE wallet.reservations AS r SET state = t.way, consumed = t.used, ended_at = now()
        FROM unnest(accounts, numbers, ways, used, simple) AS t (account, number, way, used, simple)
        WHERE t.simple AND r.account_id = t.account AND r.number = t.number;
        INSERT INTO wallet.entries (number, account_id, tokens, source, destination)
        SELECT t.number, t.account, part, 'held', place
        FROM unnest(accounts, numbers, used, reserved, simple)
            AS t (account, number, used, reserved, simple),
        LATERAL (VALUES (t.used, 'house:revenue'::wallet.place),
                        (t.reserved - t.used, 'available')) AS parts (part, place)
        WHERE t.simple AND part > 0;
        UPDATE wallet.accounts SET held = held - t.less, available = available + t.more
        FROM unnest(ids, held_less, available_more) AS t (id, less, more)
        WHERE accounts.id = t.id;
        UPDATE wallet.spenders AS s SET held = s.held - t.held, spent = s.spent + t.spent
        FROM (
            SELECT u.account, u.spender, sum(u.reserved) AS held, sum(u.used) AS spent
            FROM unnest(accounts, spender, reserved, used, simple)
                AS u (account, spender, reserved, used, simple)
            WHERE u.simple AND u.spender IS NOT NULL GROUP BY u.account, u.spender
        ) AS t
        WHERE s.account_id = t.account AND s.api_key = t.spender;
    END IF;

    FOR i IN 1 .. n LOOP
        IF simple[i] THEN
            states[i] := ways[i];
            consumed[i] := used[i];
        ELSIF codes[i] = 'done' THEN
            one := wallet.end_one(accounts[i], numbers[i], ways[i], used[i]);
            states[i] := one.state;
            consumed[i] := one.consumed;
        END IF;
    END LOOP;
    SELECT array_agg(coalesce(a.available + a.promotional, 0) ORDER BY t.i) INTO availables
    FROM unnest(accounts) WITH ORDINALITY AS t (id, i) LEFT JOIN wallet.accounts AS a USING (id);
END $$;

-- Hold tokens for many requests, sorted by account and API key. A null code means that the next of
-- `others` tells how it went: those are done by `hold_one`. `spender` and `caps` are empty if no
-- hold has an API key. Only accounts that are `locked` are touched: another may have been opened
-- since the locks were taken, and counts as one that is not there yet.
--
-- Keys that were used before are looked for only if `probe` says so; else one of them may be a
-- unique_violation.
CREATE FUNCTION wallet.hold_many(
    accounts uuid[], idems uuid[], client_keys text[], operations text[], units integer[],
    tokens bigint[], leases double precision[], correlations text[], spender uuid[], caps bigint[],
    probe boolean, locked uuid[],
    OUT codes text[], OUT numbers bigint[], OUT availables bigint[], OUT others wallet.outcome[]
) LANGUAGE plpgsql AS $$
DECLARE
    n CONSTANT integer := cardinality(accounts);
    any_spender CONSTANT boolean := cardinality(spender) > 0;
    known uuid[] := '{}';
    -- the accounts that there are, and the spenders, as they were locked
    ids uuid[];
    available bigint[];
    promotional bigint[];
    spender_accounts uuid[];
    spender_keys uuid[];
    spender_totals bigint[];
    -- where the walk is
    a integer := 0;
    s integer := 1;
    account uuid;
    able bigint;  -- what the account can still spend
    drawn bigint;  -- what this batch takes out of it
    plain boolean;
    key uuid;
    total bigint;  -- what the key has spent and holds
    touched uuid[] := '{}';
    takes bigint[] := '{}';
BEGIN
    -- whole from the start: an array that got its third element first would begin with it
    codes := array_fill(NULL::text, ARRAY[n]);
    numbers := array_fill(NULL::bigint, ARRAY[n]);
    availables := numbers;
    IF probe THEN
        known := ARRAY(SELECT idempotency FROM wallet.reservations WHERE idempotency = ANY (idems));
    END IF;
    SELECT array_agg(w.id ORDER BY w.id), array_agg(w.available ORDER BY w.id),
           array_agg(w.promotional ORDER BY w.id)
    INTO ids, available, promotional
    FROM wallet.accounts AS w WHERE w.id = ANY (locked);
    IF any_spender THEN
        SELECT array_agg(w.account_id ORDER BY w.account_id, w.api_key),
               array_agg(w.api_key ORDER BY w.account_id, w.api_key),
               array_agg(w.spent + w.held ORDER BY w.account_id, w.api_key)
        INTO spender_accounts, spender_keys, spender_totals
        FROM wallet.spenders AS w
        WHERE w.account_id = ANY (accounts) AND w.api_key = ANY (spender);
    END IF;

    FOR i IN 1 .. n LOOP
        IF i = 1 OR accounts[i] <> account THEN
            account := accounts[i];
            key := NULL;
            a := a + 1;
            WHILE ids[a] < account LOOP
                a := a + 1;
            END LOOP;
            IF ids[a] = account THEN
                able := available[a];
                plain := promotional[a] = 0;
            ELSE  -- never had a token; the row found belongs to a later account
                a := a - 1;
                able := 0;
                plain := true;
            END IF;
        END IF;
        IF spender[i] IS NOT NULL AND key IS DISTINCT FROM spender[i] THEN
            key := spender[i];
            WHILE (spender_accounts[s], spender_keys[s]) < (account, key) LOOP
                s := s + 1;
            END LOOP;
            total := CASE WHEN spender_accounts[s] = account AND spender_keys[s] = key
                     THEN spender_totals[s] ELSE 0 END;
        END IF;

        IF NOT plain OR idems[i] = ANY (known) OR able < tokens[i]
           OR spender[i] IS NOT NULL AND total + tokens[i] > caps[i] THEN
            -- refusals, too: `hold_one` has every number that the answer needs
            CONTINUE;
        END IF;
        able := able - tokens[i];
        IF spender[i] IS NOT NULL THEN
            total := total + tokens[i];
        END IF;
        codes[i] := 'done';
        numbers[i] := nextval('wallet.transaction_number');
        availables[i] := able;
        IF cardinality(touched) = 0 OR touched[cardinality(touched)] <> account THEN
            touched := touched || account;
            takes := takes || 0::bigint;
        END IF;
        takes[cardinality(takes)] := takes[cardinality(takes)] + tokens[i];
    END LOOP;

    IF cardinality(touched) > 0 THEN
        INSERT INTO wallet.reservations (
            account_id, number, idempotency, key, operation, units, reserved, expires_at,
            correlation_id, api_key
        )
        SELECT t.account, t.number, t.idem, t.client_key, t.operation, t.units, t.tokens,
               now() + make_interval(secs => t.lease), t.correlation, t.spender
        FROM unnest(codes, accounts, numbers, idems, client_keys, operations, units, tokens, leases,
                    correlations, spender)
            AS t (code, account, number, idem, client_key, operation, units, tokens, lease,
                  correlation, spender)
        WHERE t.code = 'done';
        INSERT INTO wallet.entries (number, account_id, tokens, source, destination)
        SELECT t.number, t.account, t.tokens, 'available', 'held'
        FROM unnest(codes, accounts, numbers, tokens) AS t (code, account, number, tokens)
        WHERE t.code = 'done';
        UPDATE wallet.accounts AS w SET available = w.available - t.take, held = w.held + t.take
        FROM unnest(touched, takes) AS t (id, take) WHERE w.id = t.id;
        IF any_spender THEN
            INSERT INTO wallet.spenders AS w (account_id, api_key, held)
            SELECT t.account, t.spender, sum(t.tokens)
            FROM unnest(codes, accounts, spender, tokens) AS t (code, account, spender, tokens)
            WHERE t.code = 'done' AND t.spender IS NOT NULL GROUP BY t.account, t.spender
            ON CONFLICT (account_id, api_key) DO UPDATE SET held = w.held + excluded.held;
        END IF;
    END IF;

    FOR i IN 1 .. n LOOP
        CONTINUE WHEN codes[i] IS NOT NULL;
        IF accounts[i] = ANY (ids) THEN
            others := others || wallet.hold_one(
                accounts[i], idems[i], client_keys[i], operations[i], units[i], tokens[i],
                leases[i], correlations[i], spender[i], caps[i]);
        ELSE
            others := others || ROW('short', NULL, NULL, NULL, NULL, 0, NULL, NULL)::wallet.outcome;
        END IF;
    END LOOP;
END $$;

-- A batch: first the ends, which free tokens, then the holds; one transaction.
CREATE FUNCTION wallet.apply(
    end_accounts uuid[], end_numbers bigint[], end_ways text[], end_used bigint[],
    accounts uuid[], idems uuid[], client_keys text[], operations text[], units integer[],
    tokens bigint[], leases double precision[], correlations text[], spender uuid[], caps bigint[],
    OUT end_codes text[], OUT end_states text[], OUT end_reserved bigint[],
    OUT end_consumed bigint[], OUT end_availables bigint[],
    OUT codes text[], OUT numbers bigint[], OUT availables bigint[], OUT others wallet.outcome[]
) LANGUAGE plpgsql AS $$
DECLARE
    locked CONSTANT uuid[] := wallet.lock(end_accounts || accounts);
BEGIN
    IF cardinality(end_accounts) > 0 THEN
        SELECT e.* INTO end_codes, end_states, end_reserved, end_consumed, end_availables
        FROM wallet.end_many(end_accounts, end_numbers, end_ways, end_used) AS e;
    END IF;
    IF cardinality(accounts) > 0 THEN
        BEGIN
            -- a look for keys that were used before costs every hold what a second try costs few
            SELECT h.* INTO codes, numbers, availables, others
            FROM wallet.hold_many(accounts, idems, client_keys, operations, units, tokens, leases,
                                  correlations, spender, caps, false, locked) AS h;
        EXCEPTION WHEN unique_violation THEN
            SELECT h.* INTO codes, numbers, availables, others
            FROM wallet.hold_many(accounts, idems, client_keys, operations, units, tokens, leases,
                                  correlations, spender, caps, true, locked) AS h;
        END;
        PERFORM wallet.tell_low(accounts);
    END IF;
END $$;
