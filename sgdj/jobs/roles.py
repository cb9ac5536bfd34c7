"""List what each key of a configuration decides, in the one table of it."""

from enum import Flag, auto


class Role(Flag):
    """Purpose for which a key is read."""

    NONE = 0
    #: It decides numbers, and so a run's identity. Others say where and how fast a run happens.
    IDENTITY = auto()
    #: An evaluation may change it of a trained network.
    EVALUATION = auto()
    #: It is taken from the configuration that comes with a checkpoint; others belong to the run at hand.
    FILE = auto()
    #: The study varies it by itself, so that it makes no variant of an experiment; this key alone, none under it.
    AXIS = auto()


_NONE, _IDENTITY, _EVALUATION, _FILE, _AXIS = Role.NONE, Role.IDENTITY, Role.EVALUATION, Role.FILE, Role.AXIS
_NETWORK = _IDENTITY | _FILE  # it makes another network
_MEASURING = _IDENTITY | _FILE | _EVALUATION  # it makes another measurement of a network
_HERE = _EVALUATION | _FILE  # it changes no number, and is as it was in training unless it is said otherwise

#: By dotted key, or by group where that has no key of its own. What is not listed has the roles of the key above it.
ROLES: dict[str, Role] = {
    "task": _NETWORK | _AXIS,
    "scale": _MEASURING | _AXIS,
    "experiment": _IDENTITY | _EVALUATION | _AXIS,
    "arithmetic": _IDENTITY,
    "operator": _MEASURING,
    "dataset": _MEASURING,
    "dataset.directory": _HERE,
    "dataset.root": _HERE,
    "dataset.path": _HERE,
    "dataset.cache_gib": _HERE,
    "dataset.max_gib": _HERE,
    "architecture": _NETWORK | _AXIS,
    "architecture.iterations": _MEASURING,
    "architecture.checkpointing": _FILE,
    "strategy": _NETWORK | _AXIS,
    "strategy.attack.rho": _NETWORK | _AXIS,
    "defence": _MEASURING,
    "attack": _MEASURING,
    "shift": _MEASURING,
    "trainer": _NETWORK,
    "trainer.workers": _HERE,
    "trainer.threads": _HERE,
    "trainer.reuse_memory": _HERE,
    "trainer.devices": _FILE,
    "trainer.keep": _FILE,
    "evaluation": _MEASURING,
    "evaluation.panels": _HERE,
    "audit": _MEASURING,  # of an audit or a certificate; other modes leave it out
    "logger": _EVALUATION,
    "sigma": _IDENTITY | _AXIS,  # it is in the strategy when it is checked
    "seed": _NETWORK | _AXIS,
    "epochs": _NETWORK,
    "mode": _IDENTITY | _EVALUATION | _AXIS,
    "precision": _IDENTITY | _EVALUATION,
    "reconstructor": _IDENTITY | _AXIS,
    "reconstructor_settings": _IDENTITY | _AXIS,
    "checkpoint": _EVALUATION,
    "input": _EVALUATION,
    "output": _EVALUATION,
    "run_dir": _EVALUATION,
    "output_dir": _EVALUATION,
    "device": _EVALUATION,
    "resume": _EVALUATION,
    "force": _EVALUATION,
    "plugins": _EVALUATION,
    "hydra": _NONE,
}


def listed(key: str) -> str | None:
    """Return the entry of the table that holds for a dotted key, or for a group; None if there is none."""
    parts = key.replace("/", ".").split(".")
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((name for name in names if name in ROLES), None)


def has(key: str, role: Role) -> bool:
    """Check whether a key has a role; one that the table does not know decides numbers, to be safe."""
    found = listed(key)
    return role in (Role.IDENTITY if found is None else ROLES[found])


def is_variant(key: str) -> bool:
    """Check whether a run that sets this key on its command line is a variant of its experiment.

    It is none if the key is one of the study's axes, or decides no number.
    """
    axis = Role.AXIS in ROLES.get(key, Role.NONE)
    return not axis and has(key, Role.IDENTITY)
