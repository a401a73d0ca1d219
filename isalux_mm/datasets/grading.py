"""`GradeReference`: the look of references, drawn anew for every sample."""
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from isalux_mm.functional.checks import check_interval
from isalux_mm.functional.grading import grade
from isalux_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class GradeReference(BaseTransform):
    """Gives `gt` the look of another set's references: photographs are more colourful and harder than LOL-v1's rooms.

    Stands before views are cut, so that the cast is that of the whole photograph, and before `KeepLuma` and
    `SynthesizeLowLight`. The defaults are ours, set after LOL-v1's training pairs (see docs/synthesis.md).

    Args:
        contrast: exponent of the tones, drawn evenly.
        neutrality: share of the mean cast that is taken off, drawn evenly.
        saturation: factor of the colours' distance from the luma, drawn log-evenly.
        brightness: factor of the mean luma, drawn log-evenly; `KeepLuma` behind it still holds its band.

    Raises:
        ValueError: if a range is empty or out of its bounds.
    """

    def __init__(self,
                 contrast: Sequence[float] = (0.75, 1.0),
                 neutrality: Sequence[float] = (0.4, 1.0),
                 saturation: Sequence[float] = (0.45, 1.4),
                 brightness: Sequence[float] = (1.0, 1.0)):
        for name, drawn, bounds in (('contrast', contrast, (0.2, 5.0)), ('neutrality', neutrality, (0.0, 1.0)),
                                    ('saturation', saturation, (0.01, 10.0)),
                                    ('brightness', brightness, (0.1, 10.0))):
            check_interval(drawn, *bounds, name)
        self.contrast, self.neutrality, self.saturation, self.brightness = contrast, neutrality, saturation, brightness

    def drawn(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A picture, (H, W, 3), float32, RGB in [0, 1], in a look that is drawn."""
        contrast, neutrality, log_saturation, log_brightness = (rng.uniform(*drawn) for drawn in (
            self.contrast, self.neutrality, np.log(self.saturation), np.log(self.brightness)))
        return grade(image, contrast, neutrality, float(np.exp(log_saturation)), float(np.exp(log_brightness)))

    def transform(self, results: dict) -> dict:
        results['gt'] = self.drawn(results['gt'], np.random.default_rng(np.random.randint(2**31)))
        return results
