"""A learned part that brings no two inputs further apart, so that a reconstruction with it has a certificate."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from sgdj.config.types import Count, Positive
from sgdj.errors import SettingError
from sgdj.networks.base import LearnedPart
from sgdj.networks.channels import from_channels, to_channels
from sgdj.networks.constants import Constants, Layer
from sgdj.networks.descent import ConvolutionalDescent, DenseDescent, Descent


class Nonexpansive(LearnedPart):
    r"""Nonexpansive map N, ‖N(a) - N(b)‖ ≤ ‖a - b‖, of the iterate or of iterate and measurement.

    N is a chain of steps down learned convex functions; see `sgdj.networks.descent`. In the proximal network the
    learned part is N, in the gradient network :math:`f = c\,(x - N(x))` with a learned weight 0 < c < limit.

    Parameters
    ----------
    form
        Network that it is part of: "prox" or "gd".
    channels
        Number of real channels of the image: 1, or 2 for a complex one.
    size
        Number of entries of a signal, for dense layers; None for images, with convolutions.
    layers
        Number of steps.
    features
        Number of filters of each step, or of rows of its matrix; even for complex images.
    kernel
        Side of the filters in pixels, odd, at most 15.
    takes_y
        Whether N takes the measurement, which has the shape of the image, as a second input; N is then nonexpansive in
        both together.
    residual
        Whether to average with the input, α x + (1 - α) N(x) with a learned α between 0 and 1: the nonexpansive form
        of a residual.
    limit
        Upper limit of the weight c of the gradient form. With steps η below a limit η̄, choose η̄ c < 1 and
        η̄ / (1 - η̄ c) below 2/‖A‖².

    Raises
    ------
    SettingError
        If a filter has no centre, a filter of a complex image no partner, or a complex image should come with its
        k-space.
    """

    def __init__(
        self,
        form: Literal["prox", "gd"],
        channels: Annotated[int, Field(ge=1, le=2)],
        size: Count | None,
        layers: Count,
        features: Count,
        kernel: Annotated[int, Field(ge=1, le=15)],
        takes_y: bool,
        residual: bool,
        limit: Positive,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise SettingError("kernel", f"a filter of {kernel} pixels has no centre", f"use {kernel + 1}")
        if channels == 2 and features % 2:
            raise SettingError(
                "features", f"{features} filters of a complex image make no pairs", f"use {features + 1}"
            )
        if takes_y and channels == 2:
            raise SettingError("takes_y", "k-space is no image to take beside the iterate", "set {key}.takes_y=false")
        self.form, self.takes_y, self.residual, self.limit = form, takes_y, residual, limit
        inputs = 2 if takes_y else 1

        def step() -> Descent:
            if size is not None:
                return DenseDescent(inputs * size, features)
            return ConvolutionalDescent(inputs * channels, features, kernel, pairs=channels == 2)

        self.dense = size is not None
        self.layers = nn.ModuleList(step() for _ in range(layers))
        self.mixing = nn.Parameter(torch.tensor(-3.0)) if residual else None
        self.weight = nn.Parameter(torch.tensor(0.0)) if form == "gd" else None

    def map(self, x: Tensor, y: Tensor) -> Tensor:
        """Return N(x), or N(x, y), of the shape of x (B, C, H, W)."""
        inside = to_channels(x)
        count = inside.shape[1]
        state = torch.cat([inside, y], dim=1) if self.takes_y else inside
        shape = state.shape
        state = state.flatten(1) if self.dense else state
        for layer in self.layers:
            state = layer(state)
        out = state.view(shape)[:, :count]
        if self.mixing is not None:
            share = torch.sigmoid(self.mixing)
            out = share * inside + (1 - share) * out
        return from_channels(out, x)

    def c(self) -> Tensor:
        """Return the weight c of the gradient form, between 0 and `limit`; 0 in the proximal form."""
        return torch.zeros(()) if self.weight is None else self.limit * torch.sigmoid(self.weight)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return N(x), or c (x - N(x)), of the shape of x (B, C, H, W)."""
        out = self.map(x, y)
        return out if self.form == "prox" else self.c() * (x - out)

    def constants(self, shape: tuple[int, int]) -> Constants:
        """Recompute the norms of all layers at an image size (H, W), in the precision of the weights."""
        needed = "a step down a convex function needs norm at most 1"
        layers = [
            Layer(f"learned.layers.{i}", layer.norm(shape), 1.0, needed)
            for i, layer in enumerate(self.layers)
            if isinstance(layer, Descent)
        ]
        return Constants(self.form, 1.0, float(self.c().detach()), self.takes_y, tuple(layers))
