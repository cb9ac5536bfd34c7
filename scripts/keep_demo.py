"""Copy the demo's table, record and two figures from a run directory to results/demo and docs/start.md.

python scripts/keep_demo.py outputs/mri/gd-jitter/seed0-HASH
"""

import re
import shutil
import sys
from pathlib import Path

from scripts.common import Parser, status
from sgdj.errors import InputError
from sgdj.runs.catalogue import view
from sgdj.runtime.text import markdown_table, plus_minus

ROOT = Path(__file__).resolve().parent.parent


def table(summary: dict) -> str:
    """Write conditions by PSNR and SSIM as Markdown."""
    header = ("condition", "‖δ‖/‖y‖", "x0 PSNR (dB) / SSIM", "network PSNR (dB) / SSIM", "gain (dB)")
    rows = []
    for condition, network in summary["network"].items():
        start = summary["x0"][condition]
        rho = network["delta_norm"]["mean"] / network["y_norm"]["mean"]
        cells = [
            f"{plus_minus(e['psnr']['mean'], e['psnr']['std'], 2)} / {e['ssim']['mean']:.3f}" for e in (start, network)
        ]
        gain = network["psnr"]["mean"] - start["psnr"]["mean"]
        rows.append((condition, f"{rho:.3f}", *cells, f"{gain:+.2f}"))
    clean = summary["network"]["clean"]["psnr"]
    note = f"Mean ± standard deviation over {clean['n_volumes']} volumes ({clean['n_samples']} slices)."
    return f"{markdown_table(header, rows)}\n\n{note}"


def keep(run: Path) -> None:
    """Copy the files of a run, and renew the table of docs/start.md.

    Parameters
    ----------
    run
        Run directory of the demo.

    Raises
    ------
    InputError
        If the run is not finished, or has no figures.
    """
    kept = view(run)
    summary, attack = kept.summary, kept.setting("attack.name")
    panel = next((run / "figures").glob(f"panel-{attack}-*.png"), None)
    if not summary or panel is None or not (run / "figures" / "robustness.png").is_file():
        raise InputError("no evaluation with figures", str(run), "give the finished run of make demo")
    target = ROOT / "results" / "demo"
    target.mkdir(parents=True, exist_ok=True)
    text = table(summary)
    (target / "table.md").write_text(text + "\n")
    shutil.copyfile(run / "run.json", target / "run.json")
    shutil.copyfile(run / "figures" / "robustness.png", target / "robustness.png")
    shutil.copyfile(panel, target / "panel-attack.png")
    page = ROOT / "docs" / "start.md"
    pattern = r"(<!-- demo table -->\n).*?(<!-- end of demo table -->)"
    page.write_text(re.sub(pattern, lambda m: f"{m[1]}{text}\n{m[2]}", page.read_text(), flags=re.DOTALL))


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python scripts/keep_demo.py", __doc__)
    made.add_argument("run", type=Path, metavar="RUN", help="run directory of make demo")
    return made


def main(arguments: list[str]) -> int:
    """Copy the files and renew the table."""
    keep(parser().parse_args(arguments).run)
    return 0


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
