"""State what a learned part guarantees: the Lipschitz constants from which a reconstruction is certified."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Layer:
    """Norm of one layer, recomputed from its weights.

    Parameters
    ----------
    name
        Name of the layer in the network.
    norm
        Upper bound of its operator norm at the image size that was asked for.
    bound
        Largest norm that the constants of the learned part allow.
    needed
        Reason for the bound, for people.
    """

    name: str
    norm: float
    bound: float
    needed: str


@dataclass(frozen=True)
class Constants:
    """Guarantee of a learned part: ‖N(a) - N(b)‖ ≤ q ‖a - b‖, of (x, y) jointly where N takes y, too.

    Parameters
    ----------
    form
        "prox": the learned part is N; "gd": it is f = c (x - N(x)).
    q
        Lipschitz constant q of N.
    weight
        Weight c of the gradient form; 0 in the proximal form.
    takes_y
        Whether N takes the measurement as a second input.
    layers
        Norms that q rests on.
    """

    form: Literal["prox", "gd"]
    q: float
    weight: float
    takes_y: bool
    layers: tuple[Layer, ...] = ()
