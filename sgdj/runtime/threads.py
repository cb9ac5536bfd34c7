"""Choose the number of threads to compute with."""

import os

#: Multiply-adds of one pass of the learned part below which a second thread costs more than it saves. Measured on two
#: cores: a training step at 64 x 64 took 1.45 times as long with two threads as with one at 67 million, 1.0 times at
#: 134 million, 0.9 times at 236 million and 0.7 times at 472 million.
WORTHWHILE = 2e8


def threads_for(weights: int, pixels: int, batch: int, processes: int = 1) -> int:
    """Return the number of threads that serves a network: one if it is small, else one for every core.

    Parameters
    ----------
    weights
        Number of weights of the network; each meets every pixel once, as in a convolution.
    pixels
        Number of pixels of an image.
    batch
        Number of images that are computed together.
    processes
        Number of processes on this machine that share its cores.

    Returns
    -------
    int
        Number of threads, at least 1.
    """
    if weights * pixels * batch < WORTHWHILE:
        return 1
    return max((os.cpu_count() or 1) // processes, 1)
