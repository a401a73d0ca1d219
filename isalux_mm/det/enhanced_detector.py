"""`EnhancedDetector`: any mmdet detector, its config unchanged, behind an enhancer."""
import copy
from collections.abc import Mapping, Sequence

from mmdet.models.data_preprocessors import TrackDataPreprocessor
from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS as MMDET_MODELS
from mmdet.structures import DetDataSample
from mmengine.model import ImgDataPreprocessor
from torch import Tensor, nn

from isalux_mm.chain.losses import ChainLosses
from isalux_mm.chain.preprocessor import PIPELINE_PAD, ChainDataPreprocessor
from isalux_mm.chain.task import EnhancedTask, build_task_model
from isalux_mm.registry import MODELS


@MODELS.register_module()
class EnhancedDetector(EnhancedTask, BaseDetector):
    """An enhancer ahead of a detector; used as mmdet's detectors are.

    The enhancer sees every image without padding, as RGB in [0, 1]. Its result goes, in the channel order and range
    of the loaded image, through the detector's own data preprocessor, which normalizes, pads and augments as ever.
    Attributes named in `forwarded` (`backbone`, `bbox_head`, `set_epoch`) are the detector's.

    Args:
        enhancer: config of an `ISALuxNeck`.
        detector: config of an mmdet detector, unchanged, its `data_preprocessor` included.
        enhancement_loss: configs by name of losses of (enhanced, reference), logged as 'loss_enh_NAME', on data
            samples with a `reference_img`.
        zero_reference_losses: configs by name of losses of (enhanced, input), logged as 'loss_zero_NAME'.
        balance_loss: config of the loss on the routing of the enhancer's mixture layers, logged as 'loss_balance'.
        consistency_loss: config of a `FeatureConsistencyLoss` between the detector's features of the enhanced and the
            bright image, logged as 'loss_consistency', on data samples with a `reference_img`. It needs no labels:
            samples whose meta information says `labeled=False` have it and no loss of the detector's own.
        freeze_detector: no gradient to the detector's weights, its batch norms and dropouts in eval mode.
        detector_norm_eval: the detector's batch norms stay in eval mode while its weights learn: for fine-tuning with
            small batches.
        channel_order: of the loaded images, 'bgr' or 'rgb'; `None` takes it from the detector's preprocessor
            ('rgb' if that turns RGB to BGR, else 'bgr', the order of mmcv's loader).
        pipeline_pad: value of the padding that the pipeline itself puts at right and bottom; `None` for none.
        keep_pictures: predictions carry `input_img` and `enhanced_img`, (3, h, w), uint8, RGB, at the detector's
            input scale, for visualization.
        backbone: not used. mmdet's `init_detector` looks for `model.backbone` in the config: write `backbone=dict()`
            or call it with `cfg_options={}`.
        data_preprocessor: the detector's, if its own config has none. mmengine's Runner passes on what stands at the
            top of a config, as in mmdet's YOLOv3.
        init_cfg: mmengine's initialization config; 'Pretrained' takes the checkpoints that `load_state_dict` takes.

    Raises:
        TypeError: if the enhancer is no `ISALuxNeck`.
        ValueError: if the detector has no image data preprocessor, or losses are given to a frozen enhancer.
    """
    task = 'detector'
    forwarded = ('backbone', 'neck', 'rpn_head', 'roi_head', 'bbox_head', 'mask_head', 'query_head', 'panoptic_head',
                 'semantic_head', 'panoptic_fusion_head', 'positional_encoding', 'encoder', 'decoder',
                 'language_model', 'train_cfg', 'test_cfg', 'num_queries', 'with_rpn', 'with_roi_head', 'set_epoch')

    def __init__(self,
                 enhancer: dict,
                 detector: dict,
                 *,
                 enhancement_loss: Mapping[str, dict] | None = None,
                 zero_reference_losses: Mapping[str, dict] | None = None,
                 balance_loss: dict | None = None,
                 consistency_loss: dict | None = None,
                 freeze_detector: bool = False,
                 detector_norm_eval: bool = False,
                 channel_order: str | None = None,
                 pipeline_pad: int | None = PIPELINE_PAD,
                 keep_pictures: bool = False,
                 backbone: dict | None = None,
                 data_preprocessor: dict | None = None,
                 init_cfg: dict | None = None):
        built, order = build_task_model(MMDET_MODELS, 'mmdet', detector, data_preprocessor, channel_order)
        half = checked_preprocessor(built)
        super().__init__(init_cfg=init_cfg)
        self.join(
            enhancer, built, ChainLosses(enhancement_loss, zero_reference_losses, balance_loss, consistency_loss),
            ChainDataPreprocessor(order, pad_size_divisor=half.pad_size_divisor, pipeline_pad=pipeline_pad,
                                  non_blocking=half._non_blocking),
            frozen=freeze_detector, norm_eval=detector_norm_eval, keep_pictures=keep_pictures)

    def samples_to_change(self, images: Sequence[Tensor], data_samples: Sequence[DetDataSample] | None, *,
                          training: bool) -> Sequence[DetDataSample] | None:
        """Batch augments move boxes in place: they get copies, so that a batch can be run again."""
        augments = getattr(self.detector.data_preprocessor, 'batch_augments', None) if training else None
        return data_samples if augments is None else copy.deepcopy(data_samples)


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
