"""Data preprocessor: range, channel order, batching; no normalization, the network sees images in [0, 1]."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from isalux_mm.functional.checks import check_choice, check_finite, check_image
from isalux_mm.registry import MODELS

INPUT_RANGES = {1: 1.0, 255: 255.0, 65535: 65535.0}
CHANNEL_ORDERS = ('rgb', 'bgr')


@MODELS.register_module()
class LowLightDataPreprocessor(BaseDataPreprocessor):
    """Brings inputs and references to (B, 3, H, W), float32, RGB in [0, 1], on the device.

    Images of different sizes are padded with zeros at right and bottom; `img_shape` of each data sample
    says what is valid, and the enhancer runs every image without its padding.

    Args:
        input_range: white of the inputs: 1, 255 or 65535.
        channel_order: 'rgb' or 'bgr' of the inputs. References in data samples are RGB in [0, 1] already.
        pad_size_divisor: sizes are padded to a multiple of it (ISALux takes any size: 1).
        check_nan: raise on NaN or infinite pixels, of references too; `None` leaves it out where it would stall, that
            is in training on an accelerator (reading the data synchronizes with it).
        non_blocking: copies to the device as mmengine's.

    Raises:
        ValueError: if an option is unknown, or in forward an image has not 3 channels, is not finite, or holds integers
            where `input_range` is 1.
    """

    def __init__(self,
                 input_range: int = 1,
                 channel_order: str = 'rgb',
                 *,
                 pad_size_divisor: int = 1,
                 check_nan: bool | None = None,
                 non_blocking: bool = False):
        super().__init__(non_blocking)
        check_choice(input_range, INPUT_RANGES, 'input_range')
        check_choice(channel_order, CHANNEL_ORDERS, 'channel_order')
        if pad_size_divisor < 1:
            raise ValueError(f'pad_size_divisor must be at least 1, got {pad_size_divisor}')
        self.scale, self.channel_order = INPUT_RANGES[input_range], channel_order
        self.pad_size_divisor, self.check_nan = pad_size_divisor, check_nan

    def forward(self, data: dict, training: bool = False) -> dict:
        """Takes `inputs` (a list of (3, H, W), or (B, 3, H, W)) and `data_samples`; gives the batched tensor."""
        data = self.cast_data(data)
        images = [self._to_unit_rgb(image, index) for index, image in enumerate(data['inputs'])]
        samples = data.get('data_samples')
        check_nan = self.check_nan
        if check_nan is None:
            check_nan = not training or self.device.type == 'cpu'
        for index, image in enumerate(images if check_nan else ()):
            check_finite(image, f'inputs[{index}]')
        for index, (image, sample) in enumerate(zip(images, samples or ())):
            sample.set_metainfo(dict(img_shape=tuple(image.shape[-2:])))
            if check_nan and 'gt_img' in sample:
                check_finite(sample.gt_img, f'data_samples[{index}].gt_img')
        return dict(inputs=self._stack(images), data_samples=samples)

    def _to_unit_rgb(self, image: Tensor, index: int) -> Tensor:
        if self.scale == 1 and not image.is_floating_point():
            raise ValueError(f'inputs[{index}] must be floating point in [0, 1] with input_range=1, got {image.dtype} '
                             '(8-bit images need input_range=255)')
        image = image.float() / self.scale if self.scale != 1 else image.float()
        check_image(image, '3 H W', f'inputs[{index}]')
        return image if self.channel_order == 'rgb' else image.flip(0)

    def _stack(self, images: Sequence[Tensor]) -> Tensor:
        divisor = self.pad_size_divisor
        height, width = (-(-max(image.shape[d] for image in images) // divisor) * divisor for d in (-2, -1))
        return torch.stack(
            [F.pad(image, (0, width - image.shape[-1], 0, height - image.shape[-2])) for image in images])
