"""A short fault campaign, and that it would tell."""

import json

import pytest

from scripts.reliability import faults


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "place"
    kinds = ("architecture=gd,prox", "strategy=jitter")
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


def test_the_committed_record_is_of_a_hundred_kills():
    found = json.loads((faults.ROOT / "results" / "reliability" / "faults.json").read_text())
    writer = sum(found["kills"][phase] for phase in faults.WRITER)
    assert sum(found["kills"].values()) >= 100
    assert writer >= 0.2 * sum(found["kills"].values())
