"""The job book: batches, their items, handing them to workers, closing each job exactly once."""
