"""List, filter, compare and tidy runs.

python scripts/runs.py list [outputs] [task=mri strategy=jitter seed=0 status=finished]
python scripts/runs.py compare RUN_A RUN_B
python scripts/runs.py sync [outputs] [KEY=VALUE …]            W&B commands that send offline records
python scripts/runs.py tidy [outputs] [KEY=VALUE …] [--yes]    remove checkpoints of finished runs
"""

import argparse
import shlex
import sys
from pathlib import Path

from scripts.common import status
from sgdj.errors import ExitCode
from sgdj.text import say


def main() -> int:
    """Dispatch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("list", "sync", "tidy"):
        command = commands.add_parser(name)
        command.add_argument("arguments", nargs="*", metavar="FOLDER | KEY=VALUE")
        if name == "tidy":
            command.add_argument("--yes", action="store_true", help="remove; without it, say what would go")
    compare = commands.add_parser("compare")
    compare.add_argument("first", type=Path)
    compare.add_argument("second", type=Path)
    options = parser.parse_args()

    from sgdj.reporting.terminal import show
    from sgdj.runs import catalogue as runs

    if options.command == "compare":
        for table in runs.compare(options.first, options.second):
            show(table)
        return int(ExitCode.DONE)
    folders = [Path(a) for a in options.arguments if "=" not in a] or [Path("outputs")]
    wanted = dict(a.split("=", 1) for a in options.arguments if "=" in a)
    found = runs.find(folders, wanted)
    if options.command == "list":
        show(runs.listing(found))
    elif options.command == "sync":
        for run in found:
            for record in sorted(run.path.glob("wandb/offline-run-*")):
                say(f"wandb sync {shlex.quote(str(record))}")
    else:
        print(runs.tidy(found, really=options.yes))
    return int(ExitCode.DONE)


if __name__ == "__main__":
    sys.exit(status(main))
