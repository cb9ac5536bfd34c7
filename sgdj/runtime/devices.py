"""Choose the device to compute on."""

from typing import TypedDict

import torch

from sgdj.errors import InputError
from sgdj.runtime.ranks import local_rank, world


class Placement(TypedDict):
    """Lightning's arguments for a device."""

    accelerator: str
    devices: int | list[int]


def accelerator(device: str) -> Placement:
    """Return Lightning's arguments for a device name.

    Parameters
    ----------
    device
        Name of the device, such as ``cpu``, ``cuda`` or ``auto``.

    Returns
    -------
    dict
        Arguments `accelerator` and `devices` of Lightning's trainer.

    Raises
    ------
    InputError
        If the device is not there; the CPU never stands in silently.
    """
    kind, _, index = device.partition(":")
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise InputError("no CUDA device is available", "device", "use device=cpu or device=auto")
        if index and int(index) >= count:
            raise InputError(f"cuda:{index} of {count} CUDA devices", "device", f"use cuda:0 … cuda:{count - 1}")
        if world() > 1:
            return {"accelerator": "gpu", "devices": [local_rank() % count]}
        return {"accelerator": "gpu", "devices": [int(index)] if index else 1}
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError("no MPS device is available", "device", "use device=cpu or device=auto")
    return {"accelerator": kind, "devices": 1}


def torch_device(name: str) -> torch.device:
    """Return the torch device that `accelerator` chooses."""
    placed = accelerator(name)
    kind, devices = {"gpu": "cuda"}.get(placed["accelerator"], placed["accelerator"]), placed["devices"]
    return torch.device(kind, devices[0] if isinstance(devices, list) else 0)
