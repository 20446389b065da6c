"""What accounts answers: who may call, as whom, how often, and what for."""
