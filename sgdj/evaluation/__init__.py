"""Measure reconstructors under shifts and attacks."""
