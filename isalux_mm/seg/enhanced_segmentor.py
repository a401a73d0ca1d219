"""`EnhancedSegmentor`: any mmseg segmentor of images, its config unchanged, behind an enhancer."""
import copy
from collections.abc import Mapping, Sequence
from typing import Any

from mmcv.cnn.bricks import DropPath
from mmengine.config import ConfigDict
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.registry import MODELS as MMSEG_MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from isalux_mm.models.chain import (
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
class EnhancedSegmentor(BaseSegmentor):
    """An enhancer ahead of a segmentor; used as mmseg's segmentors are.

    The enhancer sees every image without padding, as RGB in [0, 1]. Its result goes, in the channel order and range of
    the loaded image, through the segmentor's own data preprocessor, which normalises and pads images and maps as ever.
    Attributes that the chain has not (`backbone`, `decode_head`, `out_channels`) are the segmentor's.

    Args:
        enhancer: config of an `ISALuxNeck`.
        segmentor: config of an mmseg segmentor of images (`EncoderDecoder`, `CascadeEncoderDecoder`), unchanged, its
            `data_preprocessor` included.
        enhancement_loss: configs by name of losses of (enhanced, reference), logged as 'loss_enh_NAME', on data
            samples with a `reference_img`.
        zero_reference_losses: configs by name of losses of (enhanced, input), logged as 'loss_zero_NAME'.
        balance_loss: config of the loss on the routing of the enhancer's mixture layers, logged as 'loss_balance'.
        freeze_segmentor: no gradient to the segmentor's weights, its batch norms and dropouts in eval mode.
        channel_order: of the loaded images, 'bgr' or 'rgb'; `None` takes it from the segmentor's preprocessor ('rgb' if
            that turns RGB to BGR, else 'bgr', the order of mmcv's loader).
        pipeline_pad: value of padding that the pipeline itself puts at right and bottom; `None` for none.
        keep_pictures: predictions carry `input_img` and `enhanced_img`, (3, h, w), uint8, RGB.
        data_preprocessor: the segmentor's, if its own config has none. mmengine's Runner passes on what stands at the
            top of a config.
        pretrained: not used; mmseg's `init_model` writes `None` here, and into `train_cfg`.
        train_cfg: not used.
        init_cfg: mmengine's initialisation config; 'Pretrained' takes the checkpoints that `load_state_dict` takes.

    Raises:
        ValueError: if the segmentor has no image data preprocessor or takes more than images, or losses are given to a
            frozen enhancer.
    """

    def __init__(self,
                 enhancer: dict,
                 segmentor: dict,
                 *,
                 enhancement_loss: Mapping[str, dict] | None = None,
                 zero_reference_losses: Mapping[str, dict] | None = None,
                 balance_loss: dict | None = None,
                 freeze_segmentor: bool = False,
                 channel_order: str | None = None,
                 pipeline_pad: int | None = None,
                 keep_pictures: bool = False,
                 data_preprocessor: dict | None = None,
                 pretrained: None = None,
                 train_cfg: None = None,
                 init_cfg: dict | None = None):
        segmentor = copy.deepcopy(dict(segmentor))
        if data_preprocessor is not None:
            segmentor.setdefault('data_preprocessor', data_preprocessor)
        built = MMSEG_MODELS.build(ConfigDict({'_scope_': 'mmseg', **segmentor}))
        half = checked_preprocessor(built)
        super().__init__(init_cfg=init_cfg)
        order = channel_order or ('rgb' if segmentor['data_preprocessor'].get('rgb_to_bgr') else 'bgr')
        self.data_preprocessor = ChainDataPreprocessor(
            order, pipeline_pad=pipeline_pad, note_padding=False, non_blocking=half._non_blocking)
        self.enhancer = MODELS.build({'_scope_': SCOPE, **enhancer})
        self.segmentor = built
        self.losses = ChainLosses(enhancement_loss, zero_reference_losses, balance_loss)
        self.freeze_segmentor, self.keep_pictures = freeze_segmentor, keep_pictures
        if self.losses.names and getattr(self.enhancer, 'frozen', False):
            raise ValueError('a frozen enhancer cannot learn: expected no enhancement_loss, zero_reference_losses or '
                             f'balance_loss, got {self.losses.names}')
        if freeze_segmentor:
            self.segmentor.requires_grad_(False)
            self.train(self.training)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            segmentor = self.__dict__.get('_modules', {}).get('segmentor')
            if segmentor is None or name.startswith('__'):
                raise
            return getattr(segmentor, name)

    @property
    def with_neck(self) -> bool:
        """Whether the segmentor has a neck."""
        return self.segmentor.with_neck

    @property
    def with_auxiliary_head(self) -> bool:
        """Whether the segmentor has auxiliary heads."""
        return self.segmentor.with_auxiliary_head

    @property
    def with_decode_head(self) -> bool:
        """Whether the segmentor has a decode head."""
        return self.segmentor.with_decode_head

    @property
    def last_routings(self) -> list:
        """Routing of the enhancer's mixture layers in the last training step."""
        return getattr(self.enhancer, 'last_routings', [])

    def train(self, mode: bool = True) -> 'EnhancedSegmentor':
        """As ever; a frozen segmentor's batch norms and dropouts stay in eval mode."""
        super().train(mode)
        if self.freeze_segmentor:
            for module in self.segmentor.modules():
                if isinstance(module, STOCHASTIC):
                    module.eval()
        return self

    def forward(self,
                inputs: Tensor,
                data_samples: Sequence[SegDataSample] | None = None,
                mode: str = 'tensor',
                training: bool | None = None) -> dict[str, Tensor] | list[SegDataSample] | tuple | Tensor:
        """Runs enhancer and segmentor.

        Args:
            inputs: (B, 3, H, W), RGB in [0, 1], as the chain's data preprocessor gives them.
            data_samples: one per image.
            mode: 'loss', 'predict' or 'tensor', as of mmseg's segmentors.
            training: whether the segmentor's preprocessor pads as in training; the chain's preprocessor passes it on.
                By default in mode 'loss' only.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples, training=training is not False)
        return super().forward(inputs, data_samples, mode)

    def loss(self, inputs: Tensor, data_samples: Sequence[SegDataSample], *, training: bool = True) -> dict[str, Any]:
        """The segmentor's losses under their own names, and the enhancer's."""
        enhanced = self.enhance(inputs, data_samples)
        losses = self.losses(inputs, enhanced, data_samples, self.last_routings)
        batch = self.second_half(inputs, enhanced, data_samples, training=training)
        return {**self.segmentor(**batch, mode='loss'), **losses}

    def predict(self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None) -> list[SegDataSample]:
        """The segmentor's predictions, at the size of the original image."""
        enhanced = self.enhance(inputs, data_samples)
        results = self.segmentor(**self.second_half(inputs, enhanced, data_samples), mode='predict')
        if self.keep_pictures:
            sizes = shapes_of(data_samples, 'picture_shape', inputs)
            for sample, low, picture, (h, w) in zip(results, inputs, enhanced, sizes):
                sample.set_metainfo(dict(input_img=to_bytes(low[:, :h, :w]), enhanced_img=to_bytes(picture[:, :h, :w])))
        return results

    def _forward(self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None) -> Any:
        enhanced = self.enhance(inputs, data_samples)
        return self.segmentor(**self.second_half(inputs, enhanced, data_samples), mode='tensor')

    def extract_feat(self, inputs: Tensor) -> list[Tensor]:
        """The segmentor's features of images as `forward` takes them."""
        return self.segmentor.extract_feat(self.second_half(inputs, self.enhance(inputs), None)['inputs'])

    def encode_decode(self, inputs: Tensor, batch_data_samples: Sequence) -> Tensor:
        """The segmentor's logits of images as `forward` takes them; `batch_data_samples` are its image metas."""
        return self.segmentor.encode_decode(
            self.second_half(inputs, self.enhance(inputs), None)['inputs'], batch_data_samples)

    def enhance(self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None) -> Tensor:
        """Enhanced images, (B, 3, H, W), RGB, zero where there is padding."""
        return self.enhancer(inputs, shapes_of(data_samples, 'picture_shape', inputs))

    def second_half(self, inputs: Tensor, enhanced: Tensor, data_samples: Sequence[SegDataSample] | None, *,
                    training: bool = False) -> dict:
        """What the segmentor's own data preprocessor makes of the enhanced images.

        It pads label maps in place: in training it gets copies, so that a batch can be run again.
        """
        shapes, pictures = (shapes_of(data_samples, key, inputs) for key in ('raw_shape', 'picture_shape'))
        images = [
            self.data_preprocessor.as_loaded(with_enhanced(*parts))
            for parts in zip(inputs, enhanced, shapes, pictures)
        ]
        if training and data_samples is not None:
            data_samples = copy.deepcopy(data_samples)
        half = self.segmentor.data_preprocessor
        if data_samples is None and getattr(half, 'test_cfg', None):
            # it writes the padding there
            shape = tuple(images[0].shape[1:])
            data_samples = [SegDataSample(metainfo=dict(ori_shape=shape, img_shape=shape)) for _ in images]
        return half(dict(inputs=images, data_samples=data_samples), training)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        """Takes checkpoints of the segmentor, of the enhancer and of the chain."""
        own = self.state_dict()
        adapt_checkpoint(own, state_dict, prefix, 'segmentor')
        keep_loaded_enhancer(self.enhancer, own, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)


def checked_preprocessor(segmentor: nn.Module) -> SegDataPreProcessor:
    """The segmentor's data preprocessor.

    Raises:
        ValueError: if it is not one for images, or the segmentor takes more than images.
    """
    half = segmentor.data_preprocessor
    if not isinstance(half, SegDataPreProcessor):
        raise ValueError('segmentor must have a data_preprocessor for images, such as SegDataPreProcessor with the '
                         f"segmentor's mean and std, got {type(half).__name__} in {type(segmentor).__name__}")
    if hasattr(segmentor, 'text_encoder'):
        raise ValueError(f'segmentor must take images alone, got {type(segmentor).__name__}, which takes text too')
    return half


def to_bytes(image: Tensor) -> Tensor:
    """RGB in [0, 1] to uint8."""
    return (image.detach().float().clamp(0, 1) * 255).round().byte()
