"""Train, evaluate and attack: ``python run.py task=mri strategy=jitter sigma=0.01``."""
# Hydra's shell completion looks for the words @hydra.main in the file that it completes for.

import sys

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036, this file alone is read by an older one
        version = sys.version.split()[0]
        sys.stderr.write(
            "error: Python is too old, " + version + ": use 3.11 or newer, in which `make setup` installs\n"
        )
        sys.exit(2)
    from sgdj.modes.cli import program

    program()
