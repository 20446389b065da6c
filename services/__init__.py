"""One folder, one process, one owner of its tables. No service imports another."""
