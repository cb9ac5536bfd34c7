"""Run directories, checkpoints, and what is read from them again."""
