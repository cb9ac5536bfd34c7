"""A protocol is data: what it says is checked before anything runs."""

from pathlib import Path

import pytest
import yaml

from sgdj.errors import InputErrors
from sgdj.study.protocol_file import COLUMNS, is_protocol, read

ROOT = Path(__file__).resolve().parents[2]
FILES = {task: ROOT / "conf" / "study" / f"{task}.yaml" for task in ("mri", "seismic")}


@pytest.mark.parametrize("task", FILES)
def test_the_committed_protocols_keep_their_own_bounds(task):
    protocol = read(FILES[task])
    assert is_protocol(FILES[task])
    assert len(protocol.regime.candidates) * len(protocol.seeds.regime) <= 24
    assert len(protocol.seeds.tables) == 10
    for part in protocol.parts:
        assert len(part.claims) <= 25
        assert {claim.column for claim in part.claims} == set(COLUMNS)
        ours, theirs = part.networks[-1].label, "input jittering" + ("" if part.name == "gd" else ", proximal")
        assert {"clean", "attacked"} <= {c.column for c in part.claims if (c.better, c.worse) == (ours, theirs)}
        for network in part.networks:
            assert len(network.choices or network.level.values) == 8
            if network.level:
                ratios = [b / a for a, b in zip(network.level.values, network.level.values[1:], strict=False)]
                assert max(ratios) / min(ratios) < 1.15


def test_what_contradicts_itself_is_told_with_its_key(tmp_path):
    loaded = yaml.safe_load(FILES["mri"].read_text())
    loaded["draw"]["text"] = "another"
    loaded["seeds"]["levels"] = [0, 11, 12]
    loaded["attack"]["steps"] = [20, 50]
    part = loaded["parts"][0]
    part["claims"][0]["better"] = "SGD jitterin"
    part["claims"][1]["column"] = "noise"
    del part["networks"][0]["choices"]
    file = tmp_path / "p.yaml"
    file.write_text(yaml.safe_dump(loaded))
    with pytest.raises(InputErrors) as told:
        read(file)
    found = [str(mistake).replace(str(file), "p.yaml") for mistake in told.value.mistakes]
    assert found == [
        "2881896754 is not drawn from the text, p.yaml: draw.seed: it gives 2923727560",
        "a seed serves twice, p.yaml: seeds.levels: give every stage seeds of its own",
        "a seed of the pilot, p.yaml: seeds.levels: choose others than 0 and 1",
        "a seed serves twice, p.yaml: seeds.tables: give every stage seeds of its own",
        "a number is not twice the one before, p.yaml: attack.steps: double it each time",
        "one of level and choices is needed, p.yaml: parts.0.networks.0: give one of them",
        "no network is called SGD jitterin, p.yaml: parts.0.claims.0.better: did you mean SGD jittering?",
        "no column is called noise, p.yaml: parts.0.claims.1.column: did you mean noisy?",
    ]
