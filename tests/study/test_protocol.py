"""A protocol is data: what it says is checked before anything runs."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from scripts.common import status
from scripts.tables import main
from sgdj.errors import InputErrors
from sgdj.evaluation.key import Key
from sgdj.study.protocol_file import COLUMNS, is_protocol, read
from sgdj.study.store import read as stored

ROOT = Path(__file__).resolve().parents[2]
FILES = {task: ROOT / "conf" / "study" / f"{task}.yaml" for task in ("mri", "seismic")}


@pytest.mark.parametrize("task", FILES)
def test_the_committed_protocols_keep_their_own_bounds(task):
    protocol = read(FILES[task])
    assert is_protocol(FILES[task])
    assert len(protocol.regime.candidates) * len(protocol.seeds.regime) <= 24
    assert len(protocol.seeds.tables) == 12
    for part in protocol.parts:
        assert len(part.claims) <= 25
        assert {claim.column for claim in part.claims} == set(COLUMNS)
        ours, theirs = part.networks[-1].label, "input jittering" + ("" if part.name == "gd" else ", proximal")
        assert {"clean", "attacked"} <= {c.column for c in part.claims if (c.better, c.worse) == (ours, theirs)}
        for network in part.networks:
            regimes_own = network.label.startswith("MSE as in the regime")
            assert len(network.choices or network.level.values) == (1 if regimes_own else 8)
            assert not regimes_own or network.choices == [[]]
            assert not regimes_own or all(network.label not in (c.better, c.worse) for c in part.claims)
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


@pytest.mark.long(reason="forty runs take two minutes; test_stages.py has the same rules on rows that are made up")
def test_a_protocol_is_executed_to_its_claims_and_never_twice(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    file, folder = ROOT / "conf" / "study" / "smoke.yaml", Path("results/study/smoke")
    assert status(lambda: main(["missing", "--study", str(file)])) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "stage regime: 4 runs are missing"
    assert status(lambda: main(["run", "--study", str(file), "--jobs", "1"])) == 0
    told = capfd.readouterr().out
    stages = list(dict.fromkeys(re.findall(r"stage (\S+):", told)))
    assert stages == [
        "regime",
        "regime-train",
        "attack",
        "levels",
        "tables",
        "tables-train",
        "check",
        "curve",
        "optimistic",
    ]
    chosen = yaml.safe_load((folder / "chosen.yaml").read_text())
    assert chosen["regime"]["candidate"] in ("2 sections", "4 sections")
    assert chosen["regime"]["overrides"][0] == f"trainer.images={chosen['regime']['candidate'][0]}"
    assert set(chosen["levels"]) == {"gd/MSE", "gd/SGD jittering"}
    claims = json.loads((folder / "claims.json").read_text())
    assert {(claim["verdict"], claim["claim_is"], claim["toy"]) for claim in claims} == {
        ("underpowered", "inconclusive", True)
    }
    assert len(claims) == 5
    written = (folder / "claims.md").read_text()
    assert "| SGD jittering is at least as accurate as MSE | clean |" in written
    assert "| 2 × 4 | **underpowered** | inconclusive |" in written
    assert "Missing: nothing." in (folder / "README.md").read_text()
    assert len(list((folder / "weights").iterdir())) == 2
    tables = [row for row in stored(folder) if row.experiment == "tables"]
    assert len(tables) == 4
    assert all(len(row.values["network"][Key("apgd", 1.0)]["psnr"]) == 4 for row in tables)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    shutil.rmtree("outputs")  # as in a fresh clone
    assert status(lambda: main(["run", "--study", str(file)])) == 0
    assert "stage" not in capfd.readouterr().out
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    chosen["regime"]["rho"] *= 2
    (folder / "chosen.yaml").write_text(yaml.safe_dump(chosen))
    assert status(lambda: main(["build", "--study", str(file)])) == 2
    assert "the rows now lead to another choice of regime" in capfd.readouterr().err
