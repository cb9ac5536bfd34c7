"""Rows carry the hash of their own command."""

from dataclasses import replace
from pathlib import Path

from sgdj.study.rehash import rehash
from sgdj.study.store import fold, read, read_audits, write

SMALL = Path(__file__).resolve().parents[2] / "results" / "small"


def test_rows_get_the_hash_that_their_command_has_today(tmp_path):
    """A training's hash is renewed, and the folder in the commands of what evaluates it; evaluations keep their own."""
    rows = {one.experiment: one for one in read(SMALL) if one.network[:5] == ("mri", "small", "gd", "mse", 0)}
    trained, curve = rows["table_mri"], rows["figure_epsilon"]
    (audit,) = [a for a in read_audits(SMALL) if a.network == trained.network and a.experiment == "audit_light"]
    assert f"-{trained.config_hash}/" in curve.command
    assert f"-{trained.config_hash}/" in audit.command
    stale = "0123456789ab"
    older = [
        replace(trained, config_hash=stale, attack=trained.attack | {"keep": "best"}),
        *(replace(one, command=one.command.replace(trained.config_hash, stale)) for one in (curve, audit)),
    ]
    for one in older:
        write(one, tmp_path)
    fold(tmp_path)
    changed, left = rehash(tmp_path)
    assert (len(changed), left) == (3, [])
    assert [*read(tmp_path), *read_audits(tmp_path)] == [curve, trained, audit]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert rehash(tmp_path) == ([], [])
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_row_whose_data_are_gone_is_named_and_left(tmp_path):
    trained = next(one for one in read(SMALL) if one.experiment == "table_mri")
    gone = replace(trained, command=f"{trained.command} dataset=fastmri dataset.root={tmp_path / 'gone'}")
    write(gone, tmp_path)
    changed, (line,) = rehash(tmp_path)
    assert changed == []
    assert "no such folder" in line
    assert read(tmp_path) == [gone]
