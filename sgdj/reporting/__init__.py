"""Tables, curves and panels, from run directories."""
