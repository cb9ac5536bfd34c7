"""Average over volumes what was measured sample by sample: the content of `summary.json`."""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from sgdj.metrics.image import fastmri_metrics
from sgdj.metrics.volumes import volume_mean, volume_std
from sgdj.runtime.contents import SampleRow, Summary

SAMPLE_METRICS = ("psnr", "ssim", "nmse", "loss")
#: Reconstructions and references of a volume's slices, by reconstructor, condition and volume.
VolumePairs = dict[tuple[str, str, str], list[tuple[Tensor, Tensor]]]


def _entry(values: list[tuple[str, float]]) -> dict[str, float | int | None]:
    finite = [(volume, value) for volume, value in values if not math.isnan(value)]
    mean, std = volume_mean(finite), volume_std(finite)
    return {
        "mean": mean if math.isfinite(mean) else None,  # JSON has no infinity
        "std": std if math.isfinite(std) else None,
        "n_samples": len(finite),
        "n_volumes": len({volume for volume, _ in finite}),
    }


def summarise(rows: Sequence[SampleRow], volumes: VolumePairs) -> Summary:
    """Compute mean and standard deviation over volumes of every metric.

    Parameters
    ----------
    rows
        Rows of `samples.csv`.
    volumes
        Images for fastMRI's volume metrics; empty to leave these out.

    Returns
    -------
    dict
        Summary {reconstructor: {name of the condition: {metric: {mean, std, n_samples, n_volumes}}}}.
    """
    grouped: dict[tuple[str, str], list[SampleRow]] = defaultdict(list)
    for row in rows:
        grouped[row["reconstructor"], row["condition"]].append(row)
    summary: Summary = defaultdict(dict)
    for (name, condition), group in grouped.items():
        metrics = (*SAMPLE_METRICS, "epsilon", "delta_norm", "y_norm", "noise_norm", "believable")
        entries = {metric: _entry([(row["volume"], row[metric]) for row in group]) for metric in metrics}
        for metric in ("local_psnr", "replaced"):
            if not all(math.isnan(row[metric]) for row in group):
                entries[metric] = _entry([(row["volume"], row[metric]) for row in group])
        summary[name][condition] = entries
    collected: dict[tuple[str, str], dict[str, list[tuple[str, float]]]] = defaultdict(lambda: defaultdict(list))
    for (name, condition, volume), pairs in volumes.items():
        estimate, target = (np.stack([pair[i].numpy() for pair in pairs]) for i in (0, 1))
        for metric, value in fastmri_metrics(estimate, target).items():
            collected[name, condition][metric].append((volume, value))
    for (name, condition), found in collected.items():
        for metric, values in found.items():
            summary[name][condition][metric] = _entry(values)
    return dict(summary)
