"""The table of roles says of every key what it decides."""

import itertools

import pytest

from sgdj.config.nodes import leaves
from sgdj.config.search_path import GROUPS, config_options
from sgdj.jobs import roles
from sgdj.jobs.composition import compose_config
from sgdj.jobs.identity import decides
from sgdj.jobs.roles import ROLES, Role
from tests.jobs.test_config import NEEDED


def composed():
    """Return the keys of every composed configuration: each option of each group that a command line chooses from."""
    for group in GROUPS:
        if group.startswith(("scale_", "task_", "arithmetic/")):
            continue
        for option in config_options(group):
            choice = f"{'+' if group == 'experiment' else ''}{group}={option}"
            config = compose_config([choice, *(NEEDED.get(option, []) if group != "operator" else [])])
            yield from [*config, *(key for key, _ in leaves(config))]


KEYS = set(composed())


def test_every_key_has_a_role_and_every_role_a_key():
    assert not [key for key in KEYS if roles.listed(key) is None]
    whole = {".".join(parts[:n]) for parts in (key.split(".") for key in KEYS) for n in range(1, len(parts) + 1)}
    assert set(ROLES) - whole <= {*GROUPS, "hydra"}


def test_an_unknown_key_decides():
    """A run with a key of a plugin is then never taken for another."""
    assert decides("mine.level")
    assert roles.is_variant("mine.level")


@pytest.mark.parametrize(
    ("role", "keys"),
    [
        (Role.IDENTITY, {"seed": 1, "trainer.lr": 1, "trainer.threads": 0, "logger.mode": 0, "shift.line.row": 1}),
        (Role.EVALUATION, {"attack.rho": 1, "trainer.lr": 0, "architecture.iterations": 1, "architecture.start": 0}),
        (Role.FILE, {"strategy.sigma": 1, "precision": 0, "plugins": 0, "output_dir": 0, "dataset.root": 1}),
    ],
)
def test_a_key_takes_part_in(role, keys):
    assert {key: int(roles.has(key, role)) for key in keys} == keys


def test_variants():
    """What the study varies by itself, and what changes no number, makes no variant of an experiment."""
    axes = ("task", "strategy", "sigma", "strategy.attack.rho", "seed", "architecture", "experiment", "mode")
    axes = (*axes, "reconstructor")
    aside = ("output_dir", "logger", "logger.mode", "plugins", "trainer.threads", "hydra/launcher", "dataset.root")
    variants = ("dataset", "trainer.lr", "strategy.sigma", "architecture.iterations", "architecture/learned", "epochs")
    assert not [key for key in itertools.chain(axes, aside) if roles.is_variant(key)]
    assert [key for key in variants if roles.is_variant(key)] == list(variants)
