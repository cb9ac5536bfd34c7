"""Export a trained network with its operator, for programs that have PyTorch and not this package.

The file holds the map from measurements (B, 1, H, W) of one size to reconstructions, for batches of any length:
`torch.export.load("network.pt2").module()(y)`. It is read again and compared before it is kept.

python scripts/export.py RUN/checkpoints/best.ckpt network.pt2 --shape 64,64
"""

import io
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from scripts.common import Parser, numbers, status
from sgdj.errors import CheckFailed, ExitCode, InputError, first_line
from sgdj.jobs.consistency import WITH_COILS
from sgdj.runtime.output import say
from sgdj.runtime.writing import write_atomically

_TOLERANCE = 1e-5  # of the largest entry of the reconstruction
_MOST = 4096  # images in a batch


class Fixed(nn.Module):
    """Network with one operator, a map of measurements alone.

    Parameters
    ----------
    network
        Reconstructor that is exported.
    operator
        Operator that all measurements come from.
    """

    def __init__(self, network: nn.Module, operator: object) -> None:
        super().__init__()
        self.network, self.operator = network, operator

    def forward(self, y: Tensor) -> Tensor:
        """Reconstruct measurements y (B, 1, H, W)."""
        made: Tensor = self.network(y, self.operator)
        return made


def refuse_many(acquisition: object, dataset: str, where: str) -> None:
    """Refuse a protocol whose operators differ from volume to volume: the file would hold none that the data have.

    Parameters
    ----------
    acquisition
        Protocol of the training.
    dataset
        Name of the data set that it measured.
    where
        File that is exported, for the message.

    Raises
    ------
    InputError
        If masks or coils belong to volumes.
    """
    from sgdj.operators import CartesianAcquisition, MultiCoilAcquisition

    if not isinstance(acquisition, CartesianAcquisition):
        return
    given = acquisition.mask_lines is not None or acquisition.mask_points is not None
    if acquisition.masks != "fixed" and not given:
        what = f"its masks are {acquisition.masks}, and the file holds one operator"
        raise InputError(what, where, "train with operator.masks=fixed or a mask of one's own")
    if isinstance(acquisition, MultiCoilAcquisition) and dataset in WITH_COILS:
        what = f"each volume of dataset {dataset} has its own coils, and the file holds one operator"
        raise InputError(what, where, "train with simulated coils or a single one")


def export(checkpoint: Path, shape: tuple[int, int], plugins: tuple[str, ...]) -> tuple[bytes, float]:
    """Export a trained network for images of one size.

    Parameters
    ----------
    checkpoint
        Checkpoint or safetensors file of a run.
    shape
        Image size (H, W) in samples.
    plugins
        Packages whose classes the file may name.

    Returns
    -------
    tuple
        Content of the exported file, and the largest relative difference of what it reconstructs.

    Raises
    ------
    CheckFailed
        If the exported program reconstructs something else.
    InputError
        If the network cannot be exported, or its data have several operators.
    """
    from sgdj.jobs.load import network_settings
    from sgdj.runs.network import trained_network
    from sgdj.runtime.draws import Draws

    settings = network_settings(str(checkpoint), plugins)
    trained = trained_network(settings)
    refuse_many(trained.acquisition, str(settings.dataset.name), str(checkpoint))
    operator = trained.acquisition.operator(shape, ("exported",), Draws(trained.settings["dataset"]["seed"]))
    generator = torch.Generator().manual_seed(0)
    complex_images = trained.settings["task"] == "mri"
    kind = torch.complex64 if complex_images else torch.float32
    drawn = [operator.forward(torch.randn(n, 1, *shape, dtype=kind, generator=generator)) for n in (2, 1, 3)]
    fixed = Fixed(trained.network, operator).eval()
    content = io.BytesIO()
    with torch.no_grad():
        expected = [fixed(y) for y in drawn]  # first: operators keep what they compute once, not what is traced
        try:
            batch = torch.export.Dim("batch", min=1, max=_MOST)
            program = torch.export.export(fixed, (drawn[0],), dynamic_shapes=({0: batch},))
            torch.export.save(program, content)
        except Exception as error:  # the compiler raises what it likes
            raise InputError(
                f"it cannot be exported ({first_line(error, 120)})", str(checkpoint), "train another"
            ) from error
        content.seek(0)
        again = torch.export.load(content).module()
        apart = max(float((again(y) - x).abs().max() / x.abs().max()) for y, x in zip(drawn, expected, strict=True))
    if not apart <= _TOLERANCE:
        raise CheckFailed(f"the exported program differs by {apart:.1e} of the largest entry from the network")
    return content.getvalue(), apart


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python scripts/export.py", __doc__)
    made.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="checkpoint or safetensors file of a run")
    made.add_argument("target", type=Path, metavar="FILE.pt2", help="where the program is written")
    made.add_argument("--shape", type=numbers, required=True, metavar="H,W", help="image size in samples")
    made.add_argument("--plugins", nargs="*", default=(), metavar="PACKAGE", help="packages whose classes it may name")
    return made


def main(arguments: list[str]) -> int:
    """Export the network, and say how equal it is."""
    options = parser().parse_args(arguments)
    if len(options.shape) != 2 or not all(options.shape):
        raise InputError(f"{','.join(map(str, options.shape))} is no image size", "--shape", "give H,W as in 64,64")
    if options.target.exists():
        raise InputError("the file exists", str(options.target), "name another one, or move it away")
    content, apart = export(options.checkpoint, options.shape, tuple(options.plugins))
    write_atomically(options.target, content)
    say(f"{options.target}: {len(content)} bytes; its reconstructions differ by {apart:.0e} of the largest entry")
    return int(ExitCode.DONE)


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
