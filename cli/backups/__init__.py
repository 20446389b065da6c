"""Backups: taken, sent away, fetched, and tried out on servers that may be thrown away."""
