"""``python -m sgdj`` does what ``run.py`` does."""

import sys

from sgdj.cli import main

if __name__ == "__main__":
    sys.exit(main())
