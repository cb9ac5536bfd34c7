"""From a trained network and measured files to reconstructions on disk."""

import os
from pathlib import Path
from typing import Any

import torch

from sgdj.config.identity import RESULT_VERSION
from sgdj.config.instantiate import build
from sgdj.config.tasks import task_of
from sgdj.data.generate import file_digest
from sgdj.draws import Draws
from sgdj.errors import ExitCode, InputError
from sgdj.networks.initial import initial_network
from sgdj.reconstruction.files import FORMATS, reconstruct
from sgdj.reconstruction.output_folder import OutputFolder
from sgdj.reporting import figures
from sgdj.runs.checkpoints import load_weights, read_checkpoint
from sgdj.runtime.devices import torch_device
from sgdj.runtime.ranks import tell
from sgdj.text import say


def reconstruct_files(config: dict[str, Any]) -> dict[str, Any]:
    """Reconstruct `input` into `output` with a trained network; the exit code tells if a file was left out."""
    device = torch_device(config["device"])
    torch.set_num_threads(config["trainer"]["threads"] or os.cpu_count() or 1)
    task = task_of(config)
    kinds = [FORMATS[name] for name in task.files if name in FORMATS]
    if not kinds:
        raise InputError(f"task {task.name} has no files to reconstruct", "mode", "use mode=evaluate")
    network = initial_network(config).to(device).eval()
    load_weights(network, read_checkpoint(Path(config["checkpoint"])))
    acquisition, draws = build(config, "operator"), Draws(config["dataset"]["seed"])
    formats = [kind(network, acquisition, draws, device, tell) for kind in kinds]
    for form in formats:
        form.max_gib = config["dataset"].get("max_gib")
    settings = {key: config[key] for key in ("task", "operator", "architecture")} | {
        "dataset": {"seed": config["dataset"]["seed"]},
        "result_version": RESULT_VERSION,
    }
    folder = OutputFolder(
        Path(config["output"]), file_digest(Path(config["checkpoint"])), settings, force=config["force"]
    )
    picture = figures.file_panel if config["evaluation"]["panels"] else None
    done = reconstruct(formats, Path(config["input"]), folder, tell, picture)
    for row in done.scores:
        scores = ", ".join(
            f"{name.removeprefix('fastmri_')} {value:.4g}" for name, value in row.items() if name != "file"
        )
        say(f"{row['file']}: {scores}")
    left = [f"{len(done.skipped)} files skipped"] if done.skipped else []
    left += [f"{len(done.failed)} files failed"] if done.failed else []
    say(f"reconstructions: {config['output']}" + (f" ({', '.join(left)})" if left else ""))
    if not left:
        return {}
    codes = set(done.failed.values())
    code = next((c for c in (ExitCode.FAULT, ExitCode.RESOURCES) if c in codes), ExitCode.CHECK_FAILED)
    return {"exit_code": int(code), "error": ", ".join(left)}
