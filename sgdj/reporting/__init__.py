"""Tables, curves and panels of one run."""
