"""Configuration: everything composes, and every mistake is one clear line before anything happens."""

import dataclasses
import importlib
import inspect
import itertools
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest
import yaml

from sgdj.config import signature
from sgdj.config.options import BASES, choices, shipped
from sgdj.config.search_path import GROUPS, config_options
from sgdj.config.settings import Settings
from sgdj.config.tasks import tasks
from sgdj.errors import InputErrors
from sgdj.jobs.composition import expand, parse
from sgdj.jobs.identity import identity
from sgdj.jobs.load import load
from tests.program import RUN, run

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {
    "fastmri": ["dataset.root=."],
    "multicoil": ["dataset.root=.", "operator=multicoil"],
    "multicoil_phantom": ["operator=multicoil"],
    "section": [f"dataset.path={__file__}"],
    "images": [f"dataset.path={__file__}"],
    "transfer": ["attack.source=run/checkpoints/best.ckpt"],
    "firm": ["architecture=prox"],
}
TASK_OF = {name: task.name for task in tasks().values() for name in (*task.operators, *task.datasets)}


def config(*overrides: str):
    return load(parse(overrides)).settings.plain()


def composable():
    """List every option of every group, with a task that it fits."""
    for group in GROUPS:
        for option in config_options(group):
            if group.startswith(("scale_", "task_", "arithmetic/")):
                continue  # reached through the groups that name them
            overrides = [f"{group}={option}"]
            if group in ("operator", "dataset"):
                overrides.append(f"task={TASK_OF[option]}")
            if group == "defence" and option in config_options("strategy"):
                overrides.append(f"strategy={option}")  # whose settings it shares
            if option in NEEDED and not (group == "operator" and option == "multicoil"):
                overrides += NEEDED[option]
            if group == "architecture/learned" and option in ("linear", "mlp"):
                overrides.append("task=toy")
            if group == "shift" and option in ("wavelet", "wrong_wavelet", "layers"):
                overrides.append("task=seismic")
            if group == "architecture/learned" and option == "seismic_cnn":
                overrides.append("task=seismic")
            yield overrides


@pytest.mark.parametrize("overrides", list(composable()), ids=lambda o: o[0])
def test_every_option_composes(overrides, tmp_path, monkeypatch):
    if "attack=transfer" in overrides:
        monkeypatch.chdir(tmp_path)
        checkpoint = tmp_path / "run" / "checkpoints" / "best.ckpt"
        checkpoint.parent.mkdir(parents=True)
        checkpoint.touch()
        (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config()))
    assert config(*overrides)["task"] in tasks()


PROXIMAL = ("prox", "modl", "hqs", "admm")


def refusals(task: str, architecture: str, strategy: str) -> int:
    """Count why a combination has no meaning: the strategy for network and problem, the network for the problem."""
    for_strategy = (
        (architecture == "unet" and strategy in ("jitter", "jitter_adversarial", "smug"))
        or (architecture in ("deq", "deq_prox") and strategy in ("smug", "jacobian"))
        or (strategy == "ssdu" and task != "mri")
        or (strategy == "firm" and architecture not in PROXIMAL)
    )
    return int(for_strategy) + int(architecture == "unet" and task == "toy")


@pytest.mark.parametrize(
    ("task", "scale", "architecture", "strategy"),
    [
        (task, scale, architecture, strategy)
        for task, scale, architecture, strategy in itertools.product(
            config_options("task"), config_options("scale"), config_options("architecture"), config_options("strategy")
        )
        if strategy == "mse" or architecture in ("gd", "prox") or (scale == "smoke" and task in ("toy", "mri"))
    ],
)
def test_every_combination_composes_or_is_refused(task, scale, architecture, strategy):
    choice = (f"task={task}", f"scale={scale}", f"architecture={architecture}", f"strategy={strategy}")
    if expected := refusals(task, architecture, strategy):
        with pytest.raises(InputErrors) as told:
            config(*choice)
        assert len(told.value.mistakes) == expected
        return
    composed = config(*choice)
    assert (composed["task"], composed["scale"]) == (task, scale)
    assert composed["architecture"]["name"] == architecture
    assert composed["strategy"]["name"] == strategy
    assert composed["operator"]["name"] in tasks()[task].operators
    assert composed["dataset"]["name"] in tasks()[task].datasets


