"""One run from checked configuration to finished run directory."""

import math
import os
import re
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from sgdj.audit.report import audit
from sgdj.audit.report import write as write_audit
from sgdj.config.consistency import TRAINING
from sgdj.config.identity import decides, identity
from sgdj.config.instantiate import build
from sgdj.config.load import Job
from sgdj.config.nodes import leaves
from sgdj.data.generate import digest, file_digest
from sgdj.data.generated import GeneratedSource
from sgdj.data.source import Source, Split
from sgdj.draws import Draws
from sgdj.errors import CheckFailed, Diverged, ExitCode, InputError, Interrupted, ResourceError, as_run_error, writing
from sgdj.evaluation.evaluate import COLUMNS, Result, conditions, evaluate, trial
from sgdj.metrics.image import SSIM_WINDOW
from sgdj.modes.reconstruct import reconstruct_files
from sgdj.networks import Reconstructor, StartingPoint
from sgdj.networks.external import source_file
from sgdj.networks.initial import initial_network
from sgdj.operators import Acquisition, CartesianFourier
from sgdj.reporting import figures
from sgdj.reporting.run_report import report
from sgdj.reporting.terminal import audit_table, show
from sgdj.runs.checkpoints import load_weights, read_checkpoint
from sgdj.runs.directory import RunDirectory
from sgdj.runs.earlier import Earlier, look, same_settings
from sgdj.runs.model_card import write_model
from sgdj.runs.resuming import has_own
from sgdj.runs.tracking import Tracker
from sgdj.runs.verification import damaged, hashes, verify
from sgdj.runtime import distributed, provenance
from sgdj.runtime.devices import torch_device
from sgdj.runtime.memory import forget_peak, peak_mib, reuse_freed
from sgdj.runtime.ranks import local_world, rank, tell, world
from sgdj.runtime.signals import stop
from sgdj.text import say


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _default_folder(config: dict[str, Any], key: str) -> Path:
    design = f"{config['architecture']['name']}-{config['strategy']['name']}"
    if config["reconstructor"]:
        design = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(config["reconstructor"]).name)
    return Path(config["output_dir"]) / config["task"] / design / f"seed{config['seed']}-{key}"


def _actual_acceleration(source: Source, acquisition: Acquisition, seed: int) -> dict[str, float] | None:
    images = source.images("test")
    values = []
    for i in range(len(images)):
        operator = acquisition.operator(images.shape(i), [images[i].volume], Draws(seed))
        if not isinstance(operator, CartesianFourier):
            return None
        values.append(float(operator.acceleration().mean()))
    return {"mean": sum(values) / len(values), "min": min(values), "max": max(values)}


