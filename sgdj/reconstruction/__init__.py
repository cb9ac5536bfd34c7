"""Reconstruct measured files."""
