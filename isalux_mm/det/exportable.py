"""An enhanced detector as one graph: a dark picture in, boxes and scores out (ours; paper silent)."""
import copy
import logging
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from mmdet.apis import init_detector
from mmengine.logging import print_log
from torch import Tensor, nn

from isalux_mm.chain.preprocessor import WHITE
from isalux_mm.det.decoding import decoder_of
from isalux_mm.det.enhanced_detector import EnhancedDetector
from isalux_mm.inference.export_forms import exportable

FULL = 'full'
FAST_IN_FULL = ("the enhancer is exported in mode 'full', not 'fast', whose maps are solutions of equations that ONNX "
                'has no operator for: boxes and scores differ a little from those in fast mode')


class ExportableDetection(nn.Module):
    """Enhancer and detector without mmdet's data samples: every box with its scores, before non-maximum suppression.

    A picture of any size is padded below and to the right as mmdet would: by the detector's preprocessor, or, where its
    neck wants whole strides (YOLOX, RTMDet), as its pipeline does, by the chain's `pipeline_pad`. Boxes are cut to
    what mmdet cuts them to: the picture, or that with the pipeline's padding. An enhancer in fast mode works in full
    mode here, at its `work_short_side`, and a warning says so.

    Args:
        chain: whose detector has a decoder (`isalux_mm.det.decoding`); copied, not touched.

    Raises:
        ValueError: if `chain` is no `EnhancedDetector`, or its detector has no decoder.
    """

    def __init__(self, chain: nn.Module):
        super().__init__()
        if not isinstance(chain, EnhancedDetector):
            raise ValueError('model must be an EnhancedDetector, an enhancer and the detector behind it, got '
                             f'{type(chain).__name__}')
        self.decoder = decoder_of(chain.detector)
        copied: Any = copy.deepcopy(chain).cpu().float().eval().requires_grad_(False)
        detector = copied.detector
        self.enhancer: Any = copied.enhancer
        if getattr(self.enhancer, 'mode', FULL) != FULL:
            print_log(FAST_IN_FULL, logger='current', level=logging.WARNING)
            self.enhancer.mode = FULL
        self.enhancer.network = exportable(self.enhancer.network)
        self.detector: Any = detector
        self.head: Any = detector.bbox_head
        half = detector.data_preprocessor
        self.to_bgr = (copied.data_preprocessor.channel_order == 'bgr') != half._channel_conversion
        self.norm = (half.mean, half.std) if half._enable_normalize else None
        stride = max(max(stride) for stride in self.head.prior_generator.strides) if self.decoder.whole_strides else 1
        self.pipeline = (stride, copied.data_preprocessor.pipeline_pad or 0)  # multiple of the sides, value
        self.padding = (half.pad_size_divisor, half.pad_value)

    def forward(self, low: Tensor) -> tuple[Tensor, Tensor]:
        """Detects.

        Args:
            low: (B, 3, H, W), RGB in [0, 1], without padding.

        Returns:
            Boxes (B, N, 4), left, top, right, bottom in pixels, and scores (B, N, classes) in [0, 1].
        """
        image = padded(self.enhancer.enhance(low) * WHITE, *self.pipeline)
        size = (image.shape[-2], image.shape[-1])
        image = image.flip(1) if self.to_bgr else image
        if self.norm is not None:
            image = (image - self.norm[0]) / self.norm[1]
        outputs = self.head(self.detector.extract_feat(padded(image, *self.padding)))
        return self.decoder.decode(self.head, outputs, size)


def padded(image: Tensor, multiple: int, value: float) -> Tensor:
    """Images (B, C, H, W) with sides that are multiples, padded below and to the right."""
    h, w = image.shape[-2:]
    below, right = -h % multiple, -w % multiple
    return F.pad(image, (0, right, 0, below), value=value) if below or right else image


def load_chain(config: str | Path, checkpoint: str | Path) -> nn.Module:
    """The detector of a config with the weights of a checkpoint, of the chain or of the detector alone."""
    return init_detector(str(config), str(checkpoint), device='cpu')
