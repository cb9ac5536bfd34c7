"""What names a run: a hash of all that decides its numbers."""

import hashlib
import json
from typing import Any

from sgdj.config.nodes import leaves
from sgdj.config.roles import Role, has

RESULT_VERSION = 1  # raised when a change of the program changes its numbers

_PLAIN_ATTACK: dict[str, Any] = {"norm": "l2", "goal": "squared_error", "average": 1}

#: Keys younger than the result version, with the value that means what was done before they existed. At that value
#: they do not count towards a run's identity, and configurations without them are read as having it.
YOUNGER: dict[str, Any] = {
    "reconstructor": None,
    "dataset.max_gib": None,
    "operator.noise_support": "measured",
    "operator.phase": 0.0,
    "architecture.noise_step": "step",
    "architecture.checkpointing": False,
    "strategy.support": "measured",
    "strategy.validation": False,
    "trainer.deterministic": False,
    "trainer.reuse_memory": True,
    "strategy.attack.keep": "best",
    "strategy.attack.support": "measured",
    "attack.keep": "best",
    "attack.support": "measured",
    **{f"{node}.{key}": value for node in ("attack", "strategy.attack") for key, value in _PLAIN_ATTACK.items()},
    "evaluation.split": "test",
    "evaluation.iterations": [],
    "evaluation.shift_levels": {},
    "evaluation.sweep": "independent",
    "evaluation.part": "magnitude",
    "evaluation.clamp01_prediction": False,
    "evaluation.drop_last": False,
    "evaluation.fresh_noise": "none",
}


def decides(key: str) -> bool:
    """Whether a dotted key counts towards a run's identity."""
    return has(key, Role.IDENTITY)


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """The settings of a configuration that decide its numbers, by dotted key."""
    return {
        key: value for key, value in leaves(config) if decides(key) and not (key in YOUNGER and YOUNGER[key] == value)
    }


def identity(config: dict[str, Any], manifest: dict[str, Any], extra: dict[str, Any] | None = None) -> str:
    """Hash that names a run: canonical configuration, data and result version.

    Parameters
    ----------
    config
        Checked configuration.
    manifest
        `Source.manifest()` of the data.
    extra
        Further identity, such as the hash of an evaluated checkpoint.

    Returns
    -------
    str
        12 hexadecimal digits.
    """
    text = json.dumps([RESULT_VERSION, settings(config), manifest, extra or {}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
