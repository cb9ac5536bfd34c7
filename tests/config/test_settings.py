"""Checked settings: typed, frozen, and the same numbers as were composed."""

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
import yaml

from sgdj.config.nodes import get
from sgdj.config.settings import Node, Settings
from sgdj.errors import InputError
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load

LEVELS = ("shift=[noise_level]", "+evaluation.shift_levels={noise_level:[1,4.5]}", "trainer.lr=1")


def settings(*overrides: str) -> Settings:
    return load(parse(overrides)).settings


@pytest.mark.parametrize(
    "change",
    [
        lambda s: setattr(s, "seed", 1),
        lambda s: setattr(s.trainer, "lr", 1.0),
        lambda s: setattr(s.dataset, "name", "other"),
        lambda s: s.dataset.settings.update(seed=1),
        lambda s: s.dataset.settings["volumes"].update(train=1),
        lambda s: s.evaluation.shift_levels.update(noise_level=()),
        lambda s: s.evaluation.curve.append(1.0),
        lambda s: s.shift.clear(),
        lambda s: s.plugins.append("os"),
    ],
)
def test_nothing_of_them_can_be_changed(change):
    checked = settings()
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        change(checked)
    checked.plain()["trainer"]["lr"] = 5.0
    assert checked == settings()
    assert checked.plain() == settings().plain()


def test_their_plain_form_is_what_was_composed():
    """Whole numbers stay whole, and keys keep their order: hashes and files are made of it."""
    checked = settings(*LEVELS)
    plain = checked.plain()
    assert repr(plain["trainer"]["lr"]) == "1"
    assert repr(checked.evaluation.shift_levels["noise_level"]) == "(1, 4.5)"
    assert repr(plain["evaluation"]["shift_levels"]) == "{'noise_level': [1, 4.5]}"
    assert list(plain)[:3] == ["sigma", "seed", "device"]
    assert yaml.safe_load(yaml.safe_dump(plain)) == plain
    for part in ("trainer", "logger", "audit"):
        typed = getattr(checked, part)
        assert {f.name: getattr(typed, f.name) for f in fields(typed)} == plain[part]
    assert checked.operator == Node.of(plain["operator"])


def test_a_node_tells_a_setting_of_the_asked_type():
    checked = settings("task=mri", "strategy=adversarial")
    plain = checked.plain()
    assert (checked.architecture.name, checked.architecture.target) == ("gd", plain["architecture"]["_target_"])
    assert checked.architecture.get("iterations", int) == plain["architecture"]["iterations"]
    assert checked.architecture.get("learned._target_", str) == get(plain, "architecture.learned._target_")
    assert checked.strategy.get("attack.steps", int) == get(plain, "strategy.attack.steps")
    assert checked.architecture.get("iterations", float) == float(plain["architecture"]["iterations"])
    assert checked.architecture.get("iterations", str) is checked.architecture.get("no.such", int) is None
    assert checked.data_seed == plain["dataset"]["seed"]


def test_one_value_is_changed_in_a_copy():
    checked = settings()
    other = checked.changed("dataset.seed", 7)
    assert (other.data_seed, checked.data_seed) == (7, 0)
    assert other.plain()["dataset"] == checked.plain()["dataset"] | {"seed": 7}
    with pytest.raises(ValueError, match="seed"):
        checked.changed("seed", -1)


def test_a_data_set_without_a_seed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    checked = settings()
    without = {key: value for key, value in checked.plain()["dataset"].items() if key != "seed"}
    with pytest.raises(InputError, match=r"has no seed .*, dataset\.seed: "):
        _ = Settings.of(checked.plain() | {"dataset": without}).data_seed
