"""The theory laboratory: compare closed forms with what networks learn."""
