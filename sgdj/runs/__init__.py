"""Run directories and checkpoints: written safely, and read again."""
