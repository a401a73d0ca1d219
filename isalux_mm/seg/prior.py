"""Any mmseg segmentor as ISALux's semantic prior (Eq. 3)."""
import copy
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmseg.registry import MODELS as MMSEG_MODELS
from torch import Tensor, nn

from isalux_mm.io.checkpoint_schemes import downloaded
from isalux_mm.models.pretrained import load_weights
from isalux_mm.models.priors import SegmentationPrior
from isalux_mm.registry import MODELS
from isalux_mm.seg.enhanced_segmentor import checked_preprocessor

WHITE = 255.0
STRIDE = 8  # ours: of the map; ISALux resizes it to its scales


class LogitsOf(nn.Module):
    """A segmentor of which the logits alone are asked, at stride 8; (B, 3, H, W) to (B, classes, h, w).

    Args:
        segmentor: an mmseg segmentor with a decode head.
    """

    def __init__(self, segmentor: nn.Module):
        super().__init__()
        self.segmentor: Any = segmentor

    def forward(self, image: Tensor) -> Tensor:
        """image: normalized as the segmentor wants it."""
        size = tuple(-(-side // STRIDE) for side in image.shape[-2:])
        # mmseg's heads resize their prediction, whatever form it has, to the size that is noted here
        return self.segmentor.encode_decode(image, [dict(img_shape=size, ori_shape=size)] * len(image))


def model_config(segmentor: str | dict) -> ConfigDict:
    """The config of an mmseg model that builds without a download.

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
        segmentor = dict(content.model)
    config: dict[str, Any] = copy.deepcopy(dict(segmentor))
    config['pretrained'] = None
    return ConfigDict({'_scope_': 'mmseg', **config})


@MODELS.register_module()
class MMSegSemanticPrior(SegmentationPrior):
    """Class probabilities of any mmseg segmentor, frozen, with its own normalization.

    The segmentor's data preprocessor says its channel order, mean and standard deviation (0 to 255); no padding is
    added. A trained checkpoint of the enhancer holds the segmentor's weights.

    Args:
        segmentor: path of an mmseg config file, or the config of its model.
        checkpoint: weights of the segmentor, a file or a web address (mmseg's `.pth`, or safetensors; never
            unpickled), loaded by `init_weights`.
        short_side: short side of the picture that is segmented, in pixels (ours; paper silent).

    Raises:
        ValueError: if there is no such file, the config has no model, no data preprocessor for images, or one output
            channel alone, or `short_side` is no whole number from 1 up.
    """

    def __init__(self, segmentor: str | dict, *, checkpoint: str | None = None, short_side: int = 256):
        config = model_config(segmentor)
        network = revert_sync_batchnorm(MMSEG_MODELS.build(config))
        half = checked_preprocessor(network)
        classes = network.out_channels
        if classes < 2:
            raise ValueError(f'segmentor must tell at least 2 classes apart, got {classes} output channel')
        mean, std = ([0.0] * 3, [1.0] * 3)
        if half._enable_normalize:
            mean, std = (value.flatten().tolist() for value in (half.mean, half.std))
        super().__init__(
            'isalux_mm.seg.prior.LogitsOf', classes, module_args=dict(segmentor=network),
            checkpoint=checkpoint, short_side=short_side,
            mean=[m / WHITE for m in mean], std=[s / WHITE for s in std])
        # behind mmcv's loader, which gives BGR, a segmentor sees RGB only where its preprocessor turns that
        self.sees_rgb = bool(config.data_preprocessor.get('bgr_to_rgb'))

    def init_weights(self) -> None:
        """Loads `checkpoint`; without one the segmentor keeps the weights it was built with.

        Raises:
            RuntimeError: if it can neither be found nor downloaded.
        """
        if self.checkpoint:
            path = downloaded(self.checkpoint, option='semantic_prior.checkpoint')
            load_weights(self.network.segmentor, path, name='semantic prior')

    def scores(self, image: Tensor) -> Tensor:
        """As of `SegmentationPrior`."""
        return super().scores(image if self.sees_rgb else image.flip(1))
