"""A configuration that comes with a file chooses among known options and numbers, and nothing else."""

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors.numpy import save_file

from sgdj.config.nodes import get, leaves, put
from sgdj.errors import InputError, InputErrors
from sgdj.jobs import saved, trained
from sgdj.jobs.composition import parse
from sgdj.jobs.identity import identity
from sgdj.jobs.load import load
from sgdj.jobs.plain_yaml import parse_mapping
from sgdj.runs.catalogue import view
from sgdj.runs.directory import RunDirectory
from tests.conftest import QUIET, finished_run
from tests.program import run

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("task=denoising", "scale=smoke", "epochs=1", *QUIET)
HOSTILE = (
    "evil_module.Evil", "evil_module:evil", "../x", "/etc/x", "https://example.org/x", "os:abort", "os.system",
    "${oc.env:HOME}", ["evil_module"], {"_target_": "evil_module.Evil"},
)  # fmt: skip
CHECKPOINT = "run/checkpoints/best.ckpt"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Create a folder with a finished run, and a module that leaves a mark if it is imported."""
    folder = finished_run(tmp_path_factory.mktemp("home"), *SMALL, "run_dir=run")
    (folder / "evil_module.py").write_text("open('harm', 'w').close()\n\n\ndef evil(*a):\n    return a[0]\n")
    return folder


@pytest.fixture
def place(home, tmp_path, monkeypatch):
    """Copy the folder, so that a test can damage it."""
    shutil.copytree(home, tmp_path / "home", symlinks=True)
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def edit(folder, **changes):
    """Change dotted keys (with __ for dots) of the configuration beside the checkpoints."""
    path = folder / "run" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    for name, value in changes.items():
        put(config, name.replace("__", "."), value)
    path.write_text(yaml.safe_dump(config, sort_keys=False))


def loaded(*arguments, checkpoint=CHECKPOINT):
    return load(parse([f"checkpoint={checkpoint}", *arguments])).settings.plain()


def told(*arguments, **named):
    """Return the line that reports a refused configuration."""
    with pytest.raises(InputErrors) as caught:
        loaded(*arguments, **named)
    (line,) = str(caught.value).splitlines()
    return line


def campaign(folder):
    """Try every key with every hostile value, then four runs to their end, and record every action of the process."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    from sgdj.modes.cli import main

    content = yaml.safe_load(Path("run/config.yaml").read_text())
    arguments = [parse([f"mode={mode}", f"checkpoint={CHECKPOINT}"]) for mode in ("evaluate", "audit")]
    arguments.append(parse(["mode=reconstruct", f"checkpoint={CHECKPOINT}", "input=.", "output=out"]))
    whole = [load(given).settings.plain() for given in arguments]
    composed, seen = {}, []

    def watch(event, args):
        if event == "import" and args[0].split(".")[0] == "evil_module":
            seen.append(f"import of {args[0]}")
        elif event.startswith(("socket.connect", "socket.bind", "socket.getaddrinfo", "os.system", "subprocess")):
            if args[0] not in ("git", "uname"):  # which tell the record the commit and the machine
                seen.append(f"{event} {args}")
        elif event == "open" and isinstance(args[0], str) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            path = Path(args[0]).resolve()
            if not path.is_relative_to(folder) and path.parts[1] not in ("dev", "proc"):
                seen.append(f"writing of {path}")

    def compose(overrides):  # the same for all of them
        key = tuple(overrides)
        if key not in composed:
            composed[key] = original(overrides)
        return copy.deepcopy(composed[key])

    read, original, trained.compose_config = saved.read_mapping, trained.compose_config, compose
    sys.addaudithook(watch)
    cases = accepted = 0
    for number, key in enumerate([*dict(leaves(content)), "more", "dataset.more"]):
        for value in HOSTILE[number % 2 :: 2]:  # of each kind, one or the other
            changed = copy.deepcopy(content)
            put(changed, key, value)
            changed["plugins"] = ["evil_module"]
            text = yaml.safe_dump(changed).encode() if "${" in str(value) else None
            saved.read_mapping = lambda path, content=changed, text=text: (
                parse_mapping(text, str(path)) if text else copy.deepcopy(content)
            )
            given, base = arguments[cases % 3], whole[cases % 3]
            cases += 1
            try:
                made = trained.from_checkpoint(copy.deepcopy(base), {o.key_or_group: o for o in given})
            except (InputError, InputErrors):
                continue
            accepted += 1
            assert value not in [v for _, v in leaves(made)], (key, value)
            assert [made[k] for k in ("plugins", "logger")] == [[], base["logger"]], key
    saved.read_mapping, trained.compose_config = read, original
    changed = content | {
        "plugins": ["evil_module"], "logger": {"mode": "online", "project": "x", "panels": 1}, "output_dir": "../x",
        "run_dir": "../x", "input": "../x", "output": "../x", "mode": "train", "force": True,
    }  # fmt: skip
    changed["dataset"] = content["dataset"] | {"directory": "../x"}
    Path("run/config.yaml").write_text(yaml.safe_dump(changed))
    Image.fromarray(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)).save("a.png")
    codes = [
        main(["mode=evaluate", f"checkpoint={CHECKPOINT}", "run_dir=e", *QUIET]),
        main(["mode=audit", f"checkpoint={CHECKPOINT}", "audit.light=true", "run_dir=u", *QUIET]),
        main(["mode=reconstruct", f"checkpoint={CHECKPOINT}", "input=a.png", "output=out"]),
        main(["mode=verify", "run_dir=run"]),
    ]
    assert codes[0] == codes[2] == 0
    assert codes[1] in (0, 5)
    assert codes[3] == 5  # config.yaml has changed
    assert not seen, seen
    files = [str(getattr(module, "__file__", None)) for module in list(sys.modules.values())]
    assert not [file for file in files if file.startswith(str(folder))]
    assert not Path("harm").exists()
    assert not Path("../x").exists()
    print(f"cases {cases} accepted {accepted}")


