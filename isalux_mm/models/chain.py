"""What every chain of an enhancer and a task model shares: raw images, losses of the enhancer, checkpoints."""
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.model import BaseDataPreprocessor
from torch import Tensor, nn

from isalux_mm.functional.checks import check_choice
from isalux_mm.models.enhancer import groups_of_size
from isalux_mm.models.gates import Routing
from isalux_mm.registry import MODELS, SCOPE

WHITE = 255.0
CHANNEL_ORDERS = ('bgr', 'rgb')
PIPELINE_PAD = 114  # what the pipelines of the YOLO family pad with
ENHANCER, BACKBONE = 'enhancer.', 'backbone.'


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
        inputs = torch.stack([F.pad(x, (0, width - x.shape[2], 0, height - x.shape[1])) for x in images])
        return dict(inputs=inputs, data_samples=samples, training=training)

    def to_unit_rgb(self, image: Tensor) -> Tensor:
        """(3, h, w) as loaded to float32 RGB in [0, 1]; whole numbers survive the way there and back exactly."""
        return (image if self.channel_order == 'rgb' else image.flip(0)).float() / WHITE

    def as_loaded(self, image: Tensor) -> Tensor:
        """The inverse of `to_unit_rgb`, float32 in [0, 255]; gradients pass."""
        return (image if self.channel_order == 'rgb' else image.flip(0)).float() * WHITE

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
    full = tuple(image.shape[1:])
    if pad is None or bool((image[:, -1, -1] != pad).any()):
        return full
    differs = (image != pad).any(dim=0)
    rows, columns = (differs.any(dim=d).nonzero() for d in (1, 0))
    return (int(rows[-1]) + 1, int(columns[-1]) + 1) if len(rows) else full


def shapes_of(samples: Sequence | None, key: str, images: Tensor) -> list[tuple[int, int]]:
    """(h, w) that the preprocessor noted under `key` per image; the whole where there is no note.

    Raises:
        ValueError: if there is not one data sample per image.
    """
    whole = tuple(images.shape[-2:])
    if samples is None:
        return [whole] * len(images)
    if len(samples) != len(images):
        raise ValueError(f'data_samples must have one entry per image, {len(images)}, got {len(samples)}')
    return [tuple(sample.metainfo.get(key, whole)) for sample in samples]


def with_enhanced(raw: Tensor, enhanced: Tensor, shape: tuple[int, int], picture: tuple[int, int]) -> Tensor:
    """The image (3, h, w) of `shape` that is `enhanced` on the picture and `raw` on the pipeline's padding."""
    h, w = picture
    image = raw[:, :shape[0], :shape[1]].to(enhanced.dtype)
    if (h, w) == tuple(shape):
        return enhanced[:, :h, :w]
    image = image.clone()
    image[:, :h, :w] = enhanced[:, :h, :w]
    return image


class ChainLosses(nn.Module):
    """The enhancer's losses in joint training, beside the task's.

    Args:
        reference: configs of losses of (enhanced, reference) by name, logged as 'loss_enh_NAME'; on the images that
            have a `reference_img` (3, h, w), RGB, uint8 or float in [0, 1].
        zero_reference: configs of losses of (enhanced, input) by name, logged as 'loss_zero_NAME'.
        balance: config of the loss on every mixture layer's routing, logged as 'loss_balance'.
    """

    def __init__(self,
                 reference: Mapping[str, dict] | None = None,
                 zero_reference: Mapping[str, dict] | None = None,
                 balance: dict | None = None):
        super().__init__()
        self.reference = nn.ModuleDict(build_losses(reference, 'loss_enh_'))
        self.zero_reference = nn.ModuleDict(build_losses(zero_reference, 'loss_zero_'))
        self.balance = None if balance is None else MODELS.build({'_scope_': SCOPE, **balance})
        self.warned = False

    @property
    def names(self) -> list[str]:
        """Names under which the losses are logged; empty if there is none."""
        return [*self.reference, *self.zero_reference, *(['loss_balance'] if self.balance is not None else [])]

    def init_weights(self) -> None:
        """Fetches the weights of feature networks."""
        for loss in self.reference.values():
            if hasattr(loss, 'init_weights'):
                loss.init_weights()

    def forward(self, inputs: Tensor, enhanced: Tensor, samples: Sequence,
                routings: Sequence[Routing] = ()) -> dict[str, Tensor]:
        """Losses by name, averaged over the images (those with a reference, where one is needed).

        Args:
            inputs: (B, 3, H, W), RGB in [0, 1], padded.
            enhanced: the enhancer's result, same shape.
            samples: data samples with the preprocessor's notes.
            routings: of the enhancer's mixture layers.
        """
        sizes = shapes_of(samples, 'picture_shape', inputs)
        lit = [index for index, sample in enumerate(samples) if 'reference_img' in sample]
        if len(self.reference) and not lit and not self.warned:
            print_log('losses against a reference are configured, but no image of the batch has a reference_img',
                      logger='current')
            self.warned = True
        references = [reference_of(sample, inputs) if index in lit else enhanced[index]
                      for index, sample in enumerate(samples)] if len(self.reference) else []
        losses = mean_losses(self.zero_reference, enhanced, inputs, sizes, range(len(inputs)))
        losses.update(mean_losses(self.reference, enhanced, references, sizes, lit))
        if self.balance is not None and routings:
            losses['loss_balance'] = torch.stack([self.balance(routing) for routing in routings]).mean()
        return losses


