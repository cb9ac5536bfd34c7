"""Types of settings with their ranges, for the constructors that take them.

A constructor's annotations are the schema of its settings: ``def __init__(self, sigma: NonNegative)`` is enough to have
``strategy.sigma=-1`` refused.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

#: No unknown keys, no conversions between types, no values that are not finite.
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1, le=10**9)]  # a square of it is still a number of bytes
NonNegativeInt = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Acceleration = Annotated[float, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Side = Annotated[int, Field(ge=11)]  # side of an image in pixels, no smaller than the window of SSIM
NonEmpty = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]


def _of_each_split(values: Mapping[str, Any]) -> Mapping[str, Any]:
    if values.keys() != {"train", "val", "test"}:
        raise ValueError("must name train, val and test")
    return values


Samples = Annotated[Mapping[str, Count], AfterValidator(_of_each_split)]  # images of each split
Volumes = Annotated[Mapping[str, Count | None], AfterValidator(_of_each_split)]  # volumes; None for all there are
Fractions = Annotated[Mapping[str, Fraction], AfterValidator(_of_each_split)]  # shares of each split
