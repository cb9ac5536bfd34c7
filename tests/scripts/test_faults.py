"""A short fault campaign finds nothing, and would report a difference."""

import json
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from scripts.reliability import faults
from scripts.reliability.report import write
from tests.program import run

RESULTS = Path(__file__).resolve().parents[2] / "results"


def forked(command, *, cwd, **_):
    """`subprocess.run` of a sweep."""
    return run(Path(command[1]), *command[2:], cwd=cwd)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "place"
    kinds = ("architecture=gd,prox", "strategy=jitter")
    with patch.object(faults, "subprocess", SimpleNamespace(run=forked)):
        return folder, faults.campaign(kills=3, seed=1, epochs=3, folder=folder, kinds=kinds)


def test_kills_cost_nothing(done):
    _, tally = done
    assert tally.kills.total() >= 3
    assert (tally.runs, tally.epochs) == (2, 6)
    assert (tally.differing_bits, tally.lost_rows) == (0, 0)
    assert tally.most_repeated <= 1


def test_a_lost_row_and_a_flipped_bit_would_be_told(done):
    folder, _ = done
    (path,) = folder.glob("broken1/outputs/seismic/gd-*/*/metrics.jsonl")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n")
    (path,) = folder.glob("broken1/outputs/seismic/prox-*/*/model/weights.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 0b101
    path.write_bytes(content)
    tally = faults.Tally()
    faults.compare(folder / "whole1", folder / "broken1", tally)
    assert (tally.differing_bits, tally.lost_rows) == (2, 1)


def test_the_committed_document_is_what_the_records_say(tmp_path):
    for name in ("faults", "fuzz"):
        write(tmp_path, name, json.loads((RESULTS / "reliability" / f"{name}.json").read_text()))
    assert (tmp_path / "reliability.md").read_text() == (RESULTS / "reliability.md").read_text()
