"""Build the network of a configuration before training."""

from typing import Any

import torch

from sgdj.config.instantiate import build
from sgdj.draws import Draws
from sgdj.networks.base import Reconstructor


def initial_network(config: dict[str, Any]) -> Reconstructor:
    """Build the configured network, with initial weights that depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(Draws(config["seed"]).key("init") % 2**63)
        network: Reconstructor = build(config, "architecture")
    return network
