"""Measure how time and memory grow, fit a cost model, and say what follows from it.

python -m scripts.benchmarks.scaling --quick

Writes results/performance/scaling.json, results/performance/scaling.png and results/scaling.md. `--quick` tries
everything at small sizes and writes nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from scripts.common import Parser, number, origin, status

ROOT = Path(__file__).resolve().parents[2]

#: (N, B, K) that the model is fitted on, and those it must predict: the last are the paper's own.
FITTED = {
    "mri": [
        (64, 2, 5), (96, 1, 3), (96, 2, 2), (96, 4, 4), (96, 2, 8), (128, 2, 5), (160, 1, 2), (160, 2, 5), (224, 2, 2),
    ],
    "seismic": [(64, 2, 5), (96, 2, 2), (128, 1, 10), (128, 2, 5), (192, 2, 3), (224, 1, 8), (224, 2, 5)],
}  # fmt: skip
HELD_OUT = {"mri": [(224, 2, 5), (320, 2, 10)], "seismic": [(352, 2, 10)]}
QUICK = [(24, 2, 1), (32, 1, 3)]


def one_step(task: str, size: int, batch: int, iterations: int, repeats: int, *more: str) -> dict[str, float]:
    """Measure seconds and memory of a training step of a configured network on random images."""
    import torch

    from sgdj.config.instantiate import build
    from sgdj.data.batch import Image
    from sgdj.data.loader import Measure
    from sgdj.jobs.composition import parse
    from sgdj.jobs.load import load
    from sgdj.runtime.draws import Draws
    from sgdj.runtime.memory import forget_peak, peak_mib, reuse_freed

    torch.set_num_threads(os.cpu_count() or 1)
    settings = load(parse([f"task={task}", "scale=paper", f"architecture.iterations={iterations}", *more])).settings
    if settings.trainer.reuse_memory:
        reuse_freed()
    torch.manual_seed(0)
    network, strategy = build(settings, "architecture"), build(settings, "strategy")
    dtype = torch.complex64 if task == "mri" else torch.float32
    images = [Image(torch.randn(1, size, size, dtype=dtype) / 3, str(i), str(i)) for i in range(batch)]
    measured = Measure(build(settings, "operator"), Draws(0))(images)
    optimizer = torch.optim.Adam(network.parameters(), 1e-5)

    def step() -> float:
        began = time.perf_counter()
        optimizer.zero_grad()
        strategy.loss(network, measured, Draws(0)).backward()
        optimizer.step()
        return time.perf_counter() - began

    forget_peak()
    before = peak_mib()
    step()
    return {"seconds": median(step() for _ in range(repeats)), "mib": peak_mib() - before}


def _apart(*arguments: Any) -> dict[str, float]:
    """Run `one_step` in a process of its own."""
    program = (
        "import json; from scripts.benchmarks.scaling import one_step; "
        f"print(json.dumps(one_step(*json.loads({json.dumps(arguments)!r}))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def steps(quick: bool, repeats: int) -> list[dict[str, Any]]:
    """Measure training steps of all sizes."""
    found = []
    for task, sizes in FITTED.items():
        fitted, held = (QUICK, [(48, 2, 4)]) if quick else (sizes, HELD_OUT[task])
        for size, batch, iterations in [*fitted, *held]:
            measured = _apart(task, size, batch, iterations, repeats)
            setting = {"task": task, "size": size, "batch": batch, "iterations": iterations}
            found.append(setting | {"held_out": (size, batch, iterations) in held} | measured)
            print(found[-1], flush=True)
    return found


def strategies(quick: bool, repeats: int) -> dict[str, float]:
    """Measure a training step of each strategy."""
    size, k = (24, 2) if quick else (128, 5)
    names = ("mse", "adversarial") if quick else ("mse", "input_jitter", "jitter", "adversarial")
    return {name: _apart("mri", size, 2, k, repeats, f"strategy={name}")["seconds"] for name in names}


def epochs(*overrides: str) -> float:
    """Measure the median seconds per epoch of a run."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "run.py"), "task=mri", "logger=none", "evaluation.panels=0"]
        command += ["epochs=3", "attack.steps=1", "evaluation.curve=[]", "run_dir=run", *overrides]
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
        rows = (Path(folder) / "run" / "metrics.jsonl").read_text().splitlines()
    return median(json.loads(row)["seconds"] for row in rows)