def test_every_conditional_file_is_reached():
    """A file such as scale_task/small_mri.yaml is named after options that exist."""
    for group in GROUPS:
        if group.startswith(("scale_", "task_")):
            kinds = [{"learned": "architecture/learned"}.get(kind, kind) for kind in group.split("_")]
            names = {"_".join(parts) for parts in itertools.product(*map(config_options, kinds))}
            assert set(config_options(group)) <= names
        if group.startswith("arithmetic/"):
            names = {f"{name}_upstream" for name in config_options(group.removeprefix("arithmetic/"))}
            assert set(config_options(group)) <= names


@pytest.mark.parametrize("target", sorted(shipped()))
def test_options_list_all_settings_of_their_class(target):
    """Unknown keys can then be reported without importing the class; and every setting has a type that is checked."""
    module, _, name = target.rpartition(".")
    taken = signature.parameters(getattr(importlib.import_module(module), name))
    assert shipped()[target] - {"name"} == set(taken)
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in taken.values())


@pytest.mark.parametrize("group", BASES)
def test_options_derive_from_the_base_of_their_group(group):
    module, _, name = BASES[group].rpartition(".")
    base = getattr(importlib.import_module(module), name)
    assert choices(group)
    assert all(issubclass(signature.located(target, group), base) for target in choices(group))


def test_the_schema_is_the_configuration():
    """Every top-level key of the composed configuration is in the schema, and nothing else."""
    composed = config("strategy=smug")  # which has a defence
    assert set(composed) == {f.name for f in dataclasses.fields(Settings) if f.init}
    for node in ("trainer", "logger", "evaluation"):
        hints = typing.get_type_hints(Settings)
        assert set(composed[node]) == {f.name for f in dataclasses.fields(hints[node])}


def test_sigma_moves_into_the_strategy():
    assert config("strategy=jitter", "sigma=0.02")["strategy"]["sigma"] == 0.02
    assert config("task=seismic", "strategy=jitter", "scale=paper")["strategy"]["sigma"] == 0.1
    assert config("task=mri", "strategy=jitter", "scale=paper")["strategy"]["sigma"] == 0.01
    assert config("strategy=jitter", "sigma=0")["strategy"]["sigma"] == 0


def test_naming_one_budget_withdraws_the_other():
    attack = config("attack.epsilon=1", "strategy=adversarial", "scale=paper")
    assert (attack["attack"]["epsilon"], attack["attack"]["rho"]) == (1, None)
    assert (attack["strategy"]["attack"]["epsilon"], attack["strategy"]["attack"]["rho"]) == (1, None)


def test_identity_ignores_where_and_keeps_what():
    base = identity(config(), {"data": 1})
    same = ["device=cpu", "output_dir=x", "logger=none", "trainer.workers=3", "dataset.directory=y", "force=true"]
    for override in same:
        assert identity(config(override), {"data": 1}) == base
    for override in ["seed=1", "trainer.lr=0.1", "strategy=jitter", "operator.noise=0.1", "evaluation.curve=[3.0]"]:
        assert identity(config(override), {"data": 1}) != base
    assert identity(config(), {"data": 2}) != base
    assert identity(config("strategy=jitter", "sigma=0.02"), {}) == identity(
        config("strategy=jitter", "strategy.sigma=0.02"), {}
    )


def test_a_sweep_is_the_product():
    jobs = expand(parse(["task=mri,toy", "seed=0,1,2", "strategy=mse"]))
    assert len(jobs) == 6
    assert len({tuple(o.input_line for o in job) for job in jobs}) == 6


