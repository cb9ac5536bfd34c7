"""One command's configuration: composed, checked as a whole, named by a hash, or read with a trained network."""
