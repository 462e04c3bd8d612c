"""The network of a landscape: from what a particle shows to coordinates, and from those to motion.

Both ways begin as what the linear motions say, and learn what that leaves out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tomotui.algorithms.landscape.linear import LinearMotions
from tomotui.algorithms.landscape.mixture import Mixture
from tomotui.geometry.mixtures import AnchoredNetwork, Floats

WIDTH = 96
LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE = -7.0, 0.5


def perceptron(n_in: int, n_out: int) -> nn.Sequential:
    """Return three layers, of which the last answers 0 at first."""
    layers = nn.Sequential(
        nn.Linear(n_in, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(),
        nn.Linear(WIDTH, n_out),
    )  # fmt: skip
    last = layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return layers


class LandscapeNetwork(nn.Module):
    """Encoder and decoder.

    Parameters
    ----------
    mixture
        Whose anchors are moved.
    linear
        Where to begin.
    n_features
        Numbers that describe a particle to the encoder.
    """

    still: Tensor
    weighed_still: Tensor
    components: Tensor
    scale: Tensor

    def __init__(self, mixture: Mixture, linear: LinearMotions, n_features: int) -> None:
        super().__init__()
        d = len(linear.axes)
        self.n_coordinates, self.n_features = d, n_features
        self.axes = nn.Parameter(linear.axes.clone())
        self.motion = perceptron(d, linear.axes.shape[1])
        self.seeing = nn.Parameter(linear.seeing[:, :n_features].clone())
        self.encoder = perceptron(n_features, 2 * d)
        log_variance = -torch.log1p(linear.strengths)
        self.log_variance = nn.Parameter(log_variance.clamp(LEAST_LOG_VARIANCE, 0))
        still = mixture.still_modes()
        masses = mixture.component_masses()
        self.register_buffer("still", still)
        self.register_buffer("weighed_still", still * masses)
        self.register_buffer("components", mixture.components.clone())
        # Strong features are told apart by what is left of them once they are of like size.
        self.register_buffer("scale", linear.feature_deviations[:n_features].clone())

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and logarithms of variances of coordinates, ``[b, d]`` each.

        Parameters
        ----------
        features
            ``[b, n_features]``, see `LinearMotions.features`.
        """
        more = self.encoder(features / self.scale)
        mean, spread = more.chunk(2, dim=-1)
        log_variance = (self.log_variance + spread).clamp(LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE)
        return features @ self.seeing.T + mean, log_variance

    def decode(self, coordinates: Tensor) -> Tensor:
        """Return motions of the anchors that leave the whole where it is, ``[..., a * 4]``."""
        motion = coordinates @ self.axes + self.motion(coordinates)
        moving: Tensor = motion - (motion @ self.weighed_still.T) @ self.still
        return moving * self.components

    def arrays(self, pixel_size_angstrom: float, following: Tensor) -> AnchoredNetwork:
        """Return the decoder as plain arrays, in Angstrom.

        Parameters
        ----------
        following
            Share of each anchor in each Gaussian, ``[g, a]``.
        """
        n = self.axes.shape[1]
        whole = torch.eye(n, device=self.axes.device)
        free = (whole - self.weighed_still.T @ self.still) * self.components
        unit = torch.tensor([pixel_size_angstrom] * 3 + [1.0], device=free.device)
        free = free * unit.repeat(n // 4)
        linear = [one for one in self.motion if isinstance(one, nn.Linear)]
        layers: list[tuple[Tensor, Tensor]] = [(one.weight, one.bias) for one in linear]
        layers[-1] = (free.T @ linear[-1].weight, linear[-1].bias @ free)

        def plain(values: Tensor) -> Floats:
            return values.detach().float().cpu().numpy()

        return AnchoredNetwork(
            tuple((plain(weights), plain(offsets)) for weights, offsets in layers),
            plain(following),
            plain(self.axes @ free),
        )
