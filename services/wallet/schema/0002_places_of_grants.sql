-- Promotional tokens are kept apart from paid ones. In a migration of its own, because PostgreSQL
-- lets nobody use a new value of an enumeration in the transaction that adds it.

ALTER TYPE wallet.place ADD VALUE 'promotional';
ALTER TYPE wallet.place ADD VALUE 'house:grants';
