"""Mistakes that no list foresaw when the program was written: each is one line, exit 2, and leaves a folder as it was.

At most three stand for one rule of the program; half of them are paths and quoting.
"""

import subprocess

import pytest

from sgdj.config.quoting import argument
from sgdj.errors import InputErrors
from sgdj.jobs.composition import parse

FASTMRI = ("task=mri", "dataset=fastmri")
SECTION = ("task=seismic", "dataset=section")
NAMES = ["epoch=6", "it's", 'a"b', "x#1", "(1)", "[raw]", "données", "~lab", "R&D", "a b", "c$d", "{x}", "`e`", "f!g"]
LONG = "x" * 300

#: What is typed, and what the answer must say.
MISTAKES = [
    # paths
    ((*FASTMRI, "dataset.root=knee/epoch=7"), "no such folder: knee/epoch=7, dataset.root"),
    ((*FASTMRI, "dataset.root=~/no/such/folder"), "/no/such/folder, dataset.root"),
    ((*FASTMRI, f"dataset.root=/{LONG}"), "no such folder: /xxx"),
    ((*SECTION, f"dataset.path={LONG}.npz"), "no such file: xxx"),
    (("mode=evaluate", "checkpoint=data"), "this is a folder, checkpoint=data: give RUN_DIR/checkpoints/best.ckpt"),
    (("mode=evaluate", "checkpoint="), "no value, checkpoint: give RUN_DIR/checkpoints/best.ckpt"),
    (("mode=audit", "checkpoint=https://example.org/best.ckpt"), "a checkpoint is a file on this machine"),
    (("mode=evaluate", "checkpoint=notes.txt"), "no config.yaml beside the checkpoints"),
    # quoting
    (("shift=text", "shift.text.text=a=b"), """write "shift.text.text='a=b'\""""),
    (("logger.project=Röntgen",), """write "logger.project='Röntgen'\""""),
    (("evaluation.curve=[1,2",), "a bracket is open, command line: evaluation.curve=[1,2: write 'evaluation.curve="),
    (("shift=text", "shift.text.text=5"), """5 must be text, shift.text.text: write "shift.text.text='5'\""""),
    (("output_dir=a,b",), """add -m to run all of them, or write "output_dir='a,b'\""""),
    # values and keys
    (("strategy=jitter", "sigma=0.1", "strategy.sigma=0.2"), "the noise level is given twice"),
    (("shift=none",), "no option none, command line: shift: write 'shift=[]' for none"),
    (("shift=null",), "no option None, command line: shift: write 'shift=[]' for none"),
    (("task=toy", "architecture.learned.size=20"), "the learned part is for signals of size 20, dataset.size=64"),
    (("task=toy", f"architecture.learned.size={2**62}"), "must be at most 1000000000, architecture.learned.size"),
    (("lr=0.1",), "unknown key, lr: the full key is trainer.lr"),
    (("acceleration=8",), "unknown key, acceleration: the full key is operator.acceleration"),
    (("seed=" + "9" * 5000,), "the number is too long, command line: seed=999"),
    (("attack=transfer", "attack.source=notes.txt"), "no config.yaml beside the checkpoints"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"), MISTAKES, ids=lambda v: " ".join(v)[:40] if isinstance(v, tuple) else ""
)
def test_a_new_mistake_is_one_line_and_changes_nothing(cli, tmp_path, arguments, words):
    for name in ("data", "wandb", "outputs"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def typed(line):
    """Return the words that a shell makes of a printed argument."""
    done = subprocess.run(["sh", "-c", f"printf '%s' {line}"], capture_output=True, check=True)
    return done.stdout.decode()


@pytest.mark.parametrize("name", NAMES)
def test_a_path_needs_no_quotes_and_advice_on_others_is_accepted(name):
    (override,) = parse([f"dataset.root=/data/{name}"])
    assert override.value() == f"/data/{name}"
    (again,) = parse([override.input_line])  # what a record keeps of it
    assert again.value() == f"/data/{name}"
    (shown,) = parse([typed(argument("shift.text.text", name))])
    assert shown.value() == name
    try:
        (plain,) = parse([f"shift.text.text={name}"])
    except InputErrors as error:
        (plain,) = parse([typed(str(error).partition(": write ")[2])])
    assert plain.value() == name or name == "[raw]"  # a list, for Hydra


def test_a_home_folder_is_found_in_every_path(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    for key in ("dataset.root", "dataset.path", "dataset.directory", "attack.source", "attack.attacks.a.source",
                "checkpoint", "input", "output", "run_dir", "output_dir", "reconstructor"):  # fmt: skip
        for text in ("~/x y", "'~/x y'"):
            assert parse([f"{key}={text}"])[0].value() == "/home/me/x y"
    (both,) = parse(["dataset.root=~/a,/b=1"])
    assert [str(one) for one in both.sweep_string_iterator()] == ["'/home/me/a'", "'/b=1'"]
    assert parse(["input=2024"])[0].value() == "2024"
    assert parse(["run_dir=null"])[0].value() is None
