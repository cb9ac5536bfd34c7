"""Measure a training step of the paper's MRI network in several ways of computing, and project a whole training.

Meant for a GPU: 320 x 320 pixels, batch 2, K = 5 and 10, DnCNN of 8 layers with 64 features. Eager float32 is what the
others are compared with, all in turn; how far each way's first reconstruction is from it stands beside. A way in which
the machine cannot compute is named with the reason. Writes results/performance/paper_scale.json.

python -m scripts.benchmarks.paper_scale --device cuda
python -m scripts.benchmarks.paper_scale --device cpu --quick      # small sizes; nothing is written
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scripts.benchmarks.alternate import alternate, compare, medians
from scripts.benchmarks.contestants import Case, Ours
from scripts.benchmarks.peers import relative_difference
from scripts.common import Parser, number, origin, status
from sgdj.errors import first_line
from sgdj.networks import Unrolled
from sgdj.networks.precision import computing_in
from sgdj.runtime.devices import torch_device
from sgdj.runtime.text import markdown_table
from sgdj.runtime.writing import write_atomically

CASES = tuple(Case("mri", (320, 320), 2, 8, 64, 5, iterations=K) for K in (5, 10))
_QUICK = (Case("mri", (32, 32), 2, 3, 8, 2, iterations=2),)
#: Number of gradient steps of the published training.
PUBLISHED_STEPS = 13_000


@dataclass(frozen=True)
class Way:
    """Way of computing a training step.

    Parameters
    ----------
    name
        Name of the way, in words for a table.
    precision
        Number format of the learned part, "32" or "bf16".
    tf32
        Whether a GPU rounds the factors of float32 products to TF32.
    compiled
        Whether torch.compile fuses the learned part.
    graph
        Whether the whole step is replayed from a CUDA graph.
    """

    name: str
    precision: str = "32"
    tf32: bool = False
    compiled: bool = False
    graph: bool = False


WAYS = (
    Way("eager float32"),
    Way("TF32", tf32=True),
    Way("bf16", "bf16", tf32=True),
    Way("bf16, compiled", "bf16", tf32=True, compiled=True),
    Way("bf16, CUDA graph", "bf16", tf32=True, graph=True),
    Way("bf16, compiled, CUDA graph", "bf16", tf32=True, compiled=True, graph=True),
)


@contextmanager
def _products(tf32: bool) -> Iterator[None]:
    """Let float32 products round to TF32, or not, for the length of the context."""
    flags = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [one.allow_tf32 for one in flags]
    for one in flags:
        one.allow_tf32 = tf32
    try:
        yield
    finally:
        for one, allowed in zip(flags, before, strict=True):
            one.allow_tf32 = allowed


class Training:
    """Training of a case's network on the mean squared error, in one way of computing.

    Parameters
    ----------
    case
        Problem that is solved.
    way
        Way of computing.
    device
        Device to compute on.
    """

    def __init__(self, case: Case, way: Way, device: torch.device) -> None:
        self.way, self.device, self.ours = way, device, Ours(case)
        self.network: Unrolled = case.network().to(device)
        self.ours.network = self.ours._unrolled = self.network
        self.ours.batch = self.ours.batch.to(device)
        self.ours.optimizer = torch.optim.Adam(self.network.parameters(), 1e-5, capturable=way.graph)
        with self._computing(), torch.no_grad():
            self.first = self.ours.reconstruct().clone()
        if way.compiled:
            self.network.learned.compile()
        self._replay = self._captured() if way.graph else None

    @contextmanager
    def _computing(self) -> Iterator[None]:
        with _products(self.way.tf32), computing_in(self.way.precision, self.network):
            yield

    def _captured(self) -> Callable[[], None]:
        """Record a step as a CUDA graph, after steps on a stream of its own that warm up."""
        aside = torch.cuda.Stream(self.device)
        aside.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(aside), self._computing():
            for _ in range(3):
                self.ours.step("mse")
        torch.cuda.current_stream(self.device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph), self._computing():
            self.ours.step("mse")
        return graph.replay

    def step(self) -> None:
        """Do one step, and wait for it."""
        if self._replay is not None:
            self._replay()
        else:
            with self._computing():
                self.ours.step("mse")
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def measure(case: Case, device: torch.device, rounds: int) -> dict[str, Any]:
    """Measure a step in every way that the machine can compute in.

    Parameters
    ----------
    case
        Problem that is solved.
    device
        Device to compute on.
    rounds
        Number of measurements of each way.

    Returns
    -------
    dict
        By way: seconds, ratio to eager float32, relative difference of the first reconstruction, and hours of a
        training of the published length; or the reason why it was not measured.
    """
    ready: dict[str, Training] = {}
    found: dict[str, Any] = {}
    for way in WAYS:
        try:
            training = Training(case, way, device)
            training.step()
            ready[way.name] = training
        except Exception as error:  # compilers and drivers raise what they like
            found[way.name] = {"missing": f"{type(error).__name__}: {first_line(error)}"}
    spent = alternate({name: one.step for name, one in ready.items()}, rounds)
    base = WAYS[0].name
    for name, one in ready.items():
        seconds = medians(spent[name])["wall"]
        found[name] = {
            "seconds": seconds,
            "ratio": compare(spent[name], spent[base])["wall"],
            "difference": relative_difference(one.first, ready[base].first),
            "hours": seconds * PUBLISHED_STEPS / 3600,
        }
    return {way.name: found[way.name] for way in WAYS}


def table(found: dict[str, Any]) -> str:
    """Tabulate one case in Markdown."""
    lines = []
    for name, one in found.items():
        if "missing" in one:
            lines.append((name, "—", "—", "—", "—", one["missing"]))
            continue
        ratio = one["ratio"]
        interval = "" if ratio["low"] is None else f" [{ratio['low']:.2f}, {ratio['high']:.2f}]"
        lines.append(
            (name, f"{1000 * one['seconds']:.1f} ms", f"{ratio['ratio']:.2f}{interval}", f"{one['difference']:.0e}",
             f"{one['hours']:.2f} h", "")
        )  # fmt: skip
    return markdown_table(
        ("", "step", "over eager float32", "difference of x̂", f"{PUBLISHED_STEPS} steps", "not measured"), lines
    )


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python -m scripts.benchmarks.paper_scale", __doc__)
    made.add_argument("--rounds", type=number(int, 1), default=9, help="turns of every way (%(default)s)")
    made.add_argument("--device", default="auto", help="device to compute on: auto, cpu, cuda, cuda:N (%(default)s)")
    made.add_argument("--quick", action="store_true", help="small sizes; nothing is written")
    return made


def main(arguments: list[str]) -> int:
    """Measure every case, print the tables, and write the record."""
    options = parser().parse_args(arguments)
    device = torch_device(options.device)
    found: dict[str, Any] = {"device": device.type, "rounds": options.rounds, "cases": {}}
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
    for case in _QUICK if options.quick else CASES:
        measured = found["cases"][case.name] = measure(case, device, options.rounds)
        print(f"{case.name}, {found.get('gpu', device.type)}:\n\n{table(measured)}\n")
    found |= origin("python -m scripts.benchmarks.paper_scale", arguments)
    if not options.quick:
        path = Path("results/performance/paper_scale.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(found, indent=1).encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
