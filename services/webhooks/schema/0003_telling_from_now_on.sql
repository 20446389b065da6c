-- Since when an endpoint asks for what it asks for: what happened before is not told to it, also when
-- the stream of events is told again.
ALTER TABLE webhooks.endpoints ADD tells_since timestamptz NOT NULL DEFAULT now();

UPDATE webhooks.endpoints SET tells_since = created_at;
