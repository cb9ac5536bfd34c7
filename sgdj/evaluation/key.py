"""Name a condition by the columns of a table."""

from typing import NamedTuple


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