def test_no_hostile_value_has_an_effect(place, tmp_path_factory):
    """An audit hook cannot be taken back, so all of this is one process of its own."""
    script = tmp_path_factory.mktemp("campaign") / "campaign.py"
    script.write_text(f"from pathlib import Path; from {__name__} import campaign; campaign(Path({str(place)!r}))")
    done = run(script, cwd=ROOT, environment={"TMPDIR": str(place)})
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-2000:]
    _, cases, _, accepted = done.stdout.splitlines()[-1].split()
    assert int(cases) > 350
    assert 0 < int(accepted) < int(cases) / 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reconstructor": "evil_module:evil"}, "a file may not name code, reconstructor in"),
        ({"task": "../../evil"}, "no option '../../evil', task in"),
        ({"scale": "/etc/x"}, "no option '/etc/x', scale in"),
        ({"architecture___target_": "os.system"}, "'os.system' is not a Reconstructor of this project"),
        ({"operator__noise": "a"}, "'a' must be a number, operator.noise in"),
        ({"shift": {"../x": {"_target_": "sgdj.shifts.Detail"}}}, "'../x' is not valid as a name, shift in"),
        ({"trainer": [1]}, "this must be a group of settings, trainer in"),
        ({"architecture__learned": {}}, "the class of this group is missing, architecture.learned in"),
        ({"strategy__more": 1}, "unknown key, strategy.more in"),
        ({"seed": {"a": 1}}, "it must be a whole number, seed in"),
        ({"operator__noise": float("nan")}, "nan must be finite, operator.noise in"),
    ],
)
def test_what_a_file_may_not_say(place, change, words):
    edit(place, **change)
    assert words in told("mode=evaluate")


def bomb(levels=9):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines).encode()


