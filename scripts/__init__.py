"""Commands beside run.py."""