MISTAKES = [
    (["trainer.lrr=0.1"], "unknown key, trainer.lrr: did you mean trainer.lr?"),
    (["+train.lrr=1"], "unknown key, train"),
    (["strategy=jitterr"], "no option jitterr, command line: strategy: did you mean jitter?"),
    (["strategy="], "no option (empty), command line: strategy: choose one of adversarial, firm, "),
    (["nogroup"], "this is not KEY=VALUE, command line: nogroup"),
    (["seed=abc"], "'abc' must be a whole number, seed"),
    (["seed=-1"], "-1 must be at least 0, seed"),
    (["seed=4294967296"], "4294967296 must be below 4294967296, seed"),
    (["trainer.lr="], "'' must be a number, trainer.lr"),
    (["trainer.lr=nan"], "nan must be finite, trainer.lr"),
    (["attack.rho=inf"], "inf must be finite, attack.rho"),
    (["attack.epsilon=-1"], "-1 must be at least 0.0, attack.epsilon"),
    (["strategy=jitter", "sigma=-0.1"], "-0.1 must be at least 0.0, strategy.sigma"),
    (["strategy=mse", "sigma=0.1"], "strategy mse has no noise level, sigma=0.1"),
    (["attack.steps=0"], "0 must be at least 1, attack.steps"),
    (["attack.steps=2.5"], "2.5 must be a whole number, attack.steps"),
    (["dataset=fastmri"], "no value, dataset.root: set dataset.root=VALUE"),
    (["dataset=fastmri", "dataset.root=nowhere"], "no such folder: nowhere, dataset.root"),
    (["task=seismic", "dataset=section", "dataset.path=nowhere.npz"], "no such file: nowhere.npz, dataset.path"),
    (["trainer.batch_size=0"], "0 must be at least 1, trainer.batch_size"),
    (["trainer.batch_size=100000"], "100000 exceeds the 192 training images, trainer.batch_size"),
    (["architecture.iterations=0"], "0 must be at least 1, architecture.iterations"),
    (["operator.acceleration=0.5"], "0.5 must be at least 1.0, operator.acceleration"),
    (["operator.center_fraction=1.5"], "1.5 must be at most 1.0, operator.center_fraction"),
    (["operator.center_fraction=0.5"], "acceleration 4 cannot be reached with a centre fraction of 0.5"),
    (["shift=acceleration", "evaluation.shift_levels={acceleration:[0.5]}"], "0.5 is no acceleration"),
    (["task=mri", "operator=convolution"], "operator convolution does not fit task mri, operator"),
    (["task=seismic", "dataset=phantom"], "dataset phantom does not fit task seismic, dataset"),
    (["device=gpu"], "'gpu' is not valid, device"),
    (["mode=evaluate"], "no checkpoint, checkpoint: set checkpoint="),
    (["mode=evaluate", "checkpoint=nowhere.ckpt"], "no such file: nowhere.ckpt, checkpoint"),
    (
        ["mode=dream"],
        "'dream' must be 'train', 'evaluate', 'reconstruct', 'audit', 'certify', 'verify' or 'tune', mode",
    ),
    (["strategy._target_=os.system"], "'os.system' is not a Strategy of this project, strategy._target_"),
    (["architecture.learned._target_=torch.hub.load"], "'torch.hub.load' is not a LearnedPart of this project"),
    (["strategy.name=../../escape"], "'../../escape' is not valid, strategy.name"),
    (["architecture.learned.features=30"], "30 features cannot be divided into 4 groups"),
    (["architecture.start=measurement"], "k-space is no image to start from, architecture.start"),
    (["attack.rho=null"], "give exactly one of epsilon and rho, attack"),
    (["seed=0,1"], "several values, command line: seed: add -m to run all of them"),
    (["~seed"], "keys cannot be removed, command line: ~seed"),
    (["problem.images=real"], "what a task is stands in its file alone, command line: problem.images"),
    (["--frobnicate"], "unknown option, --frobnicate: see --help"),
]


