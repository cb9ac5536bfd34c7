"""Audit whether a robustness figure can be believed: checks of a reconstructor and of the attacks on it."""
