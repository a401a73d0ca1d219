"""Frames of a video in fast mode: a network is asked for some frames, maps between them follow in time (ours)."""
import math

import torch
from torch import Tensor

from isalux_mm.functional.checks import check_image
from isalux_mm.inference.fast import FastMaps, FastNetwork
from isalux_mm.inference.temporal import (
    CUT_THRESHOLD,
    TIME_CONSTANT,
    RunningMeans,
    TemporalEnhancer,
    frame_difference,
)
from isalux_mm.inference.tiled import network_inside
from isalux_mm.models.statistics import sharing

# ours, all of these
EVERY = 16  # frames to the next one that the network sees, where nothing changes
CALM = 4  # times as slowly as maps follow further numbers, which hold the frame's own exposure (full mode evens it out)
LEAST = 4  # the same where something does: what moves never makes it see every frame
SIDE = 256  # pixels of the shorter side that frames are compared by, or more
CHANGE = 0.06  # `frame_difference` to the frame it saw last, from which something does; exposure up by an eighth


class FastTemporalEnhancer(TemporalEnhancer):
    """Enhances frame after frame without flicker, and asks the network for few of them.

    Of every frame that the network sees, the statistics are smoothed as `TemporalEnhancer` does. What is carried to the
    frames, `FastMaps`, follows the newest ones as an exponential mean, a step each frame, so that it never jumps; the
    further the frame is from the moment that the maps stand for, the faster. A scene's first frame is enhanced as a
    still picture is, and a cut begins a scene. Further numbers follow alike, more slowly.

    Args:
        network: in fast mode.
        time_constant: seconds after which a frame's weight has fallen to 1/e; 0 asks the network for every frame.
        cut_threshold: as of `TemporalEnhancer`.
        every: frames from one that the network sees to the next, where nothing changes.

    Attributes:
        asked: frames that the network has seen.

    Raises:
        ValueError: if an option is out of range.
    """

    def __init__(self, network: FastNetwork, *, time_constant: float = TIME_CONSTANT,
                 cut_threshold: float = CUT_THRESHOLD, every: int = EVERY):
        super().__init__(network, time_constant=time_constant, cut_threshold=cut_threshold)
        if every < 1:
            raise ValueError(f'every must be at least 1 frame, got {every}')
        self.fast, self.every, self.asked = network, every, 0
        self._forget()

    def reset(self) -> None:
        """The next frame begins a scene."""
        super().reset()
        self._forget()

    def _forget(self) -> None:
        self._decided = RunningMeans()  # by the network
        self._newest: FastMaps | None = None
        self._maps: FastMaps | None = None
        self._seen: Tensor | None = None  # the reduced frame that the network saw last
        self._moment: Tensor | None = None  # the reduced frame that the maps stand for
        self._frames, self._seconds = 0, 0.0  # since then

    @torch.no_grad()
    def __call__(self, frame: Tensor, seconds: float) -> Tensor:
        """Enhances the next frame; arguments and result as of `TemporalEnhancer`."""
        check_image(frame, '1 3 H W', 'frame')
        if self.time_constant == 0:
            self.asked += 1
            return self.fast(frame)
        self._look_for_cut(frame)
        seconds = max(seconds, 0.0)
        self._frames += 1
        self._seconds += seconds
        small = self._reduced(frame) if self._last is None else self._last
        newest = self._ask(frame, small) if self._newest is None or self._is_due(small) else self._newest
        if self._maps is None or self._moment is None:
            self._maps, self._moment = newest, small
        else:
            away = max(frame_difference(self._moment, small) - CHANGE, 0.0)
            near = max(1 - away / self.cut_threshold, 0.0)
            self.means.memory = near * math.exp(-seconds / (CALM * self.time_constant))
            memory = near * math.exp(-seconds / self.time_constant)
            self._maps = newest.blended(self._maps, memory)
            self._moment = torch.lerp(small, self._moment, memory)
        return self.fast.render(frame, self._maps)

    def _reduced(self, frame: Tensor) -> Tensor:
        """By a part of the pixels, each cell's many."""
        step = max(min(frame.shape[2:]) // SIDE, 1)
        return super()._reduced(frame[:, :, ::step, ::step])

    def _is_due(self, small: Tensor) -> bool:
        """Whether the network is to see this frame."""
        if self._frames >= self.every or self._seen is None:
            return True
        return self._frames >= min(LEAST, self.every) and frame_difference(self._seen, small) >= CHANGE

    def _ask(self, frame: Tensor, small: Tensor) -> FastMaps:
        self._decided.memory = math.exp(-self._seconds / self.time_constant)
        with sharing(network_inside(self.fast.network), self._decided):
            self._newest = self.fast.maps(frame)
        self._seen, self._frames, self._seconds = small, 0, 0.0
        self.asked += 1
        return self._newest