DAMAGE = {
    "bomb": bomb(),
    "empty": b"",
    "half": b"task: toy\noperator: {_target_: sgdj",
    "binary": bytes(range(256)),
    "list": b"[1, 2]",
    "word": b"toy",
    "number": b"3",
    "keys": b"1: 2\n",
    "date": b"2001-01-01: 2\n",
    "integer": b"task: " + b"9" * 5000,
    "hexadecimal": b"task: 0x" + b"f" * 5000,
    "deep": b"a: " + b"[" * 5000 + b"]" * 5000,
    "large": b"a: [" + b"1," * 2**16 + b"1]",
    "code": b"task: !!python/object/apply:os.system [true]",
    "interpolation": b"task: ${oc.env:HOME}",
    "twice": b"task: toy\ntask: mri",
    "short": b"task: toy",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_one_line_wherever_it_is_read(place, name):
    content = DAMAGE[name]
    (place / "run" / "config.yaml").write_bytes(content)
    text = content.decode(errors="ignore")
    save_file({"a": np.zeros(1)}, "a.safetensors", {"sgdj": text})
    save_file({"a": np.zeros(1)}, "b.safetensors", {"sgdj": f"format: 1\nconfig: {text}"})
    told("mode=evaluate")
    told("mode=audit", checkpoint="a.safetensors")
    told("mode=reconstruct", "input=.", "output=out", checkpoint="b.safetensors")
    with pytest.raises(InputErrors):
        load(parse(["task=denoising", "attack=transfer", f"attack.source={CHECKPOINT}"]))
    assert set(RunDirectory(place / "run").read_config()) <= {"task", "2001-01-01"}
    assert set(view(place / "run").config) <= {"task", "2001-01-01"}


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:pathlib.Path [x]", "a: !!binary aGVsbG8=", "a: !!omap [x: 1]",
        r'a: "\x24{oc.env:HOME}"', 'a: "$\\\n  {oc.env:HOME}"', r'"\u0024{oc.env:HOME}": 1',
    ],
)  # fmt: skip
def test_other_types_and_hidden_interpolations_are_not_read(text):
    with pytest.raises(InputError, match="are not read"):
        parse_mapping(text.encode(), "file")


def test_a_file_does_not_lift_the_limit_of_files(place):
    edit(place, dataset__max_gib=1e6)
    assert loaded("mode=evaluate")["dataset"]["max_gib"] is None
    assert loaded("mode=evaluate", "dataset.max_gib=3")["dataset"]["max_gib"] == 3


@pytest.mark.parametrize(("key", "value"), [("threads", 10**10), ("workers", 10**5)])
def test_a_file_cannot_ask_for_any_number_of_processes(place, key, value):
    edit(place, **{f"trainer__{key}": value})
    assert f"trainer.{key}" in told("mode=evaluate")


def test_a_run_whose_groups_are_no_groups_is_listed_without_them(place):
    edit(place, strategy=[1], task={"a": [1]})
    assert view(place / "run").config == {}


def test_a_header_that_claims_gigabytes_is_refused(place):
    (place / "a.safetensors").write_bytes((2**40).to_bytes(8, "little") + b"{}")
    assert "its header is too large" in told("mode=evaluate", checkpoint="a.safetensors")


IMAGES = {
    "_target_": "sgdj.data.images.ImageSource", "name": "images", "path": "my data/it's (epoch=6)", "seed": 0,
    "kind": "real", "crop": None, "partition": "volume", "volumes": {"train": None, "val": None, "test": None},
}  # fmt: skip


def typed(line):
    """Return the arguments that a message ends with, as a shell passes them on."""
    command = f"printf '%s\\0' {line.partition('if it is right, ')[2]}"
    return subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout.decode().split("\0")[:-1]


def test_files_of_the_users_own_are_named_again(place):
    edit(place, dataset=IMAGES)
    line = told("mode=evaluate")
    assert "dataset.path is not taken from a file" in line
    (argument,) = typed(line)
    assert argument.startswith("dataset.path=")
    (place / IMAGES["path"]).mkdir(parents=True)
    assert loaded("mode=evaluate", argument)["dataset"]["path"] == IMAGES["path"]
    assert loaded("mode=audit", "dataset.path=run")["dataset"]["path"] == "run"
    assert loaded("mode=evaluate", "dataset=patches")["dataset"]["name"] == "patches"
    made = loaded("mode=reconstruct", "input=.", "output=out")  # which needs no data set
    assert made["dataset"]["seed"] == 0
    assert IMAGES["path"] not in dict(leaves(made)).values()


