"""Load trained networks: the one place where weights are read into a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sgdj.config.instantiate import build, made
from sgdj.config.settings import Settings
from sgdj.data.acquisition_files import built_acquisition
from sgdj.defences.base import Defended
from sgdj.errors import InputError, SettingError
from sgdj.jobs.load import network_settings
from sgdj.jobs.saved import other_architecture
from sgdj.networks.base import Reconstructor
from sgdj.networks.external import external
from sgdj.operators import Acquisition, Operator
from sgdj.runs.checkpoints import read_checkpoint
from sgdj.runtime.contents import Checkpoint


@dataclass(frozen=True)
class Trained:
    """A trained network, and the problem it was trained for.

    Parameters
    ----------
    network
        Reconstructor in evaluation mode, on the CPU.
    acquisition
        Protocol that makes the operators that it was trained with.
    settings
        Settings that decide its reconstructions, in plain types: `task`, `operator`, `architecture` and `dataset.seed`.
    """

    network: Reconstructor
    acquisition: Acquisition
    settings: dict[str, object]

    def reconstruct(self, y: Tensor, operator: Operator) -> Tensor:
        """Reconstruct x̂ (B, C, H, W) from y on the device of network and operator, without a gradient."""
        with torch.no_grad():
            return self.network(y, operator)


def load(path: str | Path, plugins: Sequence[str] = (), overrides: Sequence[str] = ()) -> Trained:
    """Load a trained network: a checkpoint in its run directory, or a safetensors file of this program.

    Parameters
    ----------
    path
        ``RUN_DIR/checkpoints/best.ckpt`` or ``RUN_DIR/model/weights.safetensors``.
    plugins
        Packages whose classes it may name: a file alone can name classes of this project only.
    overrides
        Further settings as on the command line, such as ``architecture.iterations=4``.

    Returns
    -------
    Trained
        Network with its acquisition and settings.

    Raises
    ------
    InputError
        If the file cannot be read, or is damaged.
    InputErrors
        If it needs classes or texts that `plugins` and `overrides` do not name, or has invalid settings.
    """
    return trained_network(network_settings(str(path), plugins, overrides))


def trained_network(settings: Settings) -> Trained:
    """The network of checked settings whose `checkpoint` is of this project."""
    plain = settings.plain()
    kept = {key: plain[key] for key in ("task", "operator", "architecture", "defence") if key in plain}
    network = defended(load_network(Path(str(settings.checkpoint)), settings), settings)
    return Trained(network, built_acquisition(settings), kept | {"dataset": {"seed": settings.data_seed}})


def given_network(settings: Settings) -> Reconstructor:
    """The network that is given to be measured: the trained one, or somebody else's `reconstructor`; defended."""
    checkpoint = Path(settings.checkpoint) if settings.checkpoint else None
    if settings.reconstructor:
        outside = external(settings.reconstructor, checkpoint, settings.plain().get("reconstructor_settings"))
        return _defended_outside(outside, settings)
    assert checkpoint is not None  # as the settings were checked
    return defended(load_network(checkpoint, settings), settings)


def defended(network: Reconstructor, settings: Settings) -> Reconstructor:
    """Put a network behind the defence of the settings, if they have one."""
    return network if settings.defence is None else Defended(network, build(settings, "defence")).eval()


def _defended_outside(network: Reconstructor, settings: Settings) -> Reconstructor:
    """Put somebody else's network behind the defence, which may refuse it: there was nothing to check before."""
    if settings.defence is not None:
        try:
            build(settings, "defence").check(network, built_acquisition(settings))
        except SettingError as error:
            raise error.at("defence") from error
    return defended(network, settings)


def load_network(checkpoint: Path, settings: Settings | None = None) -> Reconstructor:
    """Build a network and read its weights.

    Parameters
    ----------
    checkpoint
        A checkpoint or safetensors file of this program.
    settings
        Whose `architecture` to build; None takes what the file says, which may then name classes of this project only.

    Returns
    -------
    Reconstructor
        The network with its weights, in evaluation mode.

    Raises
    ------
    InputError
        If the file cannot be read, or is of another architecture.
    """
    with torch.random.fork_rng(devices=[]):  # the first weights are drawn, and replaced at once
        network: Reconstructor = (
            made("architecture", other_architecture(checkpoint), [])
            if settings is None
            else build(settings, "architecture")
        )
    restore(network, checkpoint)
    return network.eval()


def restore(network: nn.Module, checkpoint: Path) -> None:
    """Read a checkpoint's weights into a network that was built for them.

    Parameters
    ----------
    network
        Network to change in place.
    checkpoint
        A checkpoint or safetensors file of this program.

    Raises
    ------
    InputError
        If it cannot be read, or is of another architecture.
    """
    load_weights(network, read_checkpoint(checkpoint))


def load_weights(network: nn.Module, checkpoint: Checkpoint) -> None:
    """Put the weights of a checkpoint into a network.

    Parameters
    ----------
    network
        The network, or a module that holds it, whose weights are replaced.
    checkpoint
        Content of the checkpoint, as it was read.

    Raises
    ------
    InputError
        Naming the first ten differences, if the checkpoint is of another architecture.
    """
    state = {key.removeprefix("network."): value for key, value in checkpoint["state_dict"].items()}
    own = network.state_dict()
    differences = [f"missing {key}" for key in own if key not in state]
    differences += [f"unexpected {key}" for key in state if key not in own]
    differences += [
        f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    differences += [
        f"{key} is no dense tensor of {own[key].dtype}"
        for key in own
        if key in state and not (_is_dense(state[key]) and _kind(state[key]) == _kind(own[key]))
    ]
    if differences:
        more = f" and {len(differences) - 10} more" if len(differences) > 10 else ""
        raise InputError(
            f"the checkpoint is of another architecture ({'; '.join(differences[:10])}{more})",
            "checkpoint",
            "evaluate it with the configuration it was trained with",
        )
    network.load_state_dict(state)


def _is_dense(value: Tensor) -> bool:
    return value.layout is torch.strided and not value.is_quantized and not value.is_meta


def _kind(value: Tensor) -> tuple[bool, bool]:
    """Return what a copy would change silently: whether values are complex, and whether they are integers."""
    return value.is_complex(), value.is_floating_point()