@pytest.mark.parametrize(("arguments", "line"), MISTAKES, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_a_mistake_is_one_line_and_leaves_nothing(cli, tmp_path, arguments, line):
    code, out, err = cli(*arguments)
    assert code == 2
    assert out == ""
    assert f"error: {line}" in err
    assert err.count("\n") == 1, err
    assert not list(tmp_path.iterdir())


def test_all_mistakes_are_told_at_once(cli):
    """Names first, which takes no import; then everything out of range."""
    code, _, err = cli("trainer.lrr=3", "strategy=jitterr", "attack.stepps=1", "seed=abc")
    assert code == 2
    assert err.count("error: ") == 4
    code, _, err = cli(
        "attack.steps=-1", "operator.acceleration=0.5", "strategy=jitter", "sigma=-1", "shift.line.row=2"
    )
    assert code == 2
    assert err.count("error: ") == 4


def test_a_sweep_is_checked_before_its_first_job(cli, tmp_path):
    code, _, err = cli("-m", "task=toy", "scale=smoke", "seed=0,1,-1", "strategy=mse,jitterr")
    assert code == 2
    assert sorted(err.splitlines()) == [
        "error: -1 must be at least 0, seed: raise it",
        "error: no option jitterr, command line: strategy: did you mean jitter?",
    ]
    assert not list(tmp_path.iterdir())


def process(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_checking_needs_no_torch(tmp_path):
    start = "import sys, sgdj.jobs.load, sgdj.modes.sweep; from sgdj.modes.cli import main"
    mistakes = ["strategy=nothing", "seed=x", "attack.stepps=1"]
    code = f"{start}; main({mistakes}); main({mistakes[1:]}); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.strip() == "False"


def test_checking_a_range_loads_no_library_for_files_figures_or_training(tmp_path):
    slow = {
        "h5py",
        "segyio",
        "matplotlib",
        "pandas",
        "skimage",
        "scipy",
        "lightning",
        "torchmetrics",
        "fastmri",
        "wandb",
    }
    start = "import sys; from sgdj.modes.cli import main"
    code = f"{start}; main(['attack.steps=-1']); print(sorted({slow} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stderr == "error: -1 must be at least 1, attack.steps: raise it\n"
    assert done.stdout.strip() == "[]"


def test_the_real_command_line(tmp_path):
    done = process("seed=abc", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: 'abc' must be a whole number, seed: give one\n"
    told = run(RUN, "seed=abc", cwd=tmp_path, environment={"HYDRA_FULL_ERROR": "1"})
    assert "Traceback" in told.stderr
    shown = process("--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert "strategy: adversarial, firm, input_jitter, jacobian, jitter, " in shown.stdout
    printed = run(RUN, "task=toy", "--cfg", "job", cwd=tmp_path)
    assert printed.returncode == 0
    assert "task: toy" in printed.stdout
    assert not list(tmp_path.iterdir())


def test_a_missing_gpu_is_an_error(cli, monkeypatch, tmp_path):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, _, err = cli("device=cuda", "scale=smoke")
    assert code == 2
    assert err == "error: no CUDA device is available, device: use device=cpu or device=auto\n"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    code, _, err = cli("device=cuda:7", "scale=smoke")
    assert err == "error: cuda:7 of 4 CUDA devices, device: use cuda:0 … cuda:3\n"
    assert not list(tmp_path.iterdir())


def test_plugins_open_the_list_of_targets(monkeypatch, tmp_path):
    (tmp_path / "my_lab.py").write_text(
        "from sgdj.strategies import MSE\n\n\nclass Mine(MSE):\n"
        "    def __init__(self, weight):\n        self.weight = weight\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from sgdj.config.instantiate import build

    overrides = ["++strategy._target_=my_lab.Mine", "++strategy.weight=2", "strategy.name=mine"]
    with pytest.raises(InputErrors, match="is not a Strategy of this project"):
        config(*overrides)
    built = build(load(parse([*overrides, "plugins=[my_lab]"])).settings, "strategy")
    assert built.weight == 2


def _pins(name: str) -> dict[str, str]:
    """Return the distributions that a requirements or lock file pins, with their versions."""
    from packaging.utils import canonicalize_name

    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {str(canonicalize_name(distribution)): version for distribution, version in found}


def test_pins_agree():
    """pyproject's ranges admit the pins, and the locks hold them; fastmri comes without its dependencies."""
    import tomllib
    from importlib.metadata import version

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins = _pins("requirements.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ranges = {canonicalize_name(r.name): r.specifier for r in map(Requirement, project["dependencies"])}
    assert set(ranges) == set(pins) - {"fastmri"}
    assert all(ranges[name].contains(pins[name]) for name in ranges)
    assert ranges["torch"].contains("2.10.0")
    assert version("fastmri") == pins["fastmri"]
    for lock, more in (("requirements.lock", {}), ("requirements-dev.lock", _pins("requirements-dev.txt"))):
        wanted = {name: number for name, number in (pins | more).items() if name != "torch"}
        assert wanted.items() <= _pins(lock).items()
    assert _pins("requirements.lock").items() <= _pins("requirements-dev.lock").items()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_everything_locked_has_a_hash(name):
    text = (ROOT / name).read_text()
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(_pins(name)) > 80
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}$", block, re.MULTILINE) for block in blocks)
    line = re.compile(r"|#.*|[a-z0-9][a-z0-9._-]*==\S+( ; .+)?( \\)?|--hash=sha256:[0-9a-f]{64}( \\)?")
    other = [found for found in map(str.strip, text.splitlines()) if not line.fullmatch(found)]
    assert not other, "names, hashes and comments alone: no address and no option of the installer"


@pytest.mark.parametrize(
    ("folders", "files"),
    [
        (["sgdj"], ["requirements.txt"]),
        (["scripts", "tests"], ["requirements.txt", "requirements-dev.txt", "requirements-peers.txt"]),
    ],
)
def test_imports_are_declared(folders, files):
    """What a file imports by name is pinned by name; nothing is there because something else happens to need it."""
    import ast
    from importlib.metadata import packages_distributions

    from packaging.utils import canonicalize_name

    imported = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    known = packages_distributions()
    ours = {"sgdj", "scripts", "tests", *sys.stdlib_module_names}
    declared = {name for file in files for name in _pins(file)}
    declared |= {"sigpy"}  # an extra, imported where it is used, after a look whether it is there
    missing = {
        name for name in imported - ours if not declared & {str(canonicalize_name(d)) for d in known.get(name, [name])}
    }
    assert not missing


def test_the_last_of_two_values_counts_also_in_a_sweep():
    jobs = expand(parse(["task=toy", "seed=0,1,2", "strategy=mse,jitter", "seed=4,5"]))
    assert [[o.input_line for o in job] for job in jobs] == [
        ["task=toy", f"seed={seed}", f"strategy={strategy}"] for seed in (4, 5) for strategy in ("mse", "jitter")
    ]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["operator.acceleration=6", "operator.center_fraction=0.2"], "operator.center_fraction: lower it to 0.166"),
        (
            ["shift=acceleration", "operator.center_fraction=0.2"],
            "shift.acceleration.center_fraction: lower it to 0.125",
        ),
    ],
)
def test_an_advised_centre_fraction_is_accepted(cli, arguments, advice):
    code, _, err = cli("task=mri", *arguments)
    assert (code, advice in err) == (2, True)
    key, value = advice.split(": lower it to ")
    config("task=mri", *arguments, f"{key}={value.strip()}")  # raises if there is a mistake


@pytest.mark.parametrize("typed", ["precision=32", "precision='32'", 'precision="32"'])
def test_a_precision_may_be_typed_as_a_number(typed):
    assert load(parse(["task=toy", typed])).settings == load(parse(["task=toy"])).settings


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["architecture=unet", "strategy=jitter"], "this architecture has no iterations to jitter, strategy: "),
        (["architecture=unet", "architecture.iterations=3"], "unknown key, architecture.iterations: "),
        (["architecture=unet", "evaluation.iterations=[3]"], "architecture unet has no iterations to count, "),
        (["architecture=varnet", "evaluation.iterations=[9]"], "only 4 iterations have weights of their own, "),
        (["architecture.shared=false", "evaluation.iterations=[9]"], "only 4 iterations have weights of their own, "),
        (["architecture=deq", "strategy=jacobian"], "the derivative of a fixed point's derivative is not at hand, "),
    ],
)
def test_what_an_architecture_has_no_use_for_is_refused(arguments, line):
    with pytest.raises(InputErrors) as told:
        load(parse(arguments))
    assert str(told.value).startswith(line), told.value
    assert len(told.value.mistakes) == 1


def test_an_architecture_leaves_out_what_is_said_of_others():
    """Tasks and scales speak of iterations, steps and learned parts, which a black box does not have."""
    assert set(config("task=seismic", "architecture=unet")["architecture"]) == {
        "_target_", "name", "start", "channels", "layers", "features", "residual",
    }  # fmt: skip
    assert "step" not in config("architecture=modl")["architecture"]
    assert "iterations" not in config("architecture=deq")["architecture"]


def test_a_protocol_is_no_option_of_a_run():
    with pytest.raises(InputErrors, match=r"no option of a run, .* --study conf/study/mri\.yaml"):
        load(parse(["task=mri", "study=mri"]))
