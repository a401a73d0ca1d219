"""An enhanced YOLOX as one graph: a dark picture in, boxes and scores out (ours; paper silent)."""
import copy
from pathlib import Path
from typing import Any

import torch
from mmdet.apis import init_detector
from mmdet.models.dense_heads import YOLOXHead
from torch import Tensor, nn

from isalux_mm.chain.preprocessor import WHITE
from isalux_mm.det.enhanced_detector import EnhancedDetector
from isalux_mm.inference.export_forms import exportable


class ExportableDetection(nn.Module):
    """Enhancer and YOLOX without mmdet's data samples: every box with its scores, before non-maximum suppression.

    Args:
        chain: whose detector's head is a `YOLOXHead`; copied, not touched.

    Attributes:
        stride: of which height and width must be multiples.

    Raises:
        ValueError: if `chain` is no `EnhancedDetector`, or its detector another one: its head builds its boxes in a way
            that no graph is known to follow.
    """

    def __init__(self, chain: nn.Module):
        super().__init__()
        head: Any = getattr(getattr(chain, 'detector', None), 'bbox_head', None)
        if not isinstance(chain, EnhancedDetector) or not isinstance(head, YOLOXHead):
            raise ValueError('model must be an EnhancedDetector with a YOLOX, the detector that exports, got '
                             f'{type(chain).__name__} with the head {type(head).__name__}')
        copied: Any = copy.deepcopy(chain).cpu().float().eval().requires_grad_(False)
        detector = copied.detector
        self.enhancer: Any = copied.enhancer
        self.enhancer.network = exportable(self.enhancer.network)
        self.backbone, self.neck = detector.backbone, detector.neck
        self.head: Any = detector.bbox_head
        half = detector.data_preprocessor
        self.to_bgr = (copied.data_preprocessor.channel_order == 'bgr') != half._channel_conversion
        self.norm = (half.mean, half.std) if half._enable_normalize else None
        self.stride = max(max(stride) for stride in self.head.prior_generator.strides)

    def forward(self, low: Tensor) -> tuple[Tensor, Tensor]:
        """Detects.

        Args:
            low: (B, 3, H, W), RGB in [0, 1], without padding.

        Returns:
            Boxes (B, N, 4), left, top, right, bottom in pixels, and scores (B, N, classes) in [0, 1].
        """
        image = self.enhancer.enhance(low) * WHITE
        image = image.flip(1) if self.to_bgr else image
        if self.norm is not None:
            image = (image - self.norm[0]) / self.norm[1]
        scores, boxes, objectness = self.head(self.neck(self.backbone(image)))
        priors = self.head.prior_generator.grid_priors([level.shape[-2:] for level in scores], dtype=image.dtype,
                                                       device=image.device, with_stride=True)
        decoded = self.head._bbox_decode(torch.cat(priors), flat(boxes))
        return decoded, flat(scores).sigmoid() * flat(objectness).sigmoid()


def flat(levels: list[Tensor]) -> Tensor:
    """Maps (B, C, H, W) of all levels as (B, N, C)."""
    return torch.cat([level.flatten(2).transpose(1, 2) for level in levels], dim=1)


def load_chain(config: str | Path, checkpoint: str | Path) -> nn.Module:
    """The detector of a config with the weights of a checkpoint, of the chain or of the detector alone."""
    return init_detector(str(config), str(checkpoint), device='cpu')
