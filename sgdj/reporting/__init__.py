"""Tables, curves, panels and pages of runs."""
