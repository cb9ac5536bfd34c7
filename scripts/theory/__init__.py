"""Closed forms held to what is learned."""
