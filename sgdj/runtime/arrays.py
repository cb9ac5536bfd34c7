"""Arrays of NumPy whose type of number and number of axes only the file knows that they were read from."""

from typing import Any

import numpy as np
import numpy.typing as npt

#: Of any shape and any kind of number: what is known of one stands in the docstring of whoever takes it.
Array = npt.NDArray[Any]
#: Of one number.
Kind = np.dtype[Any]
