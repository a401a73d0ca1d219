"""`EnhancedDetector`: any mmdet detector, its config unchanged, behind an enhancer."""
import copy
from collections.abc import Mapping, Sequence
from typing import Any

from mmcv.cnn.bricks import DropPath
from mmdet.models.data_preprocessors import TrackDataPreprocessor
from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS as MMDET_MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.model import ImgDataPreprocessor
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from isalux_mm.models.chain import (
    PIPELINE_PAD,
    ChainDataPreprocessor,
    ChainLosses,
    adapt_checkpoint,
    keep_loaded_enhancer,
    shapes_of,
    with_enhanced,
)
from isalux_mm.registry import MODELS, SCOPE

STOCHASTIC = (_BatchNorm, _DropoutNd, DropPath)  # what behaves differently in training


@MODELS.register_module()
class EnhancedDetector(BaseDetector):
    """An enhancer ahead of a detector; used as mmdet's detectors are.

    The enhancer sees every image without padding, as RGB in [0, 1]. Its result goes, in the channel order and range
    of the loaded image, through the detector's own data preprocessor, which normalises, pads and augments as ever.
    Attributes that the chain has not (`backbone`, `bbox_head`, `set_epoch`) are the detector's.

    Args:
        enhancer: config of an `ISALuxNeck`.
        detector: config of an mmdet detector, unchanged, its `data_preprocessor` included.
        enhancement_loss: configs by name of losses of (enhanced, reference), logged as 'loss_enh_NAME', on data
            samples with a `reference_img`.
        zero_reference_losses: configs by name of losses of (enhanced, input), logged as 'loss_zero_NAME'.
        balance_loss: config of the loss on the routing of the enhancer's mixture layers, logged as 'loss_balance'.
        freeze_detector: no gradient to the detector's weights, its batch norms and dropouts in eval mode.
        detector_norm_eval: the detector's batch norms stay in eval mode while its weights learn: for fine-tuning with
            small batches.
        channel_order: of the loaded images, 'bgr' or 'rgb'; `None` takes it from the detector's preprocessor
            ('rgb' if that turns RGB to BGR, else 'bgr', the order of mmcv's loader).
        pipeline_pad: value of the padding that the pipeline itself puts at right and bottom; `None` for none.
        keep_pictures: predictions carry `input_img` and `enhanced_img`, (3, h, w), uint8, RGB, at the detector's
            input scale, for visualisation.
        backbone: not used. mmdet's `init_detector` looks for `model.backbone` in the config: write `backbone=dict()`
            or call it with `cfg_options={}`.
        data_preprocessor: the detector's, if its own config has none. mmengine's Runner passes on what stands at the
            top of a config, as in mmdet's YOLOv3.
        init_cfg: mmengine's initialisation config; 'Pretrained' takes the checkpoints that `load_state_dict` takes.

    Raises:
        ValueError: if the detector has no image data preprocessor, or losses are given to a frozen enhancer.
    """

    def __init__(self,
                 enhancer: dict,
                 detector: dict,
                 *,
                 enhancement_loss: Mapping[str, dict] | None = None,
                 zero_reference_losses: Mapping[str, dict] | None = None,
                 balance_loss: dict | None = None,
                 freeze_detector: bool = False,
                 detector_norm_eval: bool = False,
                 channel_order: str | None = None,
                 pipeline_pad: int | None = PIPELINE_PAD,
                 keep_pictures: bool = False,
                 backbone: dict | None = None,
                 data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None):
        detector = copy.deepcopy(dict(detector))
        if data_preprocessor is not None:
            detector.setdefault('data_preprocessor', data_preprocessor)
        built = MMDET_MODELS.build(ConfigDict({'_scope_': 'mmdet', **detector}))
        half = checked_preprocessor(built)
        super().__init__(init_cfg=init_cfg)
        order = channel_order or ('rgb' if detector['data_preprocessor'].get('rgb_to_bgr') else 'bgr')
        self.data_preprocessor = ChainDataPreprocessor(
            order, pad_size_divisor=half.pad_size_divisor, pipeline_pad=pipeline_pad,
            non_blocking=half._non_blocking)
        self.enhancer = MODELS.build({'_scope_': SCOPE, **enhancer})
        self.detector = built
        self.losses = ChainLosses(enhancement_loss, zero_reference_losses, balance_loss)
        self.freeze_detector, self.keep_pictures = freeze_detector, keep_pictures
        self.detector_norm_eval = detector_norm_eval
        if self.losses.names and getattr(self.enhancer, 'frozen', False):
            raise ValueError('a frozen enhancer cannot learn: expected no enhancement_loss, zero_reference_losses or '
                             f'balance_loss, got {self.losses.names}')
        if freeze_detector:
            self.detector.requires_grad_(False)
        if freeze_detector or detector_norm_eval:
            self.train(self.training)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            detector = self.__dict__.get('_modules', {}).get('detector')
            if detector is None or name.startswith('__'):
                raise
            return getattr(detector, name)

    @property
    def last_routings(self) -> list:
        """Routing of the enhancer's mixture layers in the last training step."""
        return getattr(self.enhancer, 'last_routings', [])

    def train(self, mode: bool = True) -> 'EnhancedDetector':
        """As ever; a frozen detector's batch norms and dropouts stay in eval mode."""
        super().train(mode)
        fixed = STOCHASTIC if self.freeze_detector else _BatchNorm if self.detector_norm_eval else ()
        for module in self.detector.modules():
            if isinstance(module, fixed):
                module.eval()
        return self

    def forward(self,
                inputs: Tensor,
                data_samples: Sequence[DetDataSample] | None = None,
                mode: str = 'tensor',
                training: bool | None = None) -> dict[str, Tensor] | list[DetDataSample] | tuple | Tensor:
        """Runs enhancer and detector.

        Args:
            inputs: (B, 3, H, W), RGB in [0, 1], as the chain's data preprocessor gives them.
            data_samples: one per image.
            mode: 'loss', 'predict' or 'tensor', as of mmdet's detectors.
            training: whether the detector's preprocessor augments; the chain's preprocessor passes it on. By default
                in mode 'loss' only.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples, training=training is not False)
        return super().forward(inputs, data_samples, mode)

    def loss(self, batch_inputs: Tensor, batch_data_samples: Sequence[DetDataSample], *,
             training: bool = True) -> dict[str, Any]:
        """The detector's losses under their own names, and the enhancer's."""
        enhanced = self.enhance(batch_inputs, batch_data_samples)
        losses = self.losses(batch_inputs, enhanced, batch_data_samples, self.last_routings)
        batch = self.second_half(batch_inputs, enhanced, batch_data_samples, training=training)
        return {**self.detector(**batch, mode='loss'), **losses}

    def predict(self, batch_inputs: Tensor, batch_data_samples: Sequence[DetDataSample]) -> list[DetDataSample]:
        """The detector's predictions, in the frame of the original image."""
        enhanced = self.enhance(batch_inputs, batch_data_samples)
        batch = self.second_half(batch_inputs, enhanced, batch_data_samples)
        results = self.detector(**batch, mode='predict')
        if self.keep_pictures:
            sizes = shapes_of(batch_data_samples, 'picture_shape', batch_inputs)
            for sample, low, picture, (h, w) in zip(results, batch_inputs, enhanced, sizes):
                sample.input_img, sample.enhanced_img = to_bytes(low[:, :h, :w]), to_bytes(picture[:, :h, :w])
        return results

    def _forward(self, batch_inputs: Tensor, batch_data_samples: Sequence[DetDataSample] | None = None) -> Any:
        enhanced = self.enhance(batch_inputs, batch_data_samples)
        return self.detector(**self.second_half(batch_inputs, enhanced, batch_data_samples), mode='tensor')

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """The detector's features of images as `forward` takes them."""
        return self.detector.extract_feat(
            self.second_half(batch_inputs, self.enhance(batch_inputs), None)['inputs'])

    def enhance(self, inputs: Tensor, data_samples: Sequence[DetDataSample] | None = None) -> Tensor:
        """Enhanced images, (B, 3, H, W), RGB, zero where there is padding."""
        return self.enhancer(inputs, shapes_of(data_samples, 'picture_shape', inputs))

    def second_half(self, inputs: Tensor, enhanced: Tensor, data_samples: Sequence[DetDataSample] | None, *,
                    training: bool = False) -> dict:
        """What the detector's own data preprocessor makes of the enhanced images.

        Batch augments move boxes in place: they get copies, so that a batch can be run again.
        """
        half = self.detector.data_preprocessor
        shapes, pictures = (shapes_of(data_samples, key, inputs) for key in ('raw_shape', 'picture_shape'))
        images = [
            self.data_preprocessor.as_loaded(with_enhanced(*parts))
            for parts in zip(inputs, enhanced, shapes, pictures)
        ]
        if training and data_samples is not None and getattr(half, 'batch_augments', None) is not None:
            data_samples = copy.deepcopy(data_samples)
        return half(dict(inputs=images, data_samples=data_samples), training)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        """Takes checkpoints of the detector, of the enhancer and of the chain."""
        own = self.state_dict()
        adapt_checkpoint(own, state_dict, prefix, 'detector')
        keep_loaded_enhancer(self.enhancer, own, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)


def checked_preprocessor(detector: nn.Module) -> ImgDataPreprocessor:
    """The detector's data preprocessor.

    Raises:
        ValueError: if it is not one for single images.
    """
    half = detector.data_preprocessor
    if not isinstance(half, ImgDataPreprocessor) or isinstance(half, TrackDataPreprocessor):
        raise ValueError('detector must have a data_preprocessor for images, such as DetDataPreprocessor with the '
                         f"detector's mean and std, got {type(half).__name__} in {type(detector).__name__}")
    return half


def to_bytes(image: Tensor) -> Tensor:
    """RGB in [0, 1] to uint8."""
    return (image.detach().float().clamp(0, 1) * 255).round().byte()
