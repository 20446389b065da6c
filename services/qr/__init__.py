"""QR cards: a roster in, a printable PDF out."""
