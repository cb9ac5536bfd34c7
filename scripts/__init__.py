"""Commands beside run.py, and the project's own instruments."""
