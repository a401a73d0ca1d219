"""First half of a chain's preprocessing: raw images as RGB in [0, 1], and where each of them ends."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from isalux_mm.functional.checks import check_choice
from isalux_mm.functional.resizing import size_of
from isalux_mm.registry import MODELS

WHITE = 255.0
CHANNEL_ORDERS = ('bgr', 'rgb')
BLOCK = 16  # ours: from one pixel to the next at which a line is looked at first
PIPELINE_PAD = 114  # what the pipelines of the YOLO family pad with


@MODELS.register_module()
class ChainDataPreprocessor(BaseDataPreprocessor):
    """First half of a chain's preprocessing: images on the device, as RGB in [0, 1], and where each ends.

    The task model's own preprocessor is the second half; it runs behind the enhancer, in the chain's forward.

    Per data sample it notes `raw_shape`, (h, w) of the image as loaded, and `picture_shape`, the same without the
    padding that the pipeline has put at right and bottom; with `note_padding` also `pad_shape` and `batch_input_shape`.

    Args:
        channel_order: 'bgr' or 'rgb', of the loaded images (0 to 255).
        pad_size_divisor: of the task model's preprocessor.
        pipeline_pad: rows at the bottom and columns at the right that hold this value only are padding of the
            pipeline, kept from the enhancer and left as they are; `None` if the pipeline does not pad.
        note_padding: write `pad_shape` and `batch_input_shape`, as mmdet's preprocessor does and mmseg's does not.
        non_blocking: copies to the device as mmengine's.

    Raises:
        ValueError: if `channel_order` is unknown, or in forward an image has not three channels.
        TypeError: in forward, if the inputs are neither a tensor nor a sequence of tensors.
    """

    def __init__(self,
                 channel_order: str = 'bgr',
                 *,
                 pad_size_divisor: int = 1,
                 pipeline_pad: int | None = PIPELINE_PAD,
                 note_padding: bool = True,
                 non_blocking: bool = False):
        super().__init__(non_blocking)
        check_choice(channel_order, CHANNEL_ORDERS, 'channel_order')
        self.channel_order, self.pad_size_divisor = channel_order, pad_size_divisor
        self.pipeline_pad, self.note_padding = pipeline_pad, note_padding

    def forward(self, data: dict, training: bool = False) -> dict:
        """Gives `inputs` (B, 3, H, W), RGB in [0, 1], zeros as padding; `data_samples`; and `training`, for the
        second half."""
        self._check(data['inputs'])
        pictures = [picture_size(image, self.pipeline_pad) for image in data['inputs']]
        data = self.cast_data(data)
        images = [self.to_unit_rgb(image) for image in data['inputs']]
        samples = data.get('data_samples')
        height, width = (self._padded(max(image.shape[d] for image in images)) for d in (1, 2))
        for image, picture, sample in zip(images, pictures, samples or ()):
            h, w = image.shape[1:]
            sample.set_metainfo(dict(raw_shape=(h, w), picture_shape=picture))
            if self.note_padding:
                sample.set_metainfo(
                    dict(pad_shape=(self._padded(h), self._padded(w)), batch_input_shape=(height, width)))
        if len(images) == 1 and images[0].shape[1:] == (height, width):
            return dict(inputs=images[0][None], data_samples=samples, training=training)
        inputs = torch.stack([F.pad(x, (0, width - x.shape[2], 0, height - x.shape[1])) for x in images])
        return dict(inputs=inputs, data_samples=samples, training=training)

    def to_unit_rgb(self, image: Tensor) -> Tensor:
        """(3, h, w) as loaded to float32 RGB in [0, 1]; whole numbers survive the way there and back exactly."""
        return (image if self.channel_order == 'rgb' else image.flip(0)).float() / WHITE

    def as_loaded(self, image: Tensor, shape: tuple[int, int] | None = None) -> Tensor:
        """The inverse of `to_unit_rgb`, float32, up to `shape` with the pipeline's padding; gradients pass."""
        image = image.float() * WHITE if self.channel_order == 'rgb' else image.flip(0).float().mul_(WHITE)
        height, width = size_of(image) if shape is None else shape
        beyond = (0, width - image.shape[2], 0, height - image.shape[1])
        return F.pad(image, beyond, value=self.pipeline_pad) if any(beyond) else image

    def _padded(self, side: int) -> int:
        return -(-side // self.pad_size_divisor) * self.pad_size_divisor

    @staticmethod
    def _check(images: Tensor | Sequence[Tensor]) -> None:
        if not isinstance(images, Tensor | list | tuple) or not all(isinstance(x, Tensor) for x in images):
            raise TypeError('inputs must be a tensor or a list of tensors, one per image (branches of '
                            f'semi-supervised training are not supported), got {type(images).__name__}')
        wrong = [tuple(image.shape) for image in images if image.dim() != 3 or image.shape[0] != 3]
        if wrong:
            raise ValueError(f'inputs must be images (3, H, W), got {wrong}')


def picture_size(image: Tensor, pad: int | None) -> tuple[int, int]:
    """(h, w) of an image (3, H, W) without the rows and columns at its end that hold nothing but `pad`."""
    full = size_of(image)
    if pad is None or bool((image[:, -1, -1] != pad).any()):
        return full
    height, width = (_end(image, pad, dim) for dim in (1, 2))
    return (height, width) if height and width else full


def _end(image: Tensor, pad: int, dim: int) -> int:
    """How many rows (`dim` 1) or columns (2) there are without those at the end that hold nothing but `pad`."""
    probe = (image[0, :, ::BLOCK] if dim == 1 else image[0, ::BLOCK]) != pad
    found = probe.any(dim=2 - dim).nonzero()
    end, size = int(found[-1]) + 1 if len(found) else 0, image.shape[dim]
    if end == size:
        return end
    rest = image.narrow(dim, end, size - end)  # nothing seen so far says that these lines are not all padding
    if all(bound.item() == pad for bound in torch.aminmax(rest)):
        return end
    return end + int((rest != pad).any(dim=0).any(dim=2 - dim).nonzero()[-1]) + 1


def shapes_of(samples: Sequence | None, key: str, images: Tensor) -> list[tuple[int, int]]:
    """(h, w) that the preprocessor noted under `key` per image; the whole where there is no note.

    Raises:
        ValueError: if there is not one data sample per image.
    """
    whole = size_of(images)
    if samples is None:
        return [whole] * len(images)
    if len(samples) != len(images):
        raise ValueError(f'data_samples must have one entry per image, {len(images)}, got {len(samples)}')
    return [tuple(sample.metainfo.get(key, whole)) for sample in samples]