def workers(quick: bool, counts: tuple[int, ...] = (0, 1, 2)) -> dict[str, float]:
    """Measure batches per second, read from files in the fastMRI layout and measured."""
    import numpy as np

    from sgdj.config.instantiate import build
    from sgdj.data.fastmri import FastMRISource
    from sgdj.data.fastmri_layout import write_volume
    from sgdj.data.loader import Measure, batches
    from sgdj.jobs.composition import parse
    from sgdj.jobs.load import load
    from sgdj.runtime.draws import Draws

    shape, volumes = ((4, 48, 40), 2) if quick else ((20, 640, 368), 4)
    rng = np.random.default_rng(0)
    acquisition = build(load(parse(["task=mri"])).settings, "operator")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(volumes):
            kspace = rng.normal(size=shape) + 1j * rng.normal(size=shape)
            write_volume(Path(folder) / f"{i}.h5", kspace, (min(shape[1:]),) * 2, acquisition="A", patient_id=str(i))
        everything = dict.fromkeys(("train", "val", "test"))
        source = FastMRISource(folder, 0, None, None, "complex", "none", everything, 0.0)
        source.prepare()
        for count in counts:
            loader = batches(source.images("test"), Measure(acquisition, Draws(0)), 2, workers=count)
            times = []
            for _ in range(3):
                began = time.perf_counter()
                number = sum(1 for _ in loader)
                times.append((time.perf_counter() - began) / number)
            found[str(count)] = 1 / median(times)
    return found


def measure(repeats: int, quick: bool) -> dict[str, Any]:
    """Run all measurements."""
    scale = ("scale=smoke",) if quick else ("scale=small",)
    counts = (4,) if quick else (48, 96, 192)
    print("reading", flush=True)
    found: dict[str, Any] = {"workers": workers(quick)}
    print("epochs", flush=True)
    found["slices"] = {str(n): epochs(*scale, f"dataset.volumes.train={n}") for n in counts}
    found["processes"] = {
        str(n): epochs(
            *scale,
            "trainer.batch_size=2",
            f"trainer.devices={n}",
            f"trainer.threads={max(1, (os.cpu_count() or 1) // n)}",
        )
        for n in (1, 2)
    }
    print("steps", flush=True)
    found["strategies"] = strategies(quick, repeats)
    large = ("mri", 48, 2, 1, repeats) if quick else ("mri", 320, 2, 2, repeats)
    found["freed"] = {kept: _apart(*large, f"trainer.reuse_memory={kept}") for kept in ("true", "false")}
    found["points"] = steps(quick, repeats)
    return found


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python -m scripts.benchmarks.scaling", __doc__)
    made.add_argument("--repeats", type=number(int, 1), default=3, help="measurements of each time (%(default)s)")
    made.add_argument("--quick", action="store_true", help="small sizes; nothing is written")
    return made


def main(arguments: list[str]) -> int:
    """Measure everything, and write the results."""
    options = parser().parse_args(arguments)
    found = measure(options.repeats, options.quick)
    from scripts.benchmarks.cost_model import markdown, write
    from sgdj.jobs.composition import parse
    from sgdj.jobs.load import load

    found |= origin("python -m scripts.benchmarks.scaling", arguments) | {
        "threads": os.cpu_count(),
        "repeats": options.repeats,
    }
    adversarial = load(parse(["task=mri", "scale=paper", "strategy=adversarial"])).settings.strategy
    found["attack_steps"] = adversarial.get("attack.steps", int)
    found["small_s"] = json.loads((ROOT / "results" / "demo" / "run.json").read_text())["wall_s"]
    print(markdown(found))
    if not options.quick:
        write(Path("results"), found)
    return 0


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
