"""Draw random numbers as a pure function of (seed, stream, keys)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Stream = Literal["init", "data", "split", "noise", "mask", "shuffle", "jitter", "attack", "shift", "defence"]
Key = int | str


@dataclass(frozen=True)
class Draws:
    """Source of random numbers without state.

    Every draw is named by the seed, a stream, and keys such as the epoch, the sample and the iteration; asking twice
    gives the same numbers. Nothing has to be stored to resume, and a sample's draws do not depend on its neighbours in
    the batch, on the number of workers, or on what else was drawn before.

    Parameters
    ----------
    seed
        Seed of the run or of the data set.
    context
        Keys common to all draws made from this source, such as the epoch.
    """

    seed: int
    context: tuple[Key, ...] = ()

    def at(self, *keys: Key) -> "Draws":
        """Return the same source with further keys fixed."""
        return Draws(self.seed, self.context + keys)

    def key(self, stream: Stream, *keys: Key) -> int:
        """Return the 128-bit integer that names a draw."""
        name = repr((self.seed, stream, self.context, keys))
        return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16).digest(), "little")

    def generator(self, stream: Stream, *keys: Key) -> np.random.Generator:
        """Return a NumPy generator (Philox, keyed by the draw's name)."""
        return np.random.Generator(np.random.Philox(key=self.key(stream, *keys)))

    def normal(self, stream: Stream, samples: Sequence[str], like: Tensor, *keys: Key) -> Tensor:
        """Draw standard normal entries, one independent row per sample.

        Parameters
        ----------
        stream
            Purpose of the draw, such as "jitter".
        samples
            Sample ids, one per row of `like`, length B.
        like
            Tensor of shape (B, ...) whose shape, dtype and device the draw takes.
        *keys
            Further keys, such as the iteration.

        Returns
        -------
        Tensor
            Draw of the shape of `like`. Real *and* imaginary entries are N(0, 1) each if `like` is complex.
        """
        out = torch.empty(like.shape, dtype=like.dtype, device=like.device)
        rows = torch.view_as_real(out) if out.is_complex() else out
        for row, sample in zip(rows, samples, strict=True):
            if row.device.type == "cpu" and row.dtype in (torch.float32, torch.float64):
                array = row.numpy()
                self.generator(stream, sample, *keys).standard_normal(dtype=array.dtype, out=array)
            else:  # drawing on the host would stall an accelerator
                seed = self.key(stream, sample, *keys) % 2**63
                row.normal_(generator=torch.Generator(row.device).manual_seed(seed))
        return out
