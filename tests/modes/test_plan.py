"""A plan says what a run is going to be, and does nothing."""

import json

import pytest
import torch

from sgdj.data.images import ImageSource
from sgdj.errors import InputError
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.modes.plan import plan
from tests.conftest import SMOKE, only_run

QUICK = (*SMOKE, "evaluation.curve=[]", "trainer.threads=1")


def test_it_names_the_folder_and_the_identity_of_the_run(cli, tmp_path):
    planned = plan(load(parse(QUICK)))
    assert cli(*QUICK)[0] == 0
    run = only_run(tmp_path)
    assert tmp_path / planned.folder == run
    assert planned.key == json.loads((run / "run.json").read_text())["config_hash"]
    checkpoint = f"checkpoint={run}/checkpoints/best.ckpt"
    planned = plan(load(parse(["mode=evaluate", checkpoint, "logger=none"])))
    assert cli("mode=evaluate", checkpoint, "logger=none")[0] == 0
    record = json.loads((tmp_path / planned.folder / "run.json").read_text())
    assert planned.key == record["config_hash"]
    assert planned.subject["checkpoint"] == record["checkpoint"]


def test_it_writes_generates_and_sets_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    for mode in ("train", "tune"):
        planned = plan(
            load(parse([*SMOKE, f"mode={mode}", f"trainer.threads={threads + 1}", "trainer.deterministic=true"]))
        )
        assert planned.folder.parent.name == "gd-mse"
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert list(tmp_path.iterdir()) == []


def test_files_are_read_when_their_content_is_asked_for(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    calls = []
    monkeypatch.setattr(ImageSource, "prepare", calls.append)
    said = ["task=denoising", "scale=smoke", "dataset=images", f"dataset.path={tmp_path}/images", "run_dir=here"]
    planned = plan(load(parse(said)))
    assert str(planned.folder) == "here"
    assert calls == []
    monkeypatch.undo()
    with pytest.raises(InputError):
        _ = planned.key
