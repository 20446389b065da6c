-- A call keeps its id over all its attempts, and the holds that pay for it are named after it; a key
-- that is used again after its day is another call, and is paid for again.

ALTER TABLE wallet.calls ADD id uuid NOT NULL DEFAULT gen_random_uuid();
