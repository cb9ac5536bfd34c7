"""Measure speed, memory and their growth."""
