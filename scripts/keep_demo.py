"""Copy the demo's table, record and two figures from a run directory to results/demo and the README.

python scripts/keep_demo.py outputs/mri/gd-jitter/seed0-HASH
"""

import re
import shutil
import sys
from pathlib import Path

from sgdj.runs.catalogue import view

ROOT = Path(__file__).resolve().parent.parent


def table(summary: dict) -> str:
    """Conditions by PSNR and SSIM, as Markdown."""
    lines = [
        "| condition | ‖δ‖/‖y‖ | x0 PSNR (dB) / SSIM | network PSNR (dB) / SSIM | gain (dB) |",
        "|---|---|---|---|---|",
    ]
    for condition, network in summary["network"].items():
        start = summary["x0"][condition]
        rho = network["delta_norm"]["mean"] / network["y_norm"]["mean"]
        cells = [
            f"{e['psnr']['mean']:.2f} ± {e['psnr']['std']:.2f} / {e['ssim']['mean']:.3f}" for e in (start, network)
        ]
        gain = network["psnr"]["mean"] - start["psnr"]["mean"]
        lines.append(f"| {condition} | {rho:.3f} | {cells[0]} | {cells[1]} | {gain:+.2f} |")
    clean = summary["network"]["clean"]["psnr"]
    lines += ["", f"Mean ± standard deviation over {clean['n_volumes']} volumes ({clean['n_samples']} slices)."]
    return "\n".join(lines)


def main(run: Path) -> None:
    """Copy and rewrite."""
    target = ROOT / "results" / "demo"
    target.mkdir(parents=True, exist_ok=True)
    text = table(view(run).summary)
    (target / "table.md").write_text(text + "\n")
    shutil.copyfile(run / "run.json", target / "run.json")
    shutil.copyfile(run / "figures" / "robustness.png", target / "robustness.png")
    shutil.copyfile(next((run / "figures").glob("panel-pgd-*.png")), target / "panel-pgd.png")
    readme = ROOT / "README.md"
    pattern = r"(<!-- demo table -->\n).*?(<!-- end of demo table -->)"
    readme.write_text(re.sub(pattern, lambda m: f"{m[1]}{text}\n{m[2]}", readme.read_text(), flags=re.DOTALL))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
