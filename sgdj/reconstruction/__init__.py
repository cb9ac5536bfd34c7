"""Measured files in, reconstructions out."""
