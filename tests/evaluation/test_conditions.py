"""Conditions are columns of a table."""

import pytest

from sgdj.attacks import APGD, PGD, Gaussian
from sgdj.evaluation.conditions import CLEAN, Key, conditions
from sgdj.shifts import NoiseLevel
from tests.helper import evaluation

SETTINGS = evaluation(curve=(0.5, 2), shift_levels={"noise_level": (2, 4.5)}, iterations=(3,))


def test_every_condition_is_told_by_its_columns():
    attack = PGD(rho=0.1, steps=1, step_size=1.0, restarts=1, random_start=False)
    listed = conditions(("pgd", attack), {"noise_level": NoiseLevel(2.0)}, SETTINGS)
    assert {c.name: c.key for c in listed} == {
        "clean": CLEAN,
        "gaussian": Key("gaussian", 1.0),
        "pgd": Key("pgd", 1.0),
        "noise_level": Key(shift="noise_level"),
        "noise_level@2": Key(shift="noise_level", level=2.0),
        "noise_level@4.5": Key(shift="noise_level", level=4.5),
        "gaussian-x0.5": Key("gaussian", 0.5),
        "pgd-x0.5": Key("pgd", 0.5),
        "gaussian-x2": Key("gaussian", 2.0),
        "pgd-x2": Key("pgd", 2.0),
        "clean-K3": Key(iterations=3),
    }
    assert len({c.key for c in listed}) == len(listed)
    levels = {c.name: c.level for c in listed}
    assert [levels[name] for name in ("clean", "pgd-x2", "noise_level", "noise_level@4.5", "clean-K3")] == [
        0.0, 0.2, 2.0, 4.5, 3.0
    ]  # fmt: skip


def test_the_published_attack_is_measured_beside_at_the_same_budget():
    """Once, not along the curve, and with the goal of the attack that it stands beside."""
    main = APGD(rho=0.1, steps=60, restarts=1, random_start=False, norm="linf", goal="magnitude_error")
    listed = conditions(("apgd", main), {}, evaluation(curve=(2,), pgd_steps=10))
    assert [c.name for c in listed] == ["clean", "gaussian", "apgd", "pgd", "gaussian-x2", "apgd-x2"]
    beside = listed[3].attack
    assert isinstance(beside, PGD)
    assert (beside.rho, beside.norm, beside.goal) == (0.1, "linf", "magnitude_error")
    assert (beside.steps, beside.step_size, beside.random_start, beside.keep) == (10, 2.0, False, "best")


@pytest.mark.parametrize(
    ("name", "attack"),
    [("pgd", PGD(rho=0.1, steps=3, step_size=1.0, restarts=1, random_start=False)), ("gaussian", Gaussian(rho=0.1))],
)
def test_nothing_stands_beside_pgd_itself_or_random_noise(name, attack):
    listed = conditions((name, attack), {}, evaluation(curve=(), pgd_steps=10))
    assert [c.name for c in listed] == list(dict.fromkeys(["clean", "gaussian", name]))
    assert listed[-1].attack is not None
    assert type(listed[-1].attack) is type(attack)
    assert getattr(listed[-1].attack, "steps", None) == getattr(attack, "steps", None)
