"""Processes, devices, signals, memory and progress."""
