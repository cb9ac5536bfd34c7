"""What names a run, and what does not."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from sgdj.config import signature
from sgdj.config.options import BASES, shipped
from sgdj.config.schema import NODES
from sgdj.jobs import identity as naming
from sgdj.jobs.identity import RESULT_VERSION, identity, settings, without_defaults
from tests.jobs.test_config import config

PINNED = Path(__file__).with_name("defaults.json")

LAB = """
from hash_lab.help import factor
from sgdj.strategies import MSE


class Weighted(MSE):
    def __init__(self, weights: dict = {"a": 1}, count: int = 1, flag: bool = True) -> None:
        self.weight = factor()
"""
HELP = "def factor():\n    return 2.0\n"


def pinned_today() -> dict[str, dict[str, object]]:
    """Defaults by the name of what takes them, as JSON has them."""
    takers = {target.rpartition(".")[2]: signature.located(target, "") for target in shipped()}
    takers |= {cls.__name__: cls for cls in NODES.values()}
    found = {name: signature.defaults(cls) for name, cls in sorted(takers.items())}
    return json.loads(json.dumps({name: defaults for name, defaults in found.items() if defaults}))


def test_defaults_are_pinned():
    """A setting at its default counts for no hash: to change a default is to give another run the same name."""
    pinned, today = json.loads(PINNED.read_text()), pinned_today()
    assert pinned["result_version"] == RESULT_VERSION, "pin the defaults of this result version"
    for name, defaults in pinned["defaults"].items():
        for key, value in defaults.items():
            assert key in today.get(name, {}), f"{name}.{key} has no default any more: raise RESULT_VERSION"
            assert today[name][key] == value, f"the default of {name}.{key} has changed: raise RESULT_VERSION"
    assert pinned["defaults"] == today, "pin the new defaults"


def test_no_default_of_a_class_is_another_object():
    """A default that JSON cannot hold could not be pinned, nor compared with a setting."""
    for target in shipped():
        defaults = signature.defaults(signature.located(target, ""))
        assert json.loads(json.dumps(defaults)) == defaults, target


def test_names_of_classes_are_their_own():
    """Without the module, no two classes of a group are one."""
    names = [target.rpartition(".")[2] for target in shipped()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("choice", ["task=mri", "task=seismic", "task=denoising", "task=toy"])
def test_no_hash_knows_where_a_class_of_ours_lies(choice):
    found = settings(config(choice, "strategy=adversarial", "attack=worst_of"), [])
    assert not [key for key, value in found.items() if "sgdj" in str(value)]
    assert found["strategy._target_"] == "strategy/adversarial"
    assert found["strategy.attack._target_"] == found["attack.attacks.pgd._target_"] == "attack/pgd"
    assert found["architecture.step._target_"] == "StepSize"


def test_a_moved_class_keeps_the_hash(monkeypatch):
    here = config("strategy=jitter")
    before = identity(here, {})
    elsewhere = json.loads(json.dumps(here).replace("sgdj.strategies.Jitter", "sgdj.strategies.jitter.Jitter"))
    target = elsewhere["strategy"]["_target_"]
    groups = naming.option_groups() | {target: {"jitter": "strategy"}}
    monkeypatch.setattr(naming, "shipped", lambda: shipped() | {target: shipped()["sgdj.strategies.Jitter"]})
    monkeypatch.setattr(naming, "option_groups", lambda: groups)
    assert identity(elsewhere, {}) == before


def test_a_setting_at_its_default_does_not_count():
    """Neither does one that is not there: a configuration of before it existed has the same hash."""
    whole = config("attack=pgd", "strategy=input_jitter", "architecture=prox", "evaluation.sweep=independent")
    before = identity(whole, {})
    for node, keys in {
        "architecture": ("noise_step", "checkpointing"),
        "strategy": ("support",),
        "operator": ("noise_support",),
        "attack": ("keep", "norm", "epsilon", "average"),
        "evaluation": ("sweep", "split", "iterations", "shift_levels"),
        "trainer": ("deterministic",),
    }.items():
        for key in keys:
            del whole[node][key]
            assert identity(whole, {}) == before, f"{node}.{key}"
    del whole["reconstructor"]
    assert identity(whole, {}) == before


@pytest.mark.parametrize(
    "override",
    [
        "strategy.support=full", "architecture.noise_step=exp", "attack.norm=linf", "attack.epsilon=1", "shift=[]",
        "evaluation.iterations=[1]", "evaluation.shift_levels={line:[1.0]}", "evaluation.sweep=warm",
        "trainer.deterministic=true",
    ],
)  # fmt: skip
def test_a_setting_at_another_value_counts(override):
    start = ["strategy=input_jitter", "architecture=prox", "evaluation.sweep=independent", "evaluation.curve=[]"]
    assert identity(config(*start), {}) != identity(config(*start, override), {})


def test_a_whole_number_is_one_however_it_is_written():
    one, other = (config("strategy=jitter", f"sigma={text}") for text in ("1", "1.0"))
    assert identity(one, {}) == identity(other, {})
    assert identity({"mine": 1}, {}) != identity({"mine": True}, {})


def test_the_audit_counts_in_audits_alone():
    plain, more = config(), config("audit.samples=2")
    assert identity(plain, {}) == identity(more, {})
    plain, more = (one | {"mode": "audit"} for one in (plain, more))
    assert identity(plain, {}) != identity(more, {})
    assert "audit.light" not in settings(plain, [])


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Writes the plugin anew and gives the hash of a run with its class."""
    package = tmp_path / "hash_lab"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))

    def renewed(classes=LAB, help_=HELP, other="", plugins=("hash_lab",), **more):
        (package / "classes.py").write_text(classes)
        (package / "help.py").write_text(help_)
        (package / "other.py").write_text(other)
        for name in [name for name in sys.modules if name.partition(".")[0] == "hash_lab"]:
            monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()
        node = {"_target_": "hash_lab.classes.Weighted", "name": "weighted", **more}
        return identity({"strategy": node, "plugins": list(plugins)}, {})

    return renewed


def test_a_plugins_class_counts_by_its_source(lab):
    """And by what it imports of its package; not by what else lies there."""
    before = lab()
    assert lab(other="x = 1\n") == before
    assert lab(classes=LAB + "# more\n") != before
    assert lab(help_=HELP.replace("2.0", "3.0")) != before
    assert lab() == before


def test_a_plugins_defaults_do_not_count(lab):
    before = lab()
    assert lab(count=1, flag=True, weights={"a": 1}) == before
    others = [{"count": 2}, {"flag": False}, {"weights": {}}, {"weights": {"b": 2}}, {"weights": {"a": 1, "b": 2}}]
    assert len({before, *(lab(**other) for other in others)}) == 1 + len(others)


def test_a_class_that_a_file_names_is_not_imported(lab):
    lab(plugins=())
    assert "hash_lab.classes" not in sys.modules
    node = {"_target_": "hash_lab.classes.Weighted", "name": "weighted", "count": 1}
    assert settings({"strategy": node, "plugins": ["hash_lab"]}, [])["strategy.count"] == 1
    assert "hash_lab.classes" not in sys.modules


def test_a_target_that_is_no_text_stands_for_itself():
    assert settings({"strategy": {"_target_": ["a"]}}, [])["strategy._target_"] == ["a"]


def test_a_node_without_what_stands_at_its_default():
    node = {"_target_": "sgdj.attacks.PGD", "epsilon": None, "rho": 0.03, "keep": "best"}
    assert without_defaults("attack", node) == {"_target_": "sgdj.attacks.PGD", "rho": 0.03}
    assert set(BASES) & set(NODES) == set()
