"""The paper's own words and figures: titles, names and their order, looks, columns, claims, and what it reports.

Other modules of the study hold mechanism only. The reported figures are those of Guan & Davenport (2025), gradient
form, PSNR in dB and SSIM; its rows for SPGD jittering and for denoising were not at hand, so those cells stay empty.
"""

from dataclasses import dataclass

from sgdj.evaluation.conditions import Key

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
#: Architecture and strategy that others are compared with.
BASELINE = ("gd", "mse")
#: Colour, marker and label of a strategy in every figure, in the order of the files.
LOOKS = {
    "mse": ("#000000", "o", "MSE"),
    "adversarial": ("#D55E00", "s", "adversarial training"),
    "input_jitter": ("#009E73", "^", "input jittering"),
    "jitter": ("#0072B2", "D", "SGD jittering"),
}
STRATEGIES = tuple(LOOKS)
#: Labels that a strategy has on one architecture alone.
SPECIAL = {("prox", "jitter"): "SPGD jittering"}
#: Titles of panels by architecture; the first one is that of levels, robustness and most claims.
ARCHITECTURES = {"gd": "gradient form", "prox": "proximal form"}
#: Axis of a strategy's level, in the order of the panels.
LEVELS = {
    "jitter": r"$\sigma$, relative to the iterate",
    "input_jitter": r"$\sigma$ on the measurement",
    "adversarial": r"budget $\rho$ in training",
}
#: Axes of the curves of robustness, in the order of the document.
CURVES = {
    "noise_level": "measurement noise, multiple of training's",
    "acceleration": "acceleration (training: 4)",
    "wavelet": "Ricker width (samples; training: 4)",
    "layers": "layer thickness, multiple of training's",
    "iterations": "iterations K at test",
}

