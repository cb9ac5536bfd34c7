"""Rows and audits survive their CSV files."""

import csv
import json
from dataclasses import replace

import pytest

from sgdj.errors import InputError
from sgdj.evaluation.key import CLEAN, Key
from sgdj.study import store
from sgdj.study.rows import Audited
from sgdj.study.store import fold, read, read_audits, write
from tests.study.test_tables import row

CHECK = {"number": 1, "name": "a, b", "status": "FAIL", "value": "=1+1", "rule": "ρ ≤ 1", "self_test": False}


def audit() -> Audited:
    """Return an audit whose one check fails, of the network of `row()`."""
    common = {name: value for name, value in vars(row()).items() if name in Audited.__dataclass_fields__}
    common |= {"experiment": "audit_light", "run": "audit", "config_hash": "audit"}
    return Audited(**common, checks=[CHECK], largest=1.5, frobenius=None)


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_row_and_an_audit_survive_their_files(tmp_path):
    """Bit for bit, whatever the number, before and after folding."""
    made = row(strategy="jitter", seed=3, times={"wall_s": 1.5, "steps": 10.0})
    odd = {"v0": 1 / 3, "v1": float("inf"), "-v2\n": 1e-30, "v3": 0.15000000596046448, "v4": 16777217.0}
    made.values["network"][Key(shift="layers", level=0.1)] = {"psnr": odd}
    made = replace(made, unbelievable=[Key("pgd", 1.0)], variant=["a=[1,2]"], command="python run.py 'x=ä'")
    for one in (made, audit()):
        path = write(one, tmp_path)
        assert path.stat().st_size < 6000
    for _ in range(2):
        assert read(tmp_path) == [made]
        assert read_audits(tmp_path) == [audit()]
        assert read_audits(tmp_path)[0].failed == ["a, b"]
        fold(tmp_path)
    assert sorted(content(tmp_path)) == ["audits.csv", "budgets.csv", "runs.csv", "table_mri.csv", "x0.csv"]


def test_folding_twice_changes_nothing_and_adds_only_lines(tmp_path):
    write(row(seed=1), tmp_path)
    assert len(fold(tmp_path)) == 5
    once = content(tmp_path)
    write(row(seed=1), tmp_path)
    assert fold(tmp_path) == [], "folded already: only removed"
    assert fold(tmp_path) == []
    assert content(tmp_path) == once
    write(row(seed=0), tmp_path)
    fold(tmp_path)
    for name, text in content(tmp_path).items():
        assert set(text.splitlines()) >= set(once[name].splitlines())
    assert content(tmp_path)["x0.csv"].count(b"v0") == 2 * once["x0.csv"].count(b"v0"), "another starting point"
    assert [one.seed for one in read(tmp_path)] == [0, 1]


def test_starting_points_that_rows_share_are_stored_once(tmp_path):
    one = row(seed=0)
    for seed in range(3):
        write(row(seed=seed, values=one.values), tmp_path)
    fold(tmp_path)
    with (tmp_path / "x0.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 5 * 4
    assert all(found.values == one.values for found in read(tmp_path))


@pytest.mark.parametrize("count", range(6))
def test_an_interrupted_fold_loses_nothing(tmp_path, monkeypatch, count):
    """After any number of written files everything is there, a row measured anew included."""
    kept, again = row(seed=1), row(seed=0, shift=1.0, config_hash="other", run="other")
    for one in (row(seed=0), kept, audit()):
        write(one, tmp_path)
    fold(tmp_path)
    write(again, tmp_path)
    written = []

    def stopping(path, text):
        if len(written) == count:
            raise KeyboardInterrupt
        written.append(path)
        write_atomically(path, text)

    write_atomically = store.write_atomically
    with monkeypatch.context() as patch:
        patch.setattr(store, "write_atomically", stopping)
        try:
            fold(tmp_path)
        except KeyboardInterrupt:
            assert (tmp_path / "new").exists()
    assert read(tmp_path) == [again, kept]
    fold(tmp_path)
    assert read(tmp_path) == [again, kept]
    assert read_audits(tmp_path) == [audit()]
    assert b"gdmse0," not in content(tmp_path)["table_mri.csv"]


def test_two_experiments_of_one_configuration_keep_their_own_names(tmp_path):
    one, other = row(), row(experiment="figure_sigma", shift=1.0)
    for made in (one, other):
        write(made, tmp_path)
        fold(tmp_path)
    found = {made.experiment: made for made in read(tmp_path)}
    assert found["table_mri"] == one
    assert found["figure_sigma"] == replace(other, run=found["figure_sigma"].run)
    assert found["figure_sigma"].run != one.run


def test_a_damaged_file_is_named(tmp_path):
    write(row(), tmp_path)
    (tmp_path / "new" / "broken.json").write_text("{")
    with pytest.raises(InputError, match="broken"):
        read(tmp_path)
    (tmp_path / "new" / "broken.json").write_text(json.dumps({"run": [1]}))
    with pytest.raises(InputError, match="broken"):
        read(tmp_path)
    (tmp_path / "new" / "broken.json").unlink()
    fold(tmp_path)
    for name in ("runs.csv", "table_mri.csv"):
        text = (tmp_path / name).read_text()
        for damage in (text[:-9], text.replace("run,", "other,", 1), text + "\x00"):
            (tmp_path / name).write_text(damage)
            with pytest.raises(InputError, match=name):
                read(tmp_path)
        (tmp_path / name).write_text(text)
    assert read(tmp_path)[0].mean(CLEAN) == row().mean(CLEAN)
