"""The words services say to each other: typed messages, errors, nothing that runs."""
