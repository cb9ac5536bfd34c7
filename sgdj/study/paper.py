"""The paper's own words and figures: titles, names and their order, columns, claims, and what it reports.

Other modules of the study hold mechanism only. The reported figures are those of Guan & Davenport (2025), gradient
form, PSNR in dB and SSIM; its rows for SPGD jittering and for denoising were not at hand, so those cells stay empty.
"""

from dataclasses import dataclass

from sgdj.evaluation.conditions import CLEAN, Key

#: Titles by task, in the order of the documents.
TITLES = {"mri": "Single-coil MRI", "seismic": "Seismic deconvolution", "denoising": "Denoising"}
#: What is written for a strategy on an architecture, in the order of the tables.
NAMES = {
    ("gd", "mse"): "MSE",
    ("gd", "adversarial"): "adversarial training",
    ("gd", "input_jitter"): "input jittering",
    ("gd", "jitter"): "SGD jittering",
    ("prox", "mse"): "MSE, proximal",
    ("prox", "adversarial"): "adversarial training, proximal",
    ("prox", "input_jitter"): "input jittering, proximal",
    ("prox", "jitter"): "SPGD jittering",
}
#: In the order of the files.
STRATEGIES = ("mse", "adversarial", "input_jitter", "jitter")

#: Conditions that a task's table shows, by column.
_COMMON = {"in-distribution": CLEAN, "random noise": Key("gaussian", 1.0), "adversarial": Key("pgd", 1.0)}
COLUMNS = {
    "mri": {**_COMMON, "out-of-distribution": Key(shift="lesion"), "added detail": Key(shift="line")},
    "seismic": {**_COMMON, "out-of-distribution": Key(shift="block")},
    "denoising": {**_COMMON, "out-of-distribution": Key(shift="random_detail"), "added detail": Key(shift="bar")},
}

_REPORTED = ("in-distribution", "adversarial", "out-of-distribution")
_FIGURES = {
    "seismic": {
        "mse": ((34.64, 0.921), (28.85, 0.829), (34.57, 0.918)),
        "adversarial": ((33.50, 0.903), (30.27, 0.849), (33.45, 0.902)),
        "input_jitter": ((32.92, 0.882), (30.10, 0.832), (32.91, 0.882)),
        "jitter": ((35.10, 0.928), (29.89, 0.842), (34.93, 0.927)),
    },
    "mri": {
        "mse": ((28.21, 0.603), (25.68, 0.382), (29.92, 0.779)),
        "adversarial": ((27.68, 0.564), (27.17, 0.549), (27.74, 0.597)),
        "input_jitter": ((28.18, 0.595), (25.05, 0.420), (29.97, 0.740)),
        "jitter": ((28.22, 0.607), (26.77, 0.552), (30.36, 0.788)),
    },
}


def reported(task: str, architecture: str, strategy: str) -> dict[str, tuple[float, float]]:
    """PSNR (dB) and SSIM by column; empty if the paper's figures are not known."""
    row = _FIGURES.get(task, {}).get(strategy) if architecture == "gd" else None
    return dict(zip(_REPORTED, row, strict=True)) if row else {}


@dataclass(frozen=True)
class Claim:
    """That the PSNR of one strategy exceeds that of another.

    Parameters
    ----------
    number
        Of the claim in the paper.
    text
        The claim in words, as a sentence.
    better, worse
        Names of the two strategies that are compared; of two rows in a study of one's own.
    column
        Of the task's table; see `COLUMNS`.
    architecture
        On which both are trained; empty where the rows say it.
    """

    number: str
    text: str
    better: str
    worse: str
    column: str
    architecture: str = "gd"

    @property
    def place(self) -> str:
        """Architecture and column of the comparison, for people."""
        return f"{self.architecture}, {self.column}" if self.architecture else self.column


FAMILY = (
    Claim("1", "SGD jittering is at least as accurate as MSE in distribution", "jitter", "mse", "in-distribution"),
    Claim("1", "SGD jittering generalises better than MSE", "jitter", "mse", "out-of-distribution"),
    Claim("2", "SGD jittering is more robust than MSE to random noise", "jitter", "mse", "random noise"),
    Claim("3", "SGD jittering is more robust than MSE to attacks", "jitter", "mse", "adversarial"),
    Claim("3", "adversarial training stays the most robust to attacks", "adversarial", "jitter", "adversarial"),
    Claim("4", "adversarial training pays with accuracy", "mse", "adversarial", "in-distribution"),
    Claim("4", "adversarial training pays out of distribution, too", "mse", "adversarial", "out-of-distribution"),
    Claim("4", "input jittering pays with accuracy out of distribution", "mse", "input_jitter", "out-of-distribution"),
    Claim("5", "SPGD jittering is at least as accurate as MSE", "jitter", "mse", "in-distribution", "prox"),
    Claim("5", "SPGD jittering generalises better than MSE", "jitter", "mse", "out-of-distribution", "prox"),
    Claim("5", "SPGD jittering is more robust to random noise", "jitter", "mse", "random noise", "prox"),
    Claim("5", "SPGD jittering is more robust to attacks", "jitter", "mse", "adversarial", "prox"),
)
