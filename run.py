"""Train, evaluate and attack: ``python run.py task=mri strategy=jitter sigma=0.01``."""

import sys

from sgdj.cli import main

if __name__ == "__main__":
    sys.exit(main())
