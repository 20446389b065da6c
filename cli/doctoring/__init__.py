"""Looking at an installation: what is wrong with it, and what would mend it."""
