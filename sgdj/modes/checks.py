"""Check everything before the first file is written, so that a mistake costs nothing."""

from sgdj.config.instantiate import build
from sgdj.data.batch import pose
from sgdj.data.generated import GeneratedSource
from sgdj.data.sizes import check_sizes
from sgdj.data.source import Split
from sgdj.errors import writing
from sgdj.evaluation.evaluate import trial
from sgdj.modes.plan import Plan
from sgdj.networks import Reconstructor
from sgdj.runtime.draws import Draws
from sgdj.runtime.hashing import digest


def check_parts(plan: Plan) -> None:
    """Build everything but the network that is needed later."""
    build(plan.settings, "attack")
    if plan.settings.defence is not None:
        build(plan.settings, "defence")
    for name in plan.settings.shift:
        build(plan.settings, f"shift.{name}")
    if plan.trains:
        build(plan.settings, "strategy")


def prepared_data(plan: Plan) -> str:
    """Generate the data if they are missing, check that they can be measured, and hash them.

    Parameters
    ----------
    plan
        Run that is going to use the data.

    Returns
    -------
    str
        Hash of the data's content.

    Raises
    ------
    InputError
        If an image is too small.
    ResourceError
        If the disk is full.
    """
    if isinstance(plan.source, GeneratedSource):
        with writing(plan.source.directory):
            plan.source.prepare()
    hashed = digest(plan.source.manifest())
    splits: list[Split] = [plan.settings.evaluation.split]
    for split in [*splits, "val"] if plan.trains else splits:
        check_sizes(plan.source.images(split))
    _check_operators(plan)
    return hashed


def _check_operators(plan: Plan) -> None:
    """Make the operator of every kind of image: a mask may have another number of lines, or be missing in the files."""
    splits: list[Split] = [plan.settings.evaluation.split]
    splits += ["train", "val"] if plan.trains else []
    for images in map(plan.source.images, splits):
        for i in {images.alike(i): i for i in range(len(images))}.values():
            pose([images[i]], plan.acquisition, Draws(plan.data_seed)).operator(plan.acquisition)


def try_out(plan: Plan, network: Reconstructor) -> None:
    """Call an outside network once, to see whether it takes a measurement and returns an image."""
    if plan.settings.reconstructor:
        trial(network, plan.images, plan.acquisition, plan.data_seed, plan.device)