#: Attack of the paper, and the title of its column where a stronger attack stands in the column "adversarial".
ATTACK, PUBLISHED = Key("pgd", 1.0), "published PGD"
#: Shifts that a task's table shows, by column.
SHIFTS = {
    "mri": {"out-of-distribution": "lesion", "added detail": "line"},
    "seismic": {"out-of-distribution": "block"},
    "denoising": {"out-of-distribution": "random_detail", "added detail": "bar"},
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
        Of the task's table; see `sgdj.study.columns`.
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

#: Experiments whose runs make rows and audits, by how their names begin.
EXPERIMENTS = (
    "table_", "figure_", "selection", "deviations", "generalisation", "robustness_", "audit_light", "audit_full",
)  # fmt: skip
#: Of these, what shows references that were not trained here; the others are about training.
WITH_REFERENCES = ("table_", "figure_epsilon", "audit_light", "audit_full")
ANY_SEED = ("figure_sigma", "selection", "deviations")
#: Experiments of the curves that are drawn for the first seeds of a table.
DRAWN = ("figure_epsilon", "figure_iterations", "generalisation")

RESULTS_HEAD = """# Results

Generated by `make tables` from the runs in [{place}runs.csv]({place}runs.csv) and the values beside it; do not edit.
Every figure is a mean over seeds of means over volumes; every run names its command. The claims are tested in
[claims.md](claims.md); times are in [{place}times.md]({place}times.md). Published figures are the paper's (v3), on its
own data: where ours are on synthetic data, the difference to them says little, and only the order of the strategies can
be compared.
"""
CLAIMS_HEAD = """# The paper's claims, tested

Generated by `make tables` from the committed rows. For each task, {size} paired comparisons form one family; it was
declared, with the direction of each, before the runs. Differences are of PSNR, better minus worse as claimed, paired
by seed and volume. p: exact two-sided sign-flip test over seeds; Holm adjusts within the family. Interval: 95 %
bootstrap, seeds crossed with volumes. *Supported*: adjusted p below 0.05, claimed sign, interval without zero;
*reversed*: the same with the other sign; *underpowered*: no outcome with this many seeds could reach 0.05; else *not
supported*. "At least as accurate" is tested as "more accurate"; how much worse it may be is what the interval tells.
All seeds see the same data, so the tests speak of training randomness, the interval of volumes as well.

Claim 6 (jittering costs about as much as MSE, adversarial training far more) is a matter of measured time: see
[times]({times}). Claim 7 (theory) is judged in the [theory laboratory](theory/README.md): the theorems hold beyond
thresholds that it states, not without condition.
"""

#: Tasks that the authors' published code has.
UPSTREAM_TASKS = ("mri", "seismic")


@dataclass(frozen=True)
class Deviation:
    """One deviation of the authors' code from the mathematics.

    Parameters
    ----------
    name, text
        Short name, and what their code does.
    overrides
        Command line that switches it on.
    tasks
        Tasks in which it occurs.
    architecture
        Architecture on which it can be measured.
    training
        Whether the network must be trained again to see its effect.
    """

    name: str
    text: str
    overrides: tuple[str, ...]
    tasks: tuple[str, ...] = UPSTREAM_TASKS
    architecture: str = "gd"
    training: bool = False


DEVIATIONS = (
    Deviation(
        "noise scale", "jitter scaled by the signed maximum over batch and channels, which carries gradient",
        ("strategy.noise_scale=upstream",), training=True,
    ),
    Deviation(
        "jittered validation", "the validation in training is jittered too",
        ("strategy.validation=true",), training=True,
    ),
    Deviation(
        "noise step", "the proximal network's noise is scaled by exp(e), its step by 0.1 sigmoid(e)",
        ("architecture.noise_step=exp",), ("seismic",), "prox", training=True,
    ),
    Deviation("K = 5", "five iterations", ("architecture.iterations=5",), ("mri",), training=True),
    Deviation(
        "unmasked adjoint", "the adjoint does not mask, so noise and attacks off the mask enter the image",
        ("operator.mask_adjoint=false", "operator.noise_support=full", "attack.support=full"), ("mri",), training=True,
    ),
    Deviation(
        "mask", "lines drawn with replacement from N(0, n/6), cut at three standard deviations, until just more than a "
        "quarter is sampled (81 of 320); always the same ones",
        ("operator.mask=upstream",), ("mri",), training=True,
    ),
    Deviation("rows", "the mask drops rows, not columns", ("operator.axis=rows",), ("mri",), training=True),
    Deviation(
        "residual", "f(x) + x inside the gradient step, which shrinks the image",
        ("architecture.learned.residual=true",), ("mri",), training=True,
    ),
    Deviation(
        "initial weights", "Kaiming normal divided by 10, scaled by the fan-out (slope 0.001)",
        ("architecture.learned.initialisation=fan_out",), ("seismic",), training=True,
    ),
    Deviation(
        "scaling", "image and stored noise are divided by the largest magnitude of the noisy measurement",
        ("operator.scaling=noisy",), ("seismic",), training=True,
    ),
    Deviation(
        "magnitude reference", "the reference is a real magnitude, whose second channel is zero",
        ("dataset.reference=magnitude",), ("mri",), training=True,
    ),
    Deviation(
        "loss scale", "the loss is the mean over both real channels, half of a mean over complex entries",
        ("trainer.loss_average=channels",), ("mri",), training=True,
    ),
    Deviation(
        "incomplete batch in training", "training and its validation leave out their last incomplete batch",
        ("trainer.drop_last=true",), ("mri",), training=True,
    ),
    Deviation("AdamW", "AdamW in place of Adam", ("trainer.optimizer=adamw",), ("mri",), training=True),
    Deviation(
        "no schedule", "the scheduler of the learning rate is never stepped",
        ("trainer.schedule=constant",), training=True,
    ),
    Deviation("clamped prediction", "the prediction is clamped to [0, 1]", ("evaluation.clamp01_prediction=true",)),
    Deviation("clamped reference", "the reference is clamped to [0, 1], too",
              ("evaluation.clamp01_reference=true",), ("mri",)),
    Deviation("real part", "PSNR and SSIM of the real part, not the magnitude", ("evaluation.part=real",), ("mri",)),
    Deviation(
        "batches of four", "validation and test in batches of four, which matters where batches count as a whole",
        ("evaluation.batch_size=4",),
    ),
    Deviation("incomplete batch", "the last incomplete batch is left out", ("evaluation.drop_last=true",), ("mri",)),
    Deviation("test on validation", "the test loops over the validation data", ("evaluation.split=val",), ("seismic",)),
    Deviation("fresh noise", "every test draws new noise", ("evaluation.fresh_noise=all",), ("mri",)),
    Deviation("fresh noise", "tests with a detail draw new noise", ("evaluation.fresh_noise=shifts",), ("seismic",)),
    Deviation("detail in both parts", "the line is drawn into the real and the imaginary part",
              ("shift.line.mode=parts",), ("mri",)),
    Deviation(
        "last iterate", "the attack returns its last iterate, after steps of 0.1 epsilon",
        ("attack.keep=last", "attack.steps=20", "attack.step_size=0.1"),
    ),
    Deviation("absolute budget", "epsilon = 1 for every sample", ("attack.epsilon=1.0", "attack.rho=null")),
)  # fmt: skip


def deviations(task: str, architecture: str) -> list[Deviation]:
    """Return the deviations that occur in a task on an architecture."""
    return [d for d in DEVIATIONS if task in d.tasks and d.architecture in ("gd", architecture)]
