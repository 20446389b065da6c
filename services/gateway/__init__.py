"""HTTP in, NATS out: authenticates, prices, reserves, asks, settles, answers. Owns no table."""
