"""Measure what things cost, beside the plain implementation and beside the floor.

python -m scripts.benchmarks.bench --quick

One process; ours and plain in turn, medians, ratios of medians. Writes results/performance/bench.json and
results/performance.md. `--quick` tries everything at small sizes and writes nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scripts.benchmarks.plain import Plain, PlainConvolution, PlainFourier, pgd, squared_error
from scripts.common import Parser, number, origin, status
from sgdj.attacks import PGD
from sgdj.data.batch import Batch
from sgdj.networks import DnCNN, GradientDescent, StepSize
from sgdj.operators import CartesianFourier, Convolution
from sgdj.operators.wavelets import ricker
from sgdj.runtime.draws import Draws
from sgdj.runtime.memory import forget_peak, peak_mib, reuse_freed
from sgdj.strategies import MSE, Adversarial, InputJitter, Jitter

ROOT = Path(__file__).resolve().parents[2]


def in_turn(functions: dict[str, Callable[[], Any]], repeats: int, least: float = 0.2) -> dict[str, float]:
    """Measure the median seconds of each function, called in turn.

    Short ones are repeated for `least` seconds per measurement.
    """
    counts = {}
    for name, function in functions.items():
        spent, calls = 0.0, 0
        while calls == 0 or (calls < 2 and spent < least):  # the first one warms up
            began = time.perf_counter()
            function()
            spent, calls = time.perf_counter() - began, calls + 1
        counts[name] = max(1, round(least / max(spent, 1e-9)))
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            began = time.perf_counter()
            for _ in range(counts[name]):
                function()
            times[name].append((time.perf_counter() - began) / counts[name])
    return {name: median(values) for name, values in times.items()}


class Problem:
    """An MRI problem with a network, in this project's and in the plain implementation.

    Parameters
    ----------
    size
        Side N of the images, in pixels.
    batch
        Number of images per batch.
    iterations
        Number of iterations K.
    layers
        Number of layers of the learned part.
    features
        Number of channels of its hidden layers.
    checkpointing
        Whether to recompute iterations for the gradient; see `sgdj.networks.Unrolled`.
    """

    def __init__(
        self, size: int, batch: int, iterations: int, layers: int, features: int, checkpointing: bool = False
    ) -> None:
        torch.manual_seed(0)
        lines = torch.zeros(size, dtype=torch.bool)
        lines[::5], lines[size // 2 - size // 25 : size // 2 + size // 25] = True, True
        self.operator, self.slow = CartesianFourier(lines), PlainFourier(lines)
        self.x = torch.randn(batch, 1, size, size, dtype=torch.complex64) / 3
        self.y = self.operator.forward(self.x)
        names = tuple(map(str, range(batch)))
        self.batch = Batch(self.x, self.y, self.operator, names, names)
        learned = DnCNN(2, layers, features, 4, residual=False)
        step = StepSize("exp", 1.0, -1.0, True)
        self.network = GradientDescent(learned, step, iterations, "adjoint", checkpointing=checkpointing)
        self.plain = Plain(self.network)
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-5)

    def step(self, loss: Callable[[], Tensor]) -> Callable[[], None]:
        """Return a function that does one optimiser step on a loss."""

        def step() -> None:
            self.optimizer.zero_grad()
            loss().backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()

        return step


def operators(size: int, batch: int, repeats: int) -> dict[str, dict[str, float]]:
    """Measure gram and adjoint of both imaging operators."""
    problem = Problem(size, batch, 1, 3, 4)
    z = torch.randn(batch, 1, size, size)
    fast, slow = Convolution(ricker(51, 4.0), size), PlainConvolution(ricker(51, 4.0))
    found = {}
    for name, one, other, x in (
        ("Fourier", problem.operator, problem.slow, problem.x),
        ("convolution", fast, slow, z),
    ):
        pairs: dict[str, dict[str, Callable[[], Any]]] = {
            "gram": {
                "ours": lambda one=one, x=x: one.gram(x),  # type: ignore[misc]
                "plain": lambda other=other, x=x: other.adjoint(other.forward(x)),  # type: ignore[misc]
            },
            "adjoint": {
                "ours": lambda one=one, x=x: one.adjoint(x),  # type: ignore[misc]
                "plain": lambda other=other, x=x: other.adjoint(x),  # type: ignore[misc]
            },
        }
        for what, functions in pairs.items():
            found[f"{what}, {name}"] = in_turn(functions, repeats)
    return found


def steps(problem: Problem, repeats: int, attack_steps: int) -> dict[str, dict[str, float]]:
    """Measure a reconstruction, an attack and one training step per strategy."""
    network, plain, batch, x, y = problem.network, problem.plain, problem.batch, problem.x, problem.y
    draws = Draws(0)
    attack = PGD(rho=0.03, steps=attack_steps, step_size=2.0, restarts=1, random_start=False)
    short = PGD(rho=0.03, steps=5, step_size=2.0, restarts=1, random_start=False)

    def without_gradient(function: Callable[[], Any]) -> Callable[[], Any]:
        def call() -> Any:
            with torch.no_grad():
                return function()

        return call

    def plain_loss(delta: Tensor | None = None) -> Tensor:
        return squared_error(plain(y if delta is None else y + delta, problem.slow), x).mean()

    def plain_adversarial() -> Tensor:
        return plain_loss(pgd(plain, x, y, problem.slow, 0.03, attack_steps, 2.0))

    def plain_jitter() -> Tensor:
        perturb = Jitter(0.01, "relative", True).perturb(network, batch, draws.at(0))
        return squared_error(plain(y, problem.slow, perturb), x).mean()

    def ours(strategy: Any) -> Callable[[], None]:
        return problem.step(lambda: strategy.loss(network, batch, draws.at(0)))

    return {
        "reconstruction": in_turn(
            {
                "ours": without_gradient(lambda: network(y, problem.operator)),
                "plain": without_gradient(lambda: plain(y, problem.slow)),
            },
            repeats,
        ),
        "training step, MSE and jittering": in_turn(
            {
                "ours": ours(MSE()),
                "plain": problem.step(plain_loss),
                "jitter": ours(Jitter(0.01, "relative", True)),
                "plain jitter": problem.step(plain_jitter),
                "input jitter": ours(InputJitter(0.01)),
            },
            repeats,
        ),
        "attack of 5 steps": in_turn(
            {
                "ours": lambda: short(network, batch, draws),
                "plain": lambda: pgd(plain, x, y, problem.slow, 0.03, 5, 2.0),
            },
            repeats,
        ),
        f"training step, adversarial, {attack_steps} steps": in_turn(
            {"ours": ours(Adversarial(attack)), "plain": problem.step(plain_adversarial)}, min(repeats, 2)
        ),
    }


def floor(problem: Problem, repeats: int) -> dict[str, float]:
    """Measure the time of a reconstruction's convolutions at the rate of the network's own widest layer."""
    convolutions = [m for m in problem.network.modules() if isinstance(m, torch.nn.Conv2d)]
    widest = max(convolutions, key=lambda c: c.in_channels * c.out_channels)
    batch, _, height, width = problem.x.shape
    z = torch.randn(batch, widest.in_channels, height, width)

    def work(c: torch.nn.Conv2d) -> float:
        return 2.0 * c.in_channels * c.out_channels * 9 * height * width * batch

    with torch.no_grad():
        seconds = in_turn({"convolution": partial(widest, z)}, repeats)["convolution"]
        gradient = torch.randn_like(widest(z))

    def backward(*wanted: bool) -> Callable[[], Any]:
        settings = ([1, 1], [1, 1], [1, 1], False, [0, 0], 1)
        return lambda: torch.ops.aten.convolution_backward(
            gradient, z, widest.weight, None, *settings, [*wanted, False]
        )

    by = in_turn({"input": backward(True, False), "weight": backward(False, True)}, repeats)
    block = torch.empty(2**26)
    copied = in_turn({"copy": block.clone}, repeats)["copy"]
    rate = work(widest) / seconds
    operations = problem.network.iterations * sum(map(work, convolutions))
    features = sum(c.out_channels for c in convolutions) * height * width * batch * 4
    return {
        "convolution_gflops": rate / 1e9,
        "convolution_s": seconds,
        "input_gradient_s": by["input"],
        "weight_gradient_s": by["weight"],
        "copy_gb_per_s": 2 * block.numel() * 4 / copied / 1e9,
        "reconstruction_gflop": operations / 1e9,
        "reconstruction_s": operations / rate,
        "elementwise_s": problem.network.iterations * 4 * features / (2 * block.numel() * 4 / copied),
    }


def step_memory(size: int, iterations: int, layers: int, features: int, checkpointing: bool) -> float:
    """Measure the peak resident memory of this process in a training step, in MiB above that before it."""
    torch.set_num_threads(2)
    reuse_freed()
    problem = Problem(size, 2, iterations, layers, features, checkpointing)
    forget_peak()
    before = peak_mib()
    problem.step(lambda: MSE().loss(problem.network, problem.batch, Draws(0)))()
    return peak_mib() - before


def memory(size: int, layers: int, features: int, counts: list[int]) -> dict[str, dict[str, float]]:
    """Measure `step_memory` in processes of their own, by K, without and with checkpointing."""
    found: dict[str, dict[str, float]] = {}
    for checkpointing in (False, True):
        for k in counts:
            given = f"{size}, {k}, {layers}, {features}, {checkpointing}"
            program = f"from scripts.benchmarks.bench import step_memory; print(step_memory({given}))"
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
            found.setdefault("checkpointing" if checkpointing else "plain", {})[str(k)] = float(done.stdout)
    return found


def reading(repeats: int, volumes: int, shape: tuple[int, int, int]) -> dict[str, float]:
    """Measure slices per second from files in the fastMRI layout: first read, and from memory."""
    from sgdj.data.fastmri import FastMRISource
    from sgdj.data.fastmri_layout import write_volume

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for i in range(volumes):
            kspace = rng.normal(size=shape) + 1j * rng.normal(size=shape)
            path = Path(folder) / f"{i}.h5"
            write_volume(path, kspace, (min(shape[1:]), min(shape[1:])), acquisition="A", patient_id=str(i))
        everything = dict.fromkeys(("train", "val", "test"))
        source = FastMRISource(folder, 0, None, None, "complex", "none", everything, 8.0)
        began = time.perf_counter()
        source.prepare()  # reads every slice, to check it
        prepared = time.perf_counter() - began
        count = volumes * shape[0]

        def read(images: Any) -> None:
            for i in range(count):
                images[i]

        images = source.images("test")
        cached = in_turn({"cached": lambda: read(images)}, repeats)["cached"]
    return {"first": count / prepared, "cached": count / cached}


def start_up(repeats: int) -> dict[str, float]:
    """Measure the seconds of `--help` and of a bad-input error, as whole processes."""

    def call(*arguments: str) -> Callable[[], Any]:
        command = [sys.executable, str(ROOT / "run.py"), *arguments]
        return lambda: subprocess.run(command, capture_output=True, check=False)

    return in_turn({"help": call("--help"), "bad input": call("trainer.lrr=1")}, repeats, 0.0)


def measure(repeats: int, quick: bool) -> dict[str, Any]:
    """Run all measurements."""
    size, layers, features = (48, 4, 16) if quick else (160, 8, 64)
    problem = Problem(size, 2, 5, layers, features)
    found: dict[str, Any] = {"setting": {"size": size, "batch": 2, "K": 5, "layers": layers, "features": features}}
    sides = (size,) if quick else (160, 320)
    found["operators"] = {f"{what}, {n}²": t for n in sides for what, t in operators(n, 2, repeats).items()}
    found["steps"] = steps(problem, repeats, 3 if quick else 20)
    found["floor"] = floor(problem, repeats)
    sizes = (48, 4, 16, [1, 2]) if quick else (320, 8, 64, [1, 2, 5, 10])
    found["memory"] = {"size": sizes[0], "mib": memory(*sizes)}
    found["reading"] = reading(repeats, 2, (4, 48, 40) if quick else (20, 640, 368))
    found["start_up"] = start_up(2 if quick else repeats)
    return found


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python -m scripts.benchmarks.bench", __doc__)
    made.add_argument("--repeats", type=number(int, 1), default=5, help="measurements of each time (%(default)s)")
    made.add_argument("--quick", action="store_true", help="small sizes; nothing is written")
    return made


def main(arguments: list[str]) -> int:
    """Measure everything, and write the results."""
    options = parser().parse_args(arguments)
    torch.set_num_threads(os.cpu_count() or 1)
    reuse_freed()  # as in a run
    found = measure(options.repeats, options.quick)
    from scripts.benchmarks.performance import markdown, write

    found |= origin("python -m scripts.benchmarks.bench", arguments) | {"threads": torch.get_num_threads()}
    found["demo_s"] = json.loads((ROOT / "results" / "demo" / "run.json").read_text())["wall_s"]
    print(markdown(found))
    if not options.quick:
        write(Path("results"), found)
    return 0


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
