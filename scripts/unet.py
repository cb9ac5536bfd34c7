"""A network that is not of this project: fastMRI's U-Net on zero-filled images, trained for a minute on the phantoms.

python scripts/unet.py unet.pt --seconds 60          train, write the weights
python run.py mode=evaluate task=mri reconstructor=scripts.unet:UNet checkpoint=unet.pt
python run.py mode=audit task=mri reconstructor=scripts.unet:UNet checkpoint=unet.pt
"""

import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from scripts.common import Parser, number, status
from sgdj.errors import InputError


class UNet(nn.Module):
    """Residual network x̂ = Aᴴy + U-Net(Aᴴy), real and imaginary part as channels."""

    def __init__(self) -> None:
        from fastmri.models import Unet

        super().__init__()
        self.unet = Unet(in_chans=2, out_chans=2, chans=16, num_pool_layers=3)

    def forward(self, y: Tensor, operator: object) -> Tensor:
        """Reconstruct complex images (B, 1, H, W) from k-space."""
        x = operator.adjoint(y)  # type: ignore[attr-defined]
        channels = torch.view_as_real(x)[:, 0].permute(0, 3, 1, 2)
        added = self.unet(channels).permute(0, 2, 3, 1).contiguous()
        return x + torch.view_as_complex(added)[:, None]


def train(target: Path, seconds: float, overrides: list[str]) -> None:
    """Train with Adam until the time is over, and write the weights.

    Parameters
    ----------
    target
        File for the weights.
    seconds
        How long to train.
    overrides
        Settings of the task, as on the command line.

    Raises
    ------
    InputError
        If the file's folder does not exist, or a setting is wrong.
    """
    if not target.absolute().parent.is_dir():
        raise InputError("no such folder", str(target.parent), "make it first")
    from sgdj.config.instantiate import build
    from sgdj.data.acquisition_files import built_acquisition
    from sgdj.data.loader import Measure, batches
    from sgdj.jobs.composition import parse
    from sgdj.jobs.load import load
    from sgdj.runtime.draws import Draws

    settings = load(parse(["task=mri", *overrides])).settings
    source, acquisition = build(settings, "dataset"), built_acquisition(settings)
    source.prepare()
    torch.manual_seed(0)
    network = UNet()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    measure = Measure(acquisition, Draws(settings.data_seed))
    end, step = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for batch in batches(source.images("train"), measure, 4, Draws(step)):
            loss = (network(batch.y, batch.operator) - batch.x).abs().square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if time.monotonic() > end:
                break
    torch.save(network.state_dict(), target)
    print(f"{step} steps, last loss {float(loss.detach()):.5f}: {target}")


def parser() -> Parser:
    """Make the parser of the command line."""
    made = Parser("python scripts/unet.py", __doc__)
    made.add_argument("target", type=Path, metavar="WEIGHTS", help="file for the weights, such as unet.pt")
    made.add_argument("--seconds", type=number(float), default=60.0, help="how long to train (60)")
    made.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="settings of task=mri, as on the command line of run.py"
    )
    return made


def main(arguments: list[str]) -> int:
    """Train the network and write its weights."""
    options = parser().parse_args(arguments)
    train(options.target, options.seconds, options.overrides)
    return 0


if __name__ == "__main__":
    sys.exit(status(lambda: main(sys.argv[1:])))
