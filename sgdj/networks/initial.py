"""Build the network of a configuration before training."""

import torch

from sgdj.config.instantiate import build
from sgdj.config.settings import Settings
from sgdj.networks.base import Reconstructor
from sgdj.runtime.draws import Draws


def initial_network(settings: Settings) -> Reconstructor:
    """Build the configured network, with initial weights that depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(Draws(settings.seed).key("init") % 2**63)
        network: Reconstructor = build(settings, "architecture")
    return network
