"""Measure this package beside DeepInverse and beside the networks as the paper's authors write them.

Equal weights, equal outputs (compared before anything is timed), all in turn in one process. Writes
results/performance/peers.json and renews results/performance.md. DeepInverse is looked for in build/peers, or in the
folder that SGDJ_PEERS names.

python -m scripts.benchmarks.peers --rounds 7 --threads 1,2
python -m scripts.benchmarks.peers --quick      # small sizes; nothing is written
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from scripts.benchmarks import deepinverse, readers
from scripts.benchmarks.alternate import Round, alternate, compare, medians
from scripts.benchmarks.contestants import STRATEGIES, Case, Contestant, Ours, peers
from scripts.common import Parser, number, numbers, origin, status
from sgdj.errors import InputError, RunError
from sgdj.runtime.memory import reuse_freed

CASES = (
    *(Case("mri", (64, 64), batch, 5, features, 10) for features in (24, 32) for batch in (1, 4)),
    Case("mri", (64, 64), 4, 5, 32, 10, proximal=True),
    Case("mri", (160, 160), 2, 8, 64, 2, iterations=3),  # fewer of them: an iteration takes seconds, and is the same
    Case("mri", (320, 320), 1, 8, 64, 1, iterations=2),
    Case("seismic", (352, 64), 1, 5, 32, 5),
    Case("seismic", (352, 64), 4, 5, 32, 5),
)
_QUICK = (
    Case("mri", (32, 32), 2, 3, 8, 2), Case("mri", (32, 32), 2, 3, 8, 2, proximal=True),
    Case("seismic", (40, 12), 2, 5, 8, 2),
)  # fmt: skip
_TOLERANCE = 1e-5  # of outputs in single precision, of their largest entry


def relative_difference(a: Tensor, b: Tensor) -> float:
    """Compute the largest difference, relative to the largest entry of b."""
    return float((a - b).abs().max() / b.abs().max())


def differences(case: Case) -> dict[str, float]:
    """Compute how far each peer's reconstructions are from ours, without and with jitter; the larger of the two."""
    ours = Ours(case)
    with torch.no_grad():
        wanted = ours.reconstruct(), ours.jittered()
        return {
            name: max(relative_difference(*pair) for pair in zip((p.reconstruct(), p.jittered()), wanted, strict=True))
            for name, p in peers(case).items()
        }


def _inference(contestant: Contestant) -> None:
    with torch.no_grad():
        contestant.reconstruct()


def _summary(spent: dict[str, list[Round]]) -> dict[str, Any]:
    """Collect median seconds of everybody, and ratios of ours to each of the others'."""
    ratios = {name: compare(spent["ours"], rounds) for name, rounds in spent.items() if name != "ours"}
    return {"seconds": {name: medians(rounds) for name, rounds in spent.items()}, "ratios": ratios}


def measure(case: Case, rounds: int, least: float = 0.2) -> dict[str, Any]:
    """Measure inference, attack and one training step per strategy.

    Parameters
    ----------
    case
        Problem that is solved.
    rounds
        Number of measurements of each work.
    least
        Shortest measurement, in seconds; see `alternate`.

    Returns
    -------
    dict
        Differences of the outputs by peer, and seconds and ratios by work.

    Raises
    ------
    RunError
        If somebody's outputs differ from ours.
    """
    apart = differences(case)
    for name, difference in apart.items():
        if not difference < _TOLERANCE:
            raise RunError(f"outputs of {name} differ by {difference:.1e} from ours, {case.name}", "", "see the tests")
    everybody: dict[str, Contestant] = {"ours": Ours(case), **peers(case)}
    works: dict[str, Callable[[Contestant], Any]] = {
        "inference": _inference,
        f"attack, steps: {case.attack_steps}": lambda c: c.attack(),
        **{f"training step, {s}": partial(lambda s, c: c.step(s), s) for s in STRATEGIES},
    }
    found = {}
    for work, do in works.items():
        found[work] = _summary(alternate({name: partial(do, c) for name, c in everybody.items()}, rounds, least))
    return {"differences": apart, "works": found}


def reading(rounds: int, volumes: int, shape: tuple[int, int, int]) -> dict[str, Any]:
    """Measure how fast complex images come from files in the fastMRI layout: in the first epoch, and in later ones."""
    with TemporaryDirectory() as folder:
        readers.write(Path(folder), volumes, shape)
        everybody = readers.everybody(Path(folder), (min(shape[1:]),) * 2)
        first = _summary(alternate({name: lambda r=r: r.open().read() for name, r in everybody.items()}, rounds))
        opened = {name: r.open() for name, r in everybody.items()}
        later = _summary(alternate({name: r.read for name, r in opened.items()}, rounds))
    return {"slices": volumes * shape[0], "shape": shape[1:], "first epoch": first, "later epochs": later}


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python -m scripts.benchmarks.peers", __doc__)
    made.add_argument("--rounds", type=number(int, 1), default=7, help="turns of everybody at each work (%(default)s)")
    made.add_argument(
        "--threads", type=numbers, metavar="1,2", default=(1, 2), help="numbers of threads, one after the other (1,2)"
    )
    made.add_argument("--quick", action="store_true", help="small sizes; nothing is written")
    return made


def main(arguments: list[str]) -> int:
    """Measure everything, and write the results."""
    options = parser().parse_args(arguments)
    rounds, quick = options.rounds, options.quick
    if 0 in options.threads:
        raise InputError("there are no runs on 0 threads", "--threads", "give numbers from 1, as in --threads 1,2")
    if not deepinverse.is_installed():
        print(f"DeepInverse is not in {deepinverse.FOLDER}: left out", file=sys.stderr)
    from scripts.benchmarks.performance import peers_markdown, write_peers

    reuse_freed()  # as runs do
    torch.set_num_threads(1)
    found: dict[str, Any] = {"rounds": rounds, "threads": {}}
    found |= origin("python -m scripts.benchmarks.peers", arguments)
    found["reading"] = reading(rounds, 2, (3, 48, 40) if quick else (20, 640, 368))
    for threads in options.threads:
        torch.set_num_threads(threads)
        cases = found["threads"][str(threads)] = {}
        for case in _QUICK if quick else CASES:
            print(f"{threads} threads: {case.name}", file=sys.stderr)
            cases[case.name] = measure(case, rounds)
        if not quick:  # after each, so that what took half an hour is not lost with the rest
            write_peers(Path("results"), found)
    print(peers_markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
