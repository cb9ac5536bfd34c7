"""Train a network with a strategy."""
