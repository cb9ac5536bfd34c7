"""mode=reconstruct: reconstruct measured files with a trained network."""

import os
from pathlib import Path

import torch

from sgdj.config.tasks import tasks
from sgdj.errors import ExitCode, InputError
from sgdj.jobs import identity
from sgdj.jobs.consistency import ACQUISITION_FILES
from sgdj.jobs.load import Job
from sgdj.reconstruction.files import FORMATS, Done
from sgdj.reconstruction.files import reconstruct as reconstruct_files
from sgdj.reconstruction.output_folder import OutputFolder
from sgdj.reporting import figures
from sgdj.runs.network import trained_network
from sgdj.runtime.contents import Record
from sgdj.runtime.devices import torch_device
from sgdj.runtime.draws import Draws
from sgdj.runtime.hashing import file_digest
from sgdj.runtime.output import say
from sgdj.runtime.ranks import tell


def reconstruct(job: Job) -> Record:
    """Reconstruct `input` into `output` with a trained network; the exit code tells if a file was left out."""
    settings = job.settings
    device = torch_device(settings.device)
    torch.set_num_threads(settings.trainer.threads or os.cpu_count() or 1)
    task = tasks(settings.plugins)[settings.task]
    kinds = [FORMATS[name] for name in task.files if name in FORMATS]
    if not kinds:
        raise InputError(f"task {task.name} has no files to reconstruct", "mode", "use mode=evaluate")
    trained, draws = trained_network(settings), Draws(settings.data_seed)
    network = trained.network.to(device)
    formats = [kind(network, trained.acquisition, draws, device, tell) for kind in kinds]
    for form in formats:
        form.max_gib = settings.dataset.get("max_gib", float)
    output = str(settings.output)  # input and output are there, as they were checked
    digest = file_digest(Path(str(settings.checkpoint)))
    decides = trained.settings | {"result_version": identity.RESULT_VERSION}
    for key in ACQUISITION_FILES:
        if named := settings.operator.get(key, str):
            decides |= {key: file_digest(Path(named))}
    deciding = identity.settings(decides, settings.plugins)
    folder = OutputFolder(Path(output), digest, deciding, settings.force, identity.renewed)
    picture = figures.file_panel if settings.evaluation.panels else None
    done = reconstruct_files(formats, Path(str(settings.input)), folder, tell, picture)
    return _told(done, output)


def _told(done: Done, output: str) -> Record:
    """Print scores and what was left out; returns the exit code, if it is not 0."""
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
