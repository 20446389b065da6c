"""How portraits are framed and what comes out: the four ICPs, and presets that accounts make."""
