"""mode=reconstruct: from a trained network and measured files to reconstructions on disk."""

import os
from pathlib import Path
from typing import Any

import torch

from sgdj.config.identity import RESULT_VERSION
from sgdj.config.load import Job
from sgdj.config.tasks import task_of
from sgdj.draws import Draws
from sgdj.errors import ExitCode, InputError
from sgdj.reconstruction.files import FORMATS, Done
from sgdj.reconstruction.files import reconstruct as reconstruct_files
from sgdj.reconstruction.output_folder import OutputFolder
from sgdj.reporting import figures
from sgdj.runs.network import trained_network
from sgdj.runtime.devices import torch_device
from sgdj.runtime.hashing import file_digest
from sgdj.runtime.ranks import tell
from sgdj.text import say


def reconstruct(job: Job) -> dict[str, Any]:
    """Reconstruct `input` into `output` with a trained network; the exit code tells if a file was left out."""
    config = job.config
    device = torch_device(config["device"])
    torch.set_num_threads(config["trainer"]["threads"] or os.cpu_count() or 1)
    task = task_of(config)
    kinds = [FORMATS[name] for name in task.files if name in FORMATS]
    if not kinds:
        raise InputError(f"task {task.name} has no files to reconstruct", "mode", "use mode=evaluate")
    trained, draws = trained_network(config), Draws(config["dataset"]["seed"])
    network = trained.network.to(device)
    formats = [kind(network, trained.acquisition, draws, device, tell) for kind in kinds]
    for form in formats:
        form.max_gib = config["dataset"].get("max_gib")
    digest = file_digest(Path(config["checkpoint"]))
    deciding = trained.settings | {"result_version": RESULT_VERSION}
    folder = OutputFolder(Path(config["output"]), digest, deciding, config["force"], config["plugins"])
    picture = figures.file_panel if config["evaluation"]["panels"] else None
    done = reconstruct_files(formats, Path(config["input"]), folder, tell, picture)
    return _told(done, config["output"])


def _told(done: Done, output: str) -> dict[str, Any]:
    """Tell scores and what was left out; the exit code, if it is not 0."""
    for row in done.scores:
        scores = ", ".join(
            f"{name.removeprefix('fastmri_')} {value:.4g}" for name, value in row.items() if name != "file"
        )
        say(f"{row['file']}: {scores}")
    left = [f"{len(done.skipped)} files skipped"] if done.skipped else []
    left += [f"{len(done.failed)} files failed"] if done.failed else []
    say(f"reconstructions: {output}" + (f" ({', '.join(left)})" if left else ""))
    if not left:
        return {}
    codes = set(done.failed.values())
    code = next((c for c in (ExitCode.FAULT, ExitCode.RESOURCES) if c in codes), ExitCode.CHECK_FAILED)
    return {"exit_code": int(code), "error": ", ".join(left)}
