"""From a trained network and measured files to reconstructions on disk."""

import os
from pathlib import Path
from typing import Any

import torch

from sgdj.checkpoints import load_weights, read_checkpoint
from sgdj.devices import torch_device
from sgdj.draws import Draws
from sgdj.errors import ExitCode, InputError
from sgdj.instantiate import build
from sgdj.networks.initial import initial_network
from sgdj.ranks import tell
from sgdj.reconstruction import FORMATS, Outcome, reconstruct
from sgdj.reporting import figures


def reconstruct_files(config: dict[str, Any]) -> dict[str, Any]:
    """Reconstruct `input` into `output` with a trained network; the exit code tells if a file was skipped."""
    device = torch_device(config["device"])
    torch.set_num_threads(config["trainer"]["threads"] or os.cpu_count() or 1)
    network = initial_network(config).to(device).eval()
    load_weights(network, read_checkpoint(Path(config["checkpoint"])))
    kinds = FORMATS.get(config["task"])
    if kinds is None:
        raise InputError(f"task {config['task']} has no files to reconstruct", "mode", "use mode=evaluate")
    acquisition, draws = build(config, "operator"), Draws(config["dataset"]["seed"])
    formats = [kind(network, acquisition, draws, device, tell) for kind in kinds]
    for form in formats:
        form.max_gib = config["dataset"].get("max_gib")
    panels = Path(config["output"]) / "panels"

    def picture(name: str, outcome: Outcome) -> None:
        panels.mkdir(exist_ok=True)
        figures.file_panel(outcome, name, panels / f"{name}.png")

    wanted = picture if config["evaluation"]["panels"] else None
    rows, skipped = reconstruct(formats, Path(config["input"]), Path(config["output"]), tell, wanted)
    for row in rows:
        scores = ", ".join(
            f"{name.removeprefix('fastmri_')} {value:.4g}" for name, value in row.items() if name != "file"
        )
        print(f"{row['file']}: {scores}")
    print(f"reconstructions: {config['output']}" + (f" ({len(skipped)} files skipped)" if skipped else ""), flush=True)
    return {"exit_code": int(ExitCode.CHECK_FAILED), "error": f"{len(skipped)} files skipped"} if skipped else {}