def build_losses(configs: Mapping[str, dict] | None, prefix: str) -> dict[str, nn.Module]:
    """Losses by the name under which they are logged."""
    return {prefix + name.removeprefix('loss_'): MODELS.build({'_scope_': SCOPE, **config})
            for name, config in (configs or {}).items()}


def mean_losses(losses: Mapping[str, nn.Module], enhanced: Tensor, targets: Tensor | Sequence[Tensor],
                sizes: Sequence[tuple[int, int]], chosen: Sequence[int]) -> dict[str, Tensor]:
    """Mean of every loss over the chosen images without their padding, those of one size together."""
    totals = {name: enhanced.sum() * 0 for name in losses}
    for indices, images in groups_of_size(enhanced, sizes) if losses else ():
        places = [place for place, index in enumerate(indices) if index in chosen]
        if not places:
            continue
        h, w = images.shape[-2:]
        expected = torch.stack([targets[indices[place]][:, :h, :w] for place in places])
        for name, loss in losses.items():
            totals[name] = totals[name] + loss(images[places], expected) * (len(places) / len(chosen))
    return totals


def reference_of(sample, like: Tensor) -> Tensor:
    """The sample's reference as float RGB in [0, 1] on the device of `like`.

    Raises:
        ValueError: if it has not the size of the sample's image.
    """
    image = sample.reference_img
    shape = tuple(sample.metainfo.get('raw_shape', like.shape[-2:]))
    if image.dim() != 3 or image.shape[0] != 3 or tuple(image.shape[1:]) != shape:
        raise ValueError(f'reference_img must be (3, {shape[0]}, {shape[1]}), as the image it belongs to, got '
                         f'{tuple(image.shape)}; geometric transforms must move both')
    scale = 1.0 if image.is_floating_point() else WHITE
    return image.to(like.device).float() / scale


def adapt_checkpoint(own: Mapping[str, Tensor], state_dict: dict[str, Tensor], prefix: str, task: str) -> None:
    """Renames, in place, the keys of a checkpoint of a task model, an enhancer or a bare enhancement network to
    those of the chain; one of the chain stays as it is. Logs how much of either part it holds.

    Args:
        own: the chain's tensors by key.
        state_dict: the checkpoint; versions under `_metadata` are renamed too.
        prefix: of the chain's keys in `state_dict`.
        task: name of the task model in the chain.

    Raises:
        ValueError: if no key matches, or none of a part that the checkpoint names, the task model's backbone among
            them (heads of different models share names).
    """
    given = {key.removeprefix(prefix): value for key, value in state_dict.items() if key.startswith(prefix)}
    places = ('', f'{task}.', ENHANCER, f'{ENHANCER}network.')
    fits = {place: {place + key for key, value in given.items()
                    if place + key in own and own[place + key].shape == value.shape} for place in places}
    place = max(places, key=lambda p: len(fits[p]))
    matched = fits[place]
    parts = (f'{task}.', ENHANCER, f'{task}.{BACKBONE}')
    counts = {part: [sum(key.startswith(part) for key in keys) for keys in (own, matched)] for part in parts}
    for part, (total, found) in counts.items():
        if total and not found and any((place + key).startswith(part) for key in given):
            raise ValueError(
                f'no tensor of the checkpoint matches the {part[:-1]}, which expects names like '
                f'{[key for key in own if key.startswith(part)][:3]}; got {list(given)[:3]}. Is it of another model?')
    report = [f'{counts[part][1]} of {counts[part][0]} tensors of the {part[:-1]}' for part in parts[:2]]
    if given and not matched:
        raise ValueError(f'no tensor of the checkpoint matches, expected names like {list(own)[:3]} with or without '
                         f'{task!r} in front, got {list(given)[:3]}')
    print_log(f'checkpoint holds {" and ".join(report)}; {len(given) - len(matched)} of its {len(given)} '
              'tensors fit nowhere', logger='current')
    if place:
        rename(state_dict, given, prefix, place)


def keep_loaded_enhancer(enhancer: nn.Module, own: Mapping[str, Tensor], state_dict: dict[str, Tensor],
                         prefix: str) -> None:
    """Adds, in place, the weights that the enhancer has from its own checkpoint to a checkpoint that holds none of it.

    So a strict loader accepts a stock checkpoint of the task model where the config names the enhancer's file.

    Args:
        enhancer: the neck.
        own: the chain's tensors by key.
        state_dict: the checkpoint, with the chain's names.
        prefix: of the chain's keys in `state_dict`.
    """
    has_weights = getattr(enhancer, 'checkpoint', None) is not None and not enhancer.lacks_weights
    if has_weights and not any(key.startswith(prefix + ENHANCER) for key in state_dict):
        state_dict.update({prefix + key: value for key, value in own.items() if key.startswith(ENHANCER)})


def rename(state_dict: dict[str, Tensor], given: Mapping[str, Tensor], prefix: str, place: str) -> None:
    """Puts `place` behind `prefix` in the keys of a state dict and of its metadata."""
    for key in given:
        del state_dict[prefix + key]
    state_dict.update({prefix + place + key: value for key, value in given.items()})
    metadata = getattr(state_dict, '_metadata', None)
    if metadata is not None:
        metadata.update({f'{prefix}{place}{key}'.rstrip('.'): value for key, value in dict(metadata).items()})
