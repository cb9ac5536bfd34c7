"""Kills, damage and fuzzing."""