def test_plugins_are_named_again_with_their_texts(place, monkeypatch):
    (place / "my_lab.py").write_text(
        "from sgdj.strategies import MSE\n\n\nclass Mine(MSE):\n"
        "    def __init__(self, how: str, weight: float, more: list) -> None:\n        pass\n"
    )
    monkeypatch.syspath_prepend(str(place))
    node = {"_target_": "my_lab.Mine", "name": "mine", "how": "soft and \x1b[31mred", "weight": 2.0, "more": ["a"]}
    edit(place, strategy=node, plugins=["my_lab"], dataset=IMAGES | {"path": "run"})
    line = told("mode=evaluate")
    assert "'my_lab.Mine' is not a Strategy of this project" in line
    assert "\x1b" not in line
    edit(place, strategy__how="soft and red")
    line = told("mode=evaluate")
    arguments = typed(line)
    assert [a.partition("=")[0] for a in arguments] == [
        "plugins", "strategy.name", "strategy.how", "strategy.more", "dataset.path",
    ] or set(arguments) >= {"plugins=[my_lab]", "strategy.how=soft and red", "dataset.path=run"}  # fmt: skip
    made = loaded("mode=evaluate", *arguments)
    assert made["strategy"] == node | {"how": "soft and red"}
    other = [a.replace("soft", "hard") for a in arguments]
    assert "an evaluation cannot change this of a trained network, strategy.how" in told("mode=evaluate", *other)
    edit(place, plugins=[])
    assert "is not a Strategy of this project, strategy._target_ in" in told("mode=evaluate")
    assert loaded("mode=reconstruct", "input=.", "output=out")["strategy"]["name"] == "mse"


def test_a_word_to_draw_is_said_again_unless_it_is_the_options_own(place):
    text = {"_target_": "sgdj.shifts.Text", "text": "TEXT", "height": 10, "contrast": 1.0}
    edit(place, shift={"text": text})
    assert loaded("mode=evaluate")["shift"]["text"] == text
    edit(place, shift__text__text="OTHER")
    assert typed(told("mode=evaluate")) == ["shift.text.text=OTHER"]


def test_the_other_network_of_a_transfer_names_no_code(place):
    source = ("attack=transfer", f"attack.source={CHECKPOINT}")
    config = load(parse(["task=denoising", *source])).settings.plain()
    assert config["attack"]["source"] == CHECKPOINT
    edit(place, plugins=["evil_module"], architecture___target_="evil_module.Evil")
    with pytest.raises(InputErrors, match=r"no option of the project, architecture in .*config\.yaml"):
        load(parse(["task=denoising", *source]))
    assert not Path("harm").exists()


def test_a_saved_attack_on_another_network_is_said_again(place):
    attack = {
        "_target_": "sgdj.attacks.transfer.Transfer", "name": "transfer", "epsilon": None, "rho": 0.03, "steps": 2,
        "source": "/elsewhere/best.ckpt", "restarts": 1, "support": "measured", "norm": "l2",
    }  # fmt: skip
    edit(place, attack=attack)
    assert typed(told("mode=evaluate")) == ["attack.source=/elsewhere/best.ckpt"]
    assert loaded("mode=evaluate", "attack=pgd")["attack"]["name"] == "pgd"
    assert loaded("mode=reconstruct", "input=.", "output=out")["attack"]["name"] == "apgd"


def test_both_forms_of_a_network_are_evaluated_alike(place):
    """Also from another folder: where data lay and how it was logged is not the network's."""
    edit(place, dataset__directory="/elsewhere", logger__mode="online", output_dir="/elsewhere")
    weights = "run/model/weights.safetensors"
    one, other = loaded("mode=evaluate"), loaded("mode=evaluate", checkpoint=weights)
    assert one | {"checkpoint": None} == other | {"checkpoint": None}
    assert get(one, "dataset.directory") == "data"
    trained_as = yaml.safe_load(Path("run/config.yaml").read_text())
    assert identity(trained_as | {"mode": "evaluate"}, {}) == identity(one, {})
