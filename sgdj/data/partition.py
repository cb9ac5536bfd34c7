"""Split volumes, never slices."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from sgdj.data.source import SPLITS, Split
from sgdj.errors import InputError

V = TypeVar("V")


def partition_volumes(
    groups: Mapping[str, Sequence[V]],
    wanted: Mapping[str, int | None],
    rng: np.random.Generator,
    all_test: bool,
    where: str,
) -> dict[Split, list[V]]:
    """Assign volumes to the three splits.

    Parameters
    ----------
    groups
        Either {"train": ..., "held_out": ...} (the held-out half is divided into validation and test) or {"all": ...}
        (divided 80/10/10, at least one each), in a fixed order.
    wanted
        Number of volumes per split; None for all there are.
    rng
        Random generator of the order.
    all_test
        Whether to put everything into the test split.
    where
        Name of the data set, for messages.

    Returns
    -------
    dict
        Volumes by split, "train", "val" and "test".

    Raises
    ------
    InputError
        If there are fewer volumes than splits, or than `wanted`.
    """
    if all_test:
        return {"train": [], "val": [], "test": [v for group in groups.values() for v in group]}
    everything = groups.get("all", groups.get("held_out", []))
    order = [everything[i] for i in rng.permutation(len(everything))]
    if "all" in groups:
        need, n_held = 3, max(2, round(0.2 * len(order)))
        train, held = order[n_held:], order[:n_held]
    else:
        need, train, held = 2, list(groups["train"]), order
    if len(order) < need:
        raise InputError(
            f"{len(order)} volumes cannot be split into {need} parts",
            where,
            "add volumes, or evaluate a trained network on all of them with mode=evaluate dataset.partition=none",
        )
    n_val = wanted["val"] if wanted["val"] is not None else len(held) // 2
    available = {"train": train, "val": held[:n_val], "test": held[n_val:]}
    out: dict[Split, list[V]] = {}
    for split in SPLITS:
        count = wanted[split]
        if count is not None and count > len(available[split]):
            raise InputError(
                f"{count} {split} volumes asked for and {len(available[split])} there",
                f"dataset.volumes.{split}",
                f"lower it, or add volumes to {where}",
            )
        out[split] = available[split] if count is None else available[split][:count]
    return out
