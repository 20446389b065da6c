"""Telling events to the accounts they happened to: signed, retried, written down."""
