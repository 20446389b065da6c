"""The ledger: reserve, settle, refund, top up, statement."""
