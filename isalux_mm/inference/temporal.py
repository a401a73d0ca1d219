"""Frames of a video enhanced alike: what a network decides by the whole picture is smoothed over time (ours)."""
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isalux_mm.functional.checks import check_image
from isalux_mm.inference.tiled import network_inside
from isalux_mm.models.base import EnhancementNetwork
from isalux_mm.models.statistics import SharedStatistics, Tile, sharing

TIME_CONSTANT = 0.5  # seconds
# Relative difference between frames. Of pairs of 72 unrelated dark photographs 3% differ by less; a pan by 5% of the
# width within a frame stays below in all of them; a light that makes a scene 1.7 times as bright reaches it.
CUT_THRESHOLD = 0.25
CUT_SIDE = 16  # pixels of the frames compared: noise averages out, small movements too
CUT_FLOOR = 2 / 255  # added to either frame: two black frames do not differ


class RunningMeans(SharedStatistics):
    """Exponential means of statistics over the frames of a scene; the first frame's own at its beginning.

    Attributes:
        memory: weight of the past, in [0, 1), for the frame at hand.
    """

    def __init__(self) -> None:
        super().__init__()
        self.memory = 0.0

    def exchange(self, name: str, own: Tensor) -> Tensor:
        """Takes a frame's own statistic in; returns the mean."""
        self.known[name] = own if name not in self.known else torch.lerp(own, self.known[name], self.memory)
        return self.known[name]


class TemporalEnhancer:
    """Enhances frame after frame without flicker.

    Frame by frame, noise alone changes what a network decides by the whole picture a little every time, and the
    brightness flickers. Here attention's Gram matrices, the gates' pooled features, class probabilities and any further
    number (`smoothed`), such as the result's mean luma, are exponential means over time. The brightening exponent and
    the confidence of darkness are each frame's own: they even out changes of exposure, which smoothed ones would show.
    A scene's first frame is enhanced as a still picture is. A cut, a frame that differs much from the one before,
    begins a scene. Memory does not grow.

    Args:
        network: an enhancement network in eval mode, as it was built or prepared for inference; a plain module has
            nothing to be smoothed.
        time_constant: seconds after which a frame's weight has fallen to 1/e; 0 enhances every frame by itself.
        cut_threshold: `frame_difference` from which a frame begins a scene, in (0, 1].

    Attributes:
        cuts: scenes begun so far, without the first.

    Raises:
        ValueError: if an option is out of range.
    """

    def __init__(self, network: nn.Module, *, time_constant: float = TIME_CONSTANT,
                 cut_threshold: float = CUT_THRESHOLD):
        if time_constant < 0 or not math.isfinite(time_constant):
            raise ValueError(f'time_constant must be at least 0 seconds, got {time_constant}')
        if not 0 < cut_threshold <= 1:
            raise ValueError(f'cut_threshold must be in (0, 1], got {cut_threshold}')
        self.network, self.time_constant, self.cut_threshold = network, time_constant, cut_threshold
        self.means = RunningMeans()
        self.cuts = 0
        self._last: Tensor | None = None

    def reset(self) -> None:
        """The next frame begins a scene."""
        self.means, self._last = RunningMeans(), None

    @torch.no_grad()
    def __call__(self, frame: Tensor, seconds: float) -> Tensor:
        """Enhances the next frame.

        Args:
            frame: (1, 3, H, W), RGB in [0, 1].
            seconds: since the frame before; of no use for the first.

        Returns:
            (1, 3, H, W), as the network gives it: not clamped.
        """
        check_image(frame, '1 3 H W', 'frame')
        if self.time_constant == 0:
            return self.network(frame)
        self._look_for_cut(frame)
        self.means.memory = math.exp(-max(seconds, 0.0) / self.time_constant)
        network, inside = self.network, network_inside(self.network)
        if not isinstance(network, EnhancementNetwork):
            return network(frame)
        with sharing(inside, self.means):
            return network(frame, tile=self._smoothed_tile(network.whole(frame)))

    def smoothed(self, name: str, number: Tensor) -> Tensor:
        """The mean over time of a further number of the frame just enhanced."""
        return number if self.time_constant == 0 else self.means.exchange(name, number)

    def _smoothed_tile(self, tile: Tile) -> Tile:
        if tile.semantics is None:
            return tile
        return tile._replace(semantics=self.means.exchange('semantics', tile.semantics))

    def _reduced(self, frame: Tensor) -> Tensor:
        """What frames are compared by."""
        return F.adaptive_avg_pool2d(frame, CUT_SIDE)

    def _look_for_cut(self, frame: Tensor) -> None:
        small = self._reduced(frame)
        if self._last is not None and frame_difference(self._last, small) >= self.cut_threshold:
            self.reset()
            self.cuts += 1
        self._last = small


def frame_difference(first: Tensor, second: Tensor) -> float:
    """sum |a - b| / sum (a + b) of two reduced frames, in [0, 1]; 1/3 where one is twice as bright."""
    return float((first - second).abs().sum() / (first + second + 2 * CUT_FLOOR).sum())


def flicker(luminance: Tensor) -> float:
    """Variance of the ratio between the mean luminances of neighbouring frames of a static clip.

    Args:
        luminance: mean luminance of every frame, (N,), positive.

    Raises:
        ValueError: if there are less than three frames.
    """
    if luminance.ndim != 1 or len(luminance) < 3:
        raise ValueError(f'luminance must be a vector of three frames or more, got shape {tuple(luminance.shape)}')
    luminance = luminance.double()
    return float((luminance[1:] / luminance[:-1]).var(correction=0))
