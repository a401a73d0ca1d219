"""`EnhancedSegmentor`: any mmseg segmentor of images, its config unchanged, behind an enhancer."""
import copy
from collections.abc import Mapping, Sequence

from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.registry import MODELS as MMSEG_MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from isalux_mm.chain.losses import ChainLosses
from isalux_mm.chain.preprocessor import ChainDataPreprocessor
from isalux_mm.chain.task import EnhancedTask, build_task_model
from isalux_mm.registry import MODELS


@MODELS.register_module()
class EnhancedSegmentor(EnhancedTask, BaseSegmentor):
    """An enhancer ahead of a segmentor; used as mmseg's segmentors are.

    The enhancer sees every image without padding, as RGB in [0, 1]. Its result goes, in the channel order and range of
    the loaded image, through the segmentor's own data preprocessor, which normalizes and pads images and maps as ever.
    Attributes named in `forwarded` (`backbone`, `decode_head`, `out_channels`) are the segmentor's.

    Args:
        enhancer: config of an `ISALuxNeck`.
        segmentor: config of an mmseg segmentor of images (`EncoderDecoder`, `CascadeEncoderDecoder`), unchanged, its
            `data_preprocessor` included.
        enhancement_loss: configs by name of losses of (enhanced, reference), logged as 'loss_enh_NAME', on data
            samples with a `reference_img`.
        zero_reference_losses: configs by name of losses of (enhanced, input), logged as 'loss_zero_NAME'.
        balance_loss: config of the loss on the routing of the enhancer's mixture layers, logged as 'loss_balance'.
        consistency_loss: config of a `FeatureConsistencyLoss` between the segmentor's features of the enhanced and the
            bright image, logged as 'loss_consistency', on data samples with a `reference_img`. It needs no labels:
            samples whose meta information says `labeled=False` have it and no loss of the segmentor's own.
        freeze_segmentor: no gradient to the segmentor's weights, its batch norms and dropouts in eval mode.
        channel_order: of the loaded images, 'bgr' or 'rgb'; `None` takes it from the segmentor's preprocessor ('rgb' if
            that turns RGB to BGR, else 'bgr', the order of mmcv's loader).
        pipeline_pad: value of padding that the pipeline itself puts at right and bottom; `None` for none.
        keep_pictures: predictions carry `input_img` and `enhanced_img`, (3, h, w), uint8, RGB.
        data_preprocessor: the segmentor's, if its own config has none. mmengine's Runner passes on what stands at the
            top of a config.
        pretrained: not used; mmseg's `init_model` writes `None` here, and into `train_cfg`.
        train_cfg: not used.
        init_cfg: mmengine's initialization config; 'Pretrained' takes the checkpoints that `load_state_dict` takes.

    Raises:
        TypeError: if the enhancer is no `ISALuxNeck`.
        ValueError: if the segmentor has no image data preprocessor or takes more than images, or losses are given to a
            frozen enhancer.
    """
    task = 'segmentor'
    forwarded = ('backbone', 'neck', 'decode_head', 'auxiliary_head', 'out_channels', 'num_classes', 'align_corners',
                 'num_stages', 'test_cfg')

    def __init__(self,
                 enhancer: dict,
                 segmentor: dict,
                 *,
                 enhancement_loss: Mapping[str, dict] | None = None,
                 zero_reference_losses: Mapping[str, dict] | None = None,
                 balance_loss: dict | None = None,
                 consistency_loss: dict | None = None,
                 freeze_segmentor: bool = False,
                 channel_order: str | None = None,
                 pipeline_pad: int | None = None,
                 keep_pictures: bool = False,
                 data_preprocessor: dict | None = None,
                 pretrained: None = None,
                 train_cfg: None = None,
                 init_cfg: dict | None = None):
        built, order = build_task_model(MMSEG_MODELS, 'mmseg', segmentor, data_preprocessor, channel_order)
        half = checked_preprocessor(built)
        super().__init__(init_cfg=init_cfg)
        self.join(
            enhancer, built, ChainLosses(enhancement_loss, zero_reference_losses, balance_loss, consistency_loss),
            ChainDataPreprocessor(order, pipeline_pad=pipeline_pad, note_padding=False,
                                  non_blocking=half._non_blocking),
            frozen=freeze_segmentor, keep_pictures=keep_pictures)

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

    def encode_decode(self, inputs: Tensor, batch_data_samples: Sequence) -> Tensor:
        """The segmentor's logits of images as `forward` takes them; `batch_data_samples` are its image metas."""
        return self.segmentor.encode_decode(
            self.second_half(inputs, self.enhance(inputs), None)['inputs'], batch_data_samples)

    def samples_to_change(self, images: Sequence[Tensor], data_samples: Sequence[SegDataSample] | None, *,
                          training: bool) -> Sequence[SegDataSample] | None:
        """Label maps are padded in place: in training it is copies, so that a batch can be run again."""
        if data_samples is None and self.segmentor.data_preprocessor.test_cfg:
            # it writes the padding there
            shape = tuple(images[0].shape[1:])
            return [SegDataSample(metainfo=dict(ori_shape=shape, img_shape=shape)) for _ in images]
        return copy.deepcopy(data_samples) if training else data_samples

    def keep(self, sample: SegDataSample, pictures: Mapping[str, Tensor]) -> None:
        """As meta information: mmseg's samples take data of the label map's size alone."""
        sample.set_metainfo(dict(pictures))


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
