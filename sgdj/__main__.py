"""``python -m sgdj`` and the command ``sgdj`` do what ``run.py`` does."""

from sgdj.modes.cli import program

if __name__ == "__main__":
    program()