class Run:
    """The steps of one job, in order.

    Parameters
    ----------
    job
        Checked configuration.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.config = job, job.config
        self.device = torch_device(self.config["device"])
        if self.config["trainer"]["deterministic"]:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(self.config["trainer"]["deterministic"])
        cores = max((os.cpu_count() or 1) // local_world(), 1)
        torch.set_num_threads(self.config["trainer"]["threads"] or cores)
        self.source: Source = build(self.config, "dataset")
        self.acquisition: Acquisition = build(self.config, "operator")
        if not isinstance(self.source, GeneratedSource):  # reading only; what is generated is known by its parameters
            self.source.prepare()
        manifest = self.source.manifest()
        self.extra = {}
        if self.config["mode"] in ("evaluate", "audit") and self.config["checkpoint"]:
            self.extra = {"checkpoint": file_digest(Path(self.config["checkpoint"]))}
        if self.config["mode"] == "audit":
            self.extra["audit"] = self.config["audit"]
        if self.config["reconstructor"]:
            initial_network(self.config)  # it is told before anything is written if this fails
            file = source_file(self.config["reconstructor"])
            self.extra["reconstructor"] = "unknown" if file is None else file_digest(file)
        self.key = identity(self.config, manifest, self.extra)
        folder = self.config["run_dir"]
        self.run = RunDirectory(Path(folder) if folder else _default_folder(self.config, self.key))

    def _check_sizes(self) -> None:
        """SSIM needs images as large as its window; signals of one column have none, and need none."""
        splits: list[Split] = [self.config["evaluation"]["split"]]
        splits += ["val"] if self.config["mode"] in TRAINING else []
        for images in map(self.source.images, splits):
            for i in range(len(images)):
                height, width = images.shape(i)
                if width > 1 and min(height, width) < SSIM_WINDOW:
                    raise InputError(
                        f"image {images[i].sample} of {height} x {width} pixels is smaller than the SSIM window",
                        "dataset",
                        f"give images of at least {SSIM_WINDOW} x {SSIM_WINDOW} pixels",
                    )

    def go(self) -> dict[str, Any]:
        """Run, continue or skip; everything is checked before the first file is written.

        Returns
        -------
        dict
            The run's record, with its folder under `folder`.
        """
        earlier = self._look()
        if self._is_done(earlier):
            return self._skip(earlier)
        devices = max(self.config["trainer"]["devices"], world()) if self.config["mode"] in TRAINING else 1
        self._check_devices(devices)
        if rank() == 0:
            self.run.refuse_early()
        self._check_parts()
        if isinstance(self.source, GeneratedSource):
            with writing(self.source.directory):
                self.source.prepare()
        self.data_hash = digest(self.source.manifest())
        self._check_sizes()
        if self.config["reconstructor"]:
            images, seed = self.source.images(self.config["evaluation"]["split"]), self.config["dataset"]["seed"]
            trial(initial_network(self.config), images, self.acquisition, seed, self.device)
        if devices > 1:
            self._check_shares(devices)
            if world() == 1:
                return self._launch(devices)
        for note in (*self.job.notes, *self.source.notes()):
            tell(note)
        if rank() > 0:
            self._train_or_load(initial_network(self.config), lambda row: None)
            return earlier.record
        self.run.claim()
        begun = earlier.found
        try:
            earlier = self._look()  # again: until now another process may have been at work there
            begun = earlier.found
            if self._is_done(earlier):
                return self._skip(earlier)
            if earlier.found and not earlier.record:
                tell(f"run.json cannot be read, and is made anew: {self.run.path}")
            self.run.sweep_up()
            with writing(self.run.path):
                return self._run_claimed(earlier)
        except InputError:
            if not begun and not any(self.run.checkpoints.glob("*.ckpt")):
                self.run.withdraw()
            raise
        finally:
            self.run.release()

    def _look(self) -> Earlier:
        """What the folder holds; another run is refused, unless it is to be replaced."""
        if rank() > 0:  # the leader decides, and may be changing it already
            record = self.run.read_record()
            return Earlier(record, bool(record), record.get("config_hash") == self.key)
        earlier = look(self.run, self.key, self.config)
        if earlier.found and not earlier.same and not self.config["force"]:
            raise InputError(
                f"the folder holds another run ({self._difference()})",
                f"run_dir={self.run.path}",
                "choose another folder, or force=true to replace it",
            )
        if earlier.found:
            self._refuse_loss(begins_again=not earlier.same or self.config["force"] or not self.config["resume"])
        return earlier

    def _refuse_loss(self, begins_again: bool) -> None:
        """Refuse to replace an earlier run whose files this one reads, or whose folders lie elsewhere.

        Raises
        ------
        InputError
            Naming what would be lost.
        """
        own = {path.resolve() for path in self.run.own_files()}
        for key, value in leaves(self.config):
            reads = isinstance(value, str) and (key == "checkpoint" or key.endswith(".source"))
            if reads and Path(value).resolve() in own:
                raise InputError("the run would remove what it reads", f"{key}={value}", "choose another run_dir")
        linked = self.run.linked_folders() if begins_again else []
        if linked:
            what = "the earlier run cannot be replaced, since this folder of it is a link to another place"
            raise InputError(what, str(linked[0]), "choose another run_dir, or take the link away")

    def _is_done(self, earlier: Earlier) -> bool:
        """Whether the run was finished, and what it measured is as it was.

        Raises
        ------
        CheckFailed
            If it is not, and nothing is left to make it from.
        """
        if not earlier.same or earlier.record.get("status") != "finished" or self.config["force"]:
            return False
        changed = damaged(self.run, earlier.record)
        if not changed:
            return True
        some = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        if self.config["mode"] in TRAINING and not self._has_checkpoints():
            raise CheckFailed(
                f"damaged since the run was finished, and no checkpoint is left to make it from, {some} "
                f"in {self.run.path}: force=true trains again"
            )
        if self.run.claimed:
            tell(f"damaged since the run was finished, and made anew: {some}")
        return False

    def _skip(self, earlier: Earlier) -> dict[str, Any]:
        tell(f"already finished: {self.run.path} (force=true repeats it)")
        return {**earlier.record, "folder": str(self.run.path), "skipped": True}

    def _has_checkpoints(self) -> bool:
        return has_own(self.run, self.key, same_settings(self.config))

    def _check_devices(self, count: int) -> None:
        """Whether there are as many devices, and a share of every batch for each, as far as the settings show."""
        if count == 1:
            return
        found = torch.cuda.device_count()
        if self.device.type == "cuda" and local_world() == 1 and count > found:
            raise InputError(f"{count} of {found} CUDA devices", "trainer.devices", f"use {found} or fewer")
        dataset = self.config["dataset"]
        for split, node in (("train", "trainer"), ("val", "evaluation")):
            images = (dataset.get("samples") or dataset.get("volumes") or {}).get(split) or 0
            number = images * dataset.get("slices", 1) if isinstance(self.source, GeneratedSource) else 0
            self._check_share(split, node, number, count)

    def _check_share(self, split: str, node: str, number: int, count: int) -> None:
        """Whether the smallest batch of so many images of one shape can be shared; 0 if their number is not known."""
        batch_size = self.config[node]["batch_size"]
        smallest = min(number % batch_size or batch_size, number or batch_size)
        if smallest < count:
            raise InputError(
                f"a batch of {smallest} {split} images cannot be shared by {count} processes",
                f"{node}.batch_size",
                "choose one whose last batch is larger, or lower trainer.devices",
            )

    def _check_parts(self) -> None:
        """Build everything that is needed later: a mistake is told before anything is written."""
        build(self.config, "attack")
        for name in self.config["shift"]:
            build(self.config, f"shift.{name}")
        if self.config["mode"] in TRAINING:
            build(self.config, "strategy")
            initial_network(self.config)
        elif not self.config["reconstructor"]:  # which is loaded by now
            load_weights(initial_network(self.config), read_checkpoint(Path(self.config["checkpoint"])))

    def _check_shares(self, count: int) -> None:
        """Every process needs a sample of every batch."""
        for split, node in (("train", "trainer"), ("val", "evaluation")):
            images = self.source.images("train" if split == "train" else "val")
            for number in Counter(images.shape(i) for i in range(len(images))).values():
                self._check_share(split, node, number, count)

    def _launch(self, count: int) -> dict[str, Any]:
        """Run in several processes on this machine."""
        code = distributed.launch(self.job.overrides, count)
        if code not in set(ExitCode):
            raise ResourceError(f"one of {count} processes was killed (exit {code}): run the same command again")
        found = {**self.run.read_record(), "folder": str(self.run.path), "exit_code": code}
        return found if code == 0 else found | {"error": f"one of {count} processes ended with {code}"}

    def _difference(self) -> str:
        """How this configuration differs from the one in the folder."""
        there, here = dict(leaves(self.run.read_config())), dict(leaves(self.config))
        keys = [key for key in sorted(there.keys() | here.keys()) if there.get(key) != here.get(key) and decides(key)]
        shown = "; ".join(f"{key} is {there.get(key)} there, {here.get(key)} here" for key in keys[:5])
        more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
        return shown + more or "of other data or another version of this program"

    def _goes_on(self, earlier: Earlier) -> bool:
        """Whether the run goes on from checkpoints of an earlier one; says so if there is one and it does not."""
        if not earlier.found:
            return False
        wanted = earlier.same and self.config["resume"] and not self.config["force"]
        if wanted and earlier.record.get("diverged"):
            tell("beginning again: the earlier run diverged")
        elif wanted and self.config["mode"] in TRAINING:
            if self._has_checkpoints():
                return True
            tell("beginning at epoch 0: the earlier run left no intact checkpoint")
        return False

    def _run_claimed(self, earlier: Earlier) -> dict[str, Any]:
        network = initial_network(self.config)
        going_on = self._goes_on(earlier)
        record = earlier.record if going_on else {}
        removed = self.run.start(
            self.config,
            {
                "status": "running",
                "config_hash": self.key,
                "data_hash": self.data_hash,
                "content_hash": self.source.content_hash(),
                "seed": self.config["seed"],
                "commit": provenance.commit(),
                "versions": provenance.versions(),
                "device": torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else str(self.device),
                "machine": provenance.machine(),
                "threads": torch.get_num_threads(),
                "processes": world(),
                "workers": self.config["trainer"]["workers"],
                "deterministic": self.config["trainer"]["deterministic"] or self.device.type == "cpu",
                "started": record.get("started", _now()),
                "parameters": sum(p.numel() for p in network.parameters()),
                "command": shlex.join(["python", "run.py", *self.job.overrides]),
                "experiment": self.job.experiment,
                "data": "synthetic" if self.source.synthetic else "real",
                "trained": record.get("trained", False),
                "wall_s": record.get("wall_s", 0.0),
                **({"acceleration": a} if (a := self._acceleration()) else {}),
                **self.extra,
            },
            afresh=not going_on,
        )
        if removed:
            tell(f"removed {removed} files of the earlier run: {self.run.path}")
        name = f"{self.config['task']} {self.run.path.parent.name} {self.run.path.name}"
        tracker = Tracker(self.config["logger"], self.run.path, name, self.config, tell)
        if self.device.type == "cpu" and self.config["trainer"]["reuse_memory"]:
            reuse_freed()
        forget_peak()
        self.began, self.before = time.perf_counter(), self.run.record["wall_s"]
        failed = True
        try:
            self._train_or_load(network, tracker.scalars)
            if self.config["mode"] == "audit":
                self._audit(network)
            else:
                result = self._evaluate(network)
                report(self.config, result, self.run, tracker, self.source.synthetic)
                if self.config["mode"] == "tune":
                    self._score(result)
                if self.config["mode"] == "train":
                    best = read_checkpoint(self.run.checkpoints / "best.ckpt")
                    write_model(self.run.path / "model", best, self.run.record, result.summary)
            self._close("finished")
            failed = False
        except BaseException as error:
            trouble = isinstance(as_run_error(error), Interrupted | ResourceError) or isinstance(error, OSError)
            with suppress(OSError):  # a full disk must not hide what happened
                if isinstance(error, Diverged):
                    self.run.record["diverged"] = True  # the same command begins again; after anything else it goes on
                self._close("interrupted" if trouble else "failed")
            raise
        finally:
            tracker.finish(failed)
        return {**self.run.record, "folder": str(self.run.path)}

    def _acceleration(self) -> dict[str, float] | None:
        return _actual_acceleration(self.source, self.acquisition, self.config["dataset"]["seed"])

    def _close(self, status: str) -> None:
        wall = self.before + time.perf_counter() - self.began
        if status == "finished":
            self.run.record["files"] = hashes(self.run.path)
        self.run.update(status=status, ended=_now(), wall_s=round(wall, 2), peak_memory_mib=round(peak_mib(), 1))

    def _train_or_load(self, network: Reconstructor, log: Callable[[dict[str, Any]], None]) -> None:
        if self.config["reconstructor"]:
            return
        if self.config["mode"] in ("evaluate", "audit"):
            load_weights(network, read_checkpoint(Path(self.config["checkpoint"])))
            return
        with stop.patiently():  # a signal in the middle of an import can be lost
            from sgdj.training.fit import train  # Lightning takes seconds to import
        stop.check()

        text = OmegaConf.to_yaml(OmegaConf.create(self.config))
        strategy = build(self.config, "strategy")
        train(
            self.config, text, network, strategy, self.source, self.acquisition, self.run, self.key, log, tell,
            same_settings(self.config),
        )  # fmt: skip
        if rank() == 0:
            figures.training_curve(self.run.metrics(), self.run.figures / "training.png")

    def _score(self, result: Result) -> None:
        """Keep what levels are chosen by: the mean of clean and attacked PSNR on the validation data."""
        measured = result.summary["network"]
        means = [measured[name]["psnr"]["mean"] for name in ("clean", self.config["attack"]["name"])]
        if any(mean is None or not math.isfinite(mean) for mean in means):
            tell("no score: a PSNR on the validation data is not finite")
            return
        score = sum(means) / 2
        self.run.update(score=round(score, 6))
        print(f"score, mean of clean and attacked PSNR on the validation data: {score:.3f} dB", flush=True)

    def _audit(self, network: Reconstructor) -> None:
        config = self.config
        who = config["reconstructor"] or f"{config['architecture']['name']}, {config['strategy']['name']}"
        found = audit(
            f"Audit: {config['task']}, {who}",
            network.to(self.device),
            self.source.images(config["evaluation"]["split"]),
            self.acquisition,
            build(config, "attack"),
            seed=config["dataset"]["seed"],
            settings=config["audit"],
            device=self.device,
            tell=lambda name: say(f"checking: {name}", sys.stderr),
        )
        write_audit(found, self.run.evaluation)
        show(audit_table(found.checks, found.title))
        print("\n".join([found.jacobian, *(f"network: {note}" for note in found.notes)]))
        self.run.update(exit_code=int(ExitCode.CHECK_FAILED if found.failed else ExitCode.DONE))
        say(f"run directory: {self.run.path}")

    def _evaluate(self, network: Reconstructor) -> Result:
        config = self.config
        start = getattr(network, "start", "adjoint")
        network = network.to(self.device)
        result = evaluate(
            {"network": network, "zero_filled": StartingPoint(start).to(self.device)},
            self.source.images(config["evaluation"]["split"]),
            self.acquisition,
            conditions(
                (config["attack"]["name"], build(config, "attack")),
                {name: build(config, f"shift.{name}") for name in config["shift"]},
                config["evaluation"],
            ),
            seed=config["dataset"]["seed"],
            settings=config["evaluation"],
            device=self.device,
            volume_metrics=self.source.fastmri_layout,
            workers=config["trainer"]["workers"],
        )
        self.run.write_rows("samples.csv", COLUMNS, result.rows)
        self.run.write_json("summary.json", result.summary)
        return result


def run(job: Job) -> dict[str, Any]:
    """Run a checked job to its end; see `Run`, `sgdj.reconstruction.files` and `sgdj.runs.verification`."""
    if job.config["mode"] == "verify":
        return verify(Path(job.config["run_dir"]))
    return reconstruct_files(job.config) if job.config["mode"] == "reconstruct" else Run(job).go()
