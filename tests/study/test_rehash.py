"""Rows carry the hash of their own command."""

import csv
from dataclasses import replace
from pathlib import Path

from sgdj.jobs.identity import RESULT_VERSION
from sgdj.study.rehash import hash_today, rehash
from sgdj.study.store import RUNS, fold, read, read_audits, write

SMALL = Path(__file__).resolve().parents[2] / "results" / "small"


def current(one):
    """Return a committed row or audit as if today's version had measured it."""
    return replace(one, result_version=RESULT_VERSION)


def test_rows_get_the_hash_that_their_command_has_today(tmp_path):
    """A training's hash is renewed, and the folder in the commands of what evaluates it; evaluations keep their own."""
    rows = {one.experiment: current(one) for one in read(SMALL) if one.network[:5] == ("mri", "small", "gd", "mse", 0)}
    trained, curve = rows["table_mri"], rows["figure_epsilon"]
    (audit,) = [
        current(a) for a in read_audits(SMALL) if a.network == trained.network and a.experiment == "audit_light"
    ]
    assert f"-{trained.config_hash}/" in curve.command
    assert f"-{trained.config_hash}/" in audit.command
    stale, today = "0123456789ab", hash_today(trained)
    older = [
        replace(trained, config_hash=stale, attack=trained.attack | {"keep": "best"}),
        *(replace(one, command=one.command.replace(trained.config_hash, stale)) for one in (curve, audit)),
    ]
    for one in older:
        write(one, tmp_path)
    fold(tmp_path)
    changed, left = rehash(tmp_path)
    assert (len(changed), left) == (3, [])
    wanted = [replace(one, command=one.command.replace(trained.config_hash, today)) for one in (curve, trained, audit)]
    wanted[1] = replace(wanted[1], config_hash=today)
    assert [*read(tmp_path), *read_audits(tmp_path)] == wanted
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert rehash(tmp_path) == ([], [])
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_row_whose_data_are_gone_is_named_and_left(tmp_path):
    trained = current(next(one for one in read(SMALL) if one.experiment == "table_mri"))
    gone = replace(trained, command=f"{trained.command} dataset=fastmri dataset.root={tmp_path / 'gone'}")
    write(gone, tmp_path)
    changed, (line,) = rehash(tmp_path)
    assert changed == []
    assert "no such folder" in line
    assert read(tmp_path) == [gone]


def test_files_from_before_rows_had_a_version_get_it_and_keep_their_hashes(tmp_path):
    """Rows were of version 1 then; their hashes were made by it, and no command gives them today."""
    older = [
        replace(one, result_version=1, config_hash="0123456789ab")
        for one in read(SMALL)
        if one.network[:5] == ("mri", "small", "gd", "mse", 0)
    ]
    for one in older:
        write(one, tmp_path)
    fold(tmp_path)
    whole = (tmp_path / "runs.csv").read_text()
    with (tmp_path / "runs.csv").open(newline="") as file:
        lines = [[v for k, v in line.items() if k != "result_version"] for line in csv.DictReader(file)]
    with (tmp_path / "runs.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([[n for n in RUNS if n != "result_version"], *lines])
    assert read(tmp_path) == older
    assert (tmp_path / "runs.csv").read_text() != whole
    assert rehash(tmp_path) == ([], [])
    assert (tmp_path / "runs.csv").read_text() == whole
