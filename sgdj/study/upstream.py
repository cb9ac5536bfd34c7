"""List where the authors' published code departs from the mathematics, each with the option that reproduces it."""

from dataclasses import dataclass

TASKS = ("mri", "seismic")


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
    tasks: tuple[str, ...] = TASKS
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
