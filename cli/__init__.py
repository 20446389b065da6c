"""`darkroom`: everything on one machine, and what an operator asks of it."""
