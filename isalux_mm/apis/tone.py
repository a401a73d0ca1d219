"""`Tone`: what becomes of a network's result before it is a picture (ours; paper silent)."""
from dataclasses import dataclass

import torch
from torch import Tensor

from isalux_mm.functional.checks import check_choice, check_range
from isalux_mm.functional.compiling import in_rows, is_compilable
from isalux_mm.functional.tone import HIGHLIGHTS, blended, white_level, with_mean_luma, within_white
from isalux_mm.functional.visible import seen

BLOCK = 4_000_000  # ours: pixels that are worked on at once
MANY_PIXELS = 2_000_000  # ours: of a picture, from which it is worth it to load compiled kernels


@dataclass(frozen=True)
class Tone:
    """Strength, brightness and highlights of results, checked once.

    Attributes:
        strength: 0 leaves the input, 1 gives the full result.
        reference_brightness: mean BT.601 luma of the result, in (0, 1), set by a power law after blending; `None`
            leaves it to the network.
        highlights: what becomes of values beyond white: 'soft' compresses them, 'clip' cuts them off, as benchmarks do.

    Raises:
        ValueError: that names the first attribute out of its range.
    """
    strength: float = 1.0
    reference_brightness: float | None = None
    highlights: str = 'soft'

    def __post_init__(self) -> None:
        check_range(self.strength, 0, 1, 'strength')
        if self.reference_brightness is not None and not 0 < self.reference_brightness < 1:
            raise ValueError(f'reference_brightness must be in (0, 1), got {self.reference_brightness}')
        check_choice(self.highlights, HIGHLIGHTS, 'highlights')

    def apply(self, enhanced: Tensor, low: Tensor, *, visible: Tensor | None = None,
              in_place: bool = False) -> Tensor:
        """The result with this tone.

        Args:
            enhanced: what the network gave, (B, 3, H, W), RGB, not clamped.
            low: its input, same shape, RGB in [0, 1].
            visible: of one image, (1, 1, H, W), above 0 where a pixel is seen: white level and mean luma are those of
                these pixels. `None` for all.
            in_place: whether the result may take the memory of `enhanced`.

        Returns:
            Same shape, in [0, 1].
        """
        white, out = white_level(seen(enhanced, visible)), enhanced if in_place else torch.empty_like(enhanced)
        if in_place and self._is_plain and out[0, 0].numel() >= MANY_PIXELS and is_compilable(out, low):
            from isalux_mm.functional.compiled_tone import soften
            for image, dark, level in zip(out, low, white):
                in_rows(soften, image.shape[1], image.numpy(), dark.numpy(), float(level))
        else:
            rows = max(BLOCK // (len(out) * out.shape[3]), 1)
            for parts in zip(*(images.split(rows, dim=2) for images in (out, enhanced, low))):  # in little memory
                part, bright, dark = parts
                part.copy_(blended(dark, self.within_white(bright, dark, white=white), self.strength))
        target = self.reference_brightness
        return out if target is None else with_mean_luma(out, target, visible=visible)

    @property
    def _is_plain(self) -> bool:
        return self.strength == 1 and self.highlights == 'soft'

    def within_white(self, enhanced: Tensor, low: Tensor, *, white: Tensor | None = None) -> Tensor:
        """The first half of `apply`: `enhanced` with its highlights in [0, 1]; `white` as of `with_soft_highlights`."""
        return within_white(enhanced, low, self.highlights, white=white)

    def mixed(self, enhanced: Tensor, low: Tensor) -> Tensor:
        """The second half: `enhanced`, in [0, 1], blended with the input and brought to the reference brightness."""
        enhanced, target = blended(low, enhanced, self.strength), self.reference_brightness
        return enhanced if target is None else with_mean_luma(enhanced, target)
