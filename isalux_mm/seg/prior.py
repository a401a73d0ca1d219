"""Any mmseg segmentor as ISALux's semantic prior (Eq. 3)."""
import copy
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmseg.registry import MODELS as MMSEG_MODELS
from torch import Tensor, nn

from isalux_mm.models.pretrained import load_weights
from isalux_mm.models.priors import SegmentationPrior
from isalux_mm.registry import MODELS
from isalux_mm.seg.enhanced_segmentor import checked_preprocessor

WHITE = 255.0


class LogitsOf(nn.Module):
    """A segmentor of which the decode head's logits alone are asked; (B, 3, H, W) to (B, classes, h, w).

    Args:
        segmentor: an mmseg segmentor with a decode head.
    """

    def __init__(self, segmentor: nn.Module):
        super().__init__()
        self.segmentor = segmentor

    def forward(self, image: Tensor) -> Tensor:
        """image: normalised as the segmentor wants it; logits at the decode head's own stride."""
        logits = self.segmentor(image, mode='tensor')
        return logits[-1] if isinstance(logits, list | tuple) else logits  # a cascade gives every stage's


def build_segmentor(segmentor: str | dict) -> LogitsOf:
    """A segmentor for inference from an mmseg config.

    Args:
        segmentor: path of a config file with a `model`, or the model's config itself.

    Raises:
        ValueError: if there is no such file, or its config has no model.
    """
    if isinstance(segmentor, str | Path):
        if not Path(segmentor).is_file():
            raise ValueError(f'segmentor must be an mmseg config file or a model config, got {segmentor}')
        content = Config.fromfile(segmentor)
        if 'model' not in content:
            raise ValueError(f'{segmentor}: expected a config with a model, got {sorted(content)}')
        segmentor = content.model
    config = copy.deepcopy(dict(segmentor))
    config['pretrained'] = None
    return LogitsOf(revert_sync_batchnorm(MMSEG_MODELS.build(ConfigDict({'_scope_': 'mmseg', **config}))))


@MODELS.register_module()
class MMSegSemanticPrior(SegmentationPrior):
    """Class probabilities of any mmseg segmentor, frozen, with its own normalisation.

    The segmentor's data preprocessor says its channel order, mean and standard deviation (0 to 255); no padding is
    added. A trained checkpoint of the enhancer holds the segmentor's weights.

    Args:
        segmentor: path of an mmseg config file, or the config of its model.
        checkpoint: weights of the segmentor (mmseg's `.pth`, or safetensors; never unpickled), loaded by
            `init_weights`.
        short_side: short side of the picture that is segmented, in pixels (ours; paper silent).

    Raises:
        ValueError: if the config has no model, no data preprocessor for images, or it has one output channel alone.
    """

    def __init__(self, segmentor: str | dict, *, checkpoint: str | None = None, short_side: int = 256):
        network = build_segmentor(segmentor)
        half = checked_preprocessor(network.segmentor)
        classes = network.segmentor.out_channels
        if classes < 2:
            raise ValueError(f'segmentor must tell at least 2 classes apart, got {classes} output channel')
        mean, std = ([0.0] * 3, [1.0] * 3)
        if half._enable_normalize:
            mean, std = (value.flatten().tolist() for value in (half.mean, half.std))
        super().__init__(
            'isalux_mm.seg.prior.LogitsOf', classes, module_args=dict(segmentor=network.segmentor),
            checkpoint=checkpoint, short_side=short_side,
            mean=[m / WHITE for m in mean], std=[s / WHITE for s in std])
        # it expects BGR from the loader; if it turns the channels, what it normalises is RGB
        self.rgb = half._channel_conversion

    def init_weights(self) -> None:
        """Loads `checkpoint`; without one the segmentor keeps the weights it was built with."""
        if self.checkpoint:
            load_weights(self.network.segmentor, self.checkpoint, name='semantic prior')

    def forward(self, image: Tensor) -> Tensor:
        """image: (B, 3, H, W), RGB in [0, 1]; returns probabilities (B, classes, h, w)."""
        return super().forward(image if self.rgb else image.flip(1))
