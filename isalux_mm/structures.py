"""The data element that travels from dataset to metric: an image next to its prediction and its reference."""
from mmengine.structures import BaseDataElement


class EnhanceDataSample(BaseDataElement):
    """One picture on its way through enhancement.

    Data fields, each a float tensor (3, H, W), RGB in [0, 1], present when known:
        pred_img: the enhanced image, clamped, at the size of the unpadded input.
        gt_img: the normal-light reference.
        low_img: the low-light input.

    Meta information: `low_path`, `gt_path`, `ori_shape` (H, W) on disk, `img_shape` (H, W) after the pipeline.
    """
