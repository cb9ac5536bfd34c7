"""``python -m sgdj`` and the command ``sgdj`` do what ``run.py`` does."""

from sgdj.runtime.early import leave, leave_at_once


def main() -> None:
    """Run the command line and end the process with its exit code."""
    leave_at_once()  # before the slow imports, so that a signal during them ends the process, too
    from sgdj import cli

    leave(cli.main())


if __name__ == "__main__":
    main()
