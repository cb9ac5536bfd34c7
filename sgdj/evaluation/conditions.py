"""Define the conditions under which reconstructors are measured, as columns of a table."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from sgdj.attacks.base import Attack
from sgdj.attacks.gaussian import Gaussian
from sgdj.attacks.pgd import PGD
from sgdj.config.settings import Evaluation
from sgdj.shifts.base import Shift


class Key(NamedTuple):
    """Condition as columns; columns that do not apply are empty.

    Parameters
    ----------
    attack
        Name of an attack on the measurement, or empty.
    factor
        Budget of the attack, as a multiple of the budget that it was configured with; None without an attack.
    shift
        Name of a shift before the measurement, or empty.
    level
        Level of the shift where it is not the shift's own (`evaluation.shift_levels`), else None.
    iterations
        Number of iterations K where it is not the network's own (`evaluation.iterations`), else None.
    """

    attack: str = ""
    factor: float | None = None
    shift: str = ""
    level: float | None = None
    iterations: int | None = None


CLEAN = Key()
_STEP = 2.0  # of the published PGD, in units of the budget


@dataclass(frozen=True)
class Condition:
    """One condition of an evaluation, with its shift and its attack.

    Parameters
    ----------
    name
        Name for people, that no other condition has.
    key
        Condition as columns of a table.
    shift, attack
        Shift before the measurement and attack after it, or None.
    noise_key
        Name of the noise draw; another key gives another draw.
    pictured
        Whether panels show this condition.
    """

    name: str
    key: Key = CLEAN
    shift: Shift | None = None
    attack: Attack | None = None
    noise_key: str = ""
    pictured: bool = True

    @property
    def level(self) -> float:
        """Strength of the attack, else of the shift, else K, else 0."""
        if self.attack is not None:
            return self.attack.level
        return float(self.key.iterations or 0) if self.shift is None else self.shift.level


def _published(main: Attack, steps: int | None) -> dict[str, Attack]:
    """Return the published PGD with the budget and the goal of an attack, by its name; nothing beside random noise."""
    if steps is None or isinstance(main, Gaussian):
        return {}
    own = {name: getattr(main, name) for name in ("goal", "average") if hasattr(main, name)}
    budget = {name: getattr(main, name) for name in ("epsilon", "rho", "norm", "support")}
    return {"pgd": PGD(**budget, **own, steps=steps, step_size=_STEP, restarts=1, random_start=False)}


def conditions(attack: tuple[str, Attack], shifts: dict[str, Shift], settings: Evaluation) -> list[Condition]:
    """List the conditions of an evaluation.

    They are: clean, random noise and attack of the same norm, the published PGD beside it, the shifts, other levels of
    the curve, and other K.

    Parameters
    ----------
    attack
        Name of the attack, and the attack.
    shifts
        Shifts by their names.
    settings
        What is to be measured.

    Returns
    -------
    list of Condition
        Conditions in the order of tables and figures.
    """
    name, main = attack
    attacks: dict[str, Attack] = {"gaussian": Gaussian(epsilon=main.epsilon, rho=main.rho, norm=main.norm)}
    attacks.setdefault(name, main)
    listed = [Condition("clean")]
    beside = {} if "pgd" in attacks else _published(main, settings.pgd_steps)
    listed += [Condition(label, Key(label, 1.0), attack=one) for label, one in (attacks | beside).items()]
    for label, shift in shifts.items():
        listed.append(Condition(label, Key(shift=label), shift))
        for level in settings.shift_levels.get(label, ()):
            key = Key(shift=label, level=float(level))
            listed.append(Condition(f"{label}@{level:g}", key, shift.at(level), pictured=False))
    for factor in settings.curve:
        for label, one in attacks.items():
            key = Key(label, float(factor))
            listed.append(Condition(f"{label}-x{factor:g}", key, attack=one.scaled(factor), pictured=False))
    listed += [Condition(f"clean-K{k}", Key(iterations=k), pictured=False) for k in settings.iterations]
    if settings.fresh_noise != "none":
        fresh = [settings.fresh_noise == "all" or c.shift is not None for c in listed]
        listed = [replace(c, noise_key=c.name) if f else c for c, f in zip(listed, fresh, strict=True)]
    return listed
