"""`LowLightEnhancer`: an enhancement network as an mmengine model, with its losses."""
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModel, BaseModule
from torch import Tensor, nn

from isalux_mm.models.base import EnhancementNetwork, InitializedModule, build_network, routed
from isalux_mm.models.gates import Routing
from isalux_mm.models.losses import WeightedLoss
from isalux_mm.models.pretrained import check_shapes
from isalux_mm.registry import MODELS
from isalux_mm.structures import EnhanceDataSample

DEFAULT_LOSSES = dict(loss_mse=dict(type='MSELoss'))
BaseModule.register(InitializedModule)  # which has what makes one


@MODELS.register_module()
class LowLightEnhancer(BaseModel):
    """Trains and runs an enhancement network; modes 'loss', 'predict' and 'tensor'.

    Args:
        network: config of a registered enhancement network: (B, 3, H, W) to (B, 3, H, W), RGB in [0, 1], unclamped; or
            the name of a packaged model, whose network it is (`init_cfg=dict(type='Pretrained', checkpoint=NAME)`
            brings the weights).
        losses: configs by the name under which each is logged, 'loss_...'; Eq. 13 is three of them.
        balance_loss: config of the loss on each mixture layer's routing, averaged over the layers; `None` for none.
        data_preprocessor: config of a data preprocessor.
        init_cfg: mmengine's initialization config.

    Raises:
        ValueError: if a loss's name does not start with 'loss', and in 'loss' mode if a sample lacks the `gt_img` that
            a loss needs, or its size is another than the input's.
    """

    def __init__(self,
                 network: dict | str,
                 losses: Mapping[str, dict] | None = None,
                 *,
                 balance_loss: dict | None = dict(type='BalanceLoss', kind='switch', loss_weight=0.01),
                 data_preprocessor: dict | None = dict(type='LowLightDataPreprocessor'),
                 init_cfg: dict | None = None):
        super().__init__(
            data_preprocessor=None if data_preprocessor is None else MODELS.build(data_preprocessor),
            init_cfg=init_cfg)
        losses = DEFAULT_LOSSES if losses is None else losses
        wrong = [name for name in losses if not name.startswith('loss')]
        if wrong:
            raise ValueError(f"losses must be named 'loss...', so that mmengine sums them, got {wrong}")
        self.network = build_network(network)
        self.losses = nn.ModuleDict({name: MODELS.build(config) for name, config in losses.items()})
        self.balance_loss = None if balance_loss is None else MODELS.build(balance_loss)
        self.last_routings: list[Routing] = []

    def init_weights(self) -> None:
        """Initializes network and losses; the one place where pretrained weights are fetched (from scratch only)."""
        super().init_weights()
        for loss in self.losses.values():
            if isinstance(loss, WeightedLoss | BaseModule):  # ours, or of another package
                loss.init_weights()

    def forward(self,
                inputs: Tensor,
                data_samples: Sequence[EnhanceDataSample] | None = None,
                mode: str = 'tensor') -> dict[str, Tensor] | list[EnhanceDataSample] | Tensor:
        """Runs the network.

        Args:
            inputs: (B, 3, H, W), RGB in [0, 1].
            data_samples: one per image; their `img_shape` tells padding from picture, `gt_img` is the reference.
            mode: 'loss', 'predict' or 'tensor'.

        Returns:
            Named losses; or the data samples with `pred_img`, clamped, at the unpadded size; or the raw output.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples or ())
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self.network(inputs)
        raise ValueError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")

    def loss(self, inputs: Tensor, data_samples: Sequence[EnhanceDataSample]) -> dict[str, Tensor]:
        """Losses by name, averaged over the images, and the balance loss.

        Losses whose `against` is 'low' compare with the input and need no `gt_img`.
        """
        sizes = valid_sizes(inputs, data_samples)
        compared = {compares_with(loss) for loss in self.losses.values()}
        references = reference_images(inputs, data_samples, sizes) if 'gt' in compared else None
        totals: dict[str, Tensor] = {name: inputs.new_zeros(()) for name in self.losses}
        self.last_routings = []
        for indices, images in groups_of_size(inputs, sizes):
            pred, routings = routed(self.network, images)
            against = dict(low=images)
            if references is not None:
                against['gt'] = torch.stack([references[i] for i in indices])
            for name, loss in self.losses.items():
                value = loss(pred, against[compares_with(loss)])
                totals[name] = totals[name] + value * (len(indices) / len(sizes))
            self._keep(routings)
        if self.balance_loss is not None and self.last_routings:
            totals['loss_balance'] = torch.stack([self.balance_loss(r) for r in self.last_routings]).mean()
        self.last_routings = [Routing(*(t.detach() for t in r)) for r in self.last_routings]
        return totals

    def predict(self, inputs: Tensor,
                data_samples: Sequence[EnhanceDataSample] | None = None) -> list[EnhanceDataSample]:
        """Data samples with `pred_img` (3, H, W), RGB clamped to [0, 1], and `low_img`, both without padding."""
        if data_samples is None:
            shape = tuple(inputs.shape[-2:])
            data_samples = [EnhanceDataSample(metainfo=dict(img_shape=shape)) for _ in inputs]
        enhanced = run_unpadded(self.network, inputs, valid_sizes(inputs, data_samples))
        for sample, low, (h, w), pred in zip(data_samples, inputs, valid_sizes(inputs, data_samples), enhanced):
            sample.low_img = low[:, :h, :w]
            sample.pred_img = pred[:, :h, :w].float().clamp(0, 1)
        return list(data_samples)

    def parts_to_compile(self) -> list[nn.Module]:
        """What is worth compiling by itself for a training: the network's blocks, and the losses."""
        blocks = self.network.blocks() if isinstance(self.network, EnhancementNetwork) else [self.network]
        return [*blocks, *self.losses.values()]

    def _keep(self, routings: list[Routing]) -> None:
        """Joins the routing of groups of images, layer by layer."""
        if not self.last_routings:
            self.last_routings = routings
        else:
            self.last_routings = [
                Routing(*(torch.cat(pair) for pair in zip(a, b))) for a, b in zip(self.last_routings, routings)
            ]

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        """A checkpoint of another width gives one clear error, under non-strict loading too."""
        own = {prefix + key: value for key, value in self.state_dict().items()}
        check_shapes(own, state_dict, name='checkpoint')
        super()._load_from_state_dict(state_dict, prefix, *args)


def compares_with(loss: nn.Module) -> str:
    """What a loss takes as its second argument: 'low', or 'gt', as every loss of another package does."""
    return loss.against if isinstance(loss, WeightedLoss) else 'gt'


def valid_sizes(inputs: Tensor, data_samples: Sequence[EnhanceDataSample]) -> list[tuple[int, int]]:
    """(H, W) of every image without its padding."""
    if len(data_samples) != len(inputs):
        raise ValueError(f'data_samples must have one entry per image, {len(inputs)}, got {len(data_samples)}')
    return [tuple(sample.get('img_shape', inputs.shape[-2:]))[:2] for sample in data_samples]


def reference_images(inputs: Tensor, data_samples: Sequence[EnhanceDataSample],
                     sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """The references (3, h, w), as `inputs` in dtype and device.

    Raises:
        ValueError: if one is missing or its size is not its image's.
    """
    lacking = [sample.get('low_path') for sample in data_samples if 'gt_img' not in sample]
    if lacking:
        raise ValueError(f'every data sample needs gt_img for the loss, missing for {lacking}')
    for sample, size in zip(data_samples, sizes):
        if tuple(sample.gt_img.shape) != (3, *size):
            raise ValueError(f'gt_img must be {(3, *size)} as its input, got {tuple(sample.gt_img.shape)} '
                             f'for {sample.get("low_path")}')
    return [sample.gt_img.to(inputs) for sample in data_samples]


def groups_of_size(images: Tensor, sizes: Sequence[tuple[int, int]]) -> list[tuple[list[int], Tensor]]:
    """Indices and unpadded images (b, 3, h, w) of every size that occurs."""
    groups: dict[tuple[int, int], list[int]] = {}
    for index, size in enumerate(sizes):
        groups.setdefault(size, []).append(index)
    if len(groups) == 1:
        (h, w), indices = next(iter(groups.items()))
        return [(indices, images[:, :, :h, :w])]
    return [(indices, images[indices][:, :, :h, :w]) for (h, w), indices in groups.items()]


def run_unpadded(network: Callable[[Tensor], Tensor], images: Tensor, sizes: Sequence[tuple[int, int]]) -> Tensor:
    """Runs a network on every image without its padding, those of one size together; the padding comes back as zeros.

    No padding reaches a global statistic, so that every image gets the result it has alone.

    Args:
        network: (b, 3, h, w) to (b, 3, h, w).
        images: (B, 3, H, W), padded at right and bottom.
        sizes: valid (h, w) of every image.

    Raises:
        ValueError: if the network changes the size of an image.
    """
    out: Tensor | None = None
    for indices, group in groups_of_size(images, sizes):
        enhanced = network(group)
        if enhanced.shape != group.shape:
            raise ValueError(f'the enhancement network must keep the size: {tuple(group.shape)} went in, '
                             f'{tuple(enhanced.shape)} came out')
        if enhanced.shape == images.shape:
            return enhanced
        h, w = group.shape[-2:]
        padded = torch.nn.functional.pad(enhanced, (0, images.shape[-1] - w, 0, images.shape[-2] - h))
        if len(indices) == len(images):
            return padded
        out = images.new_zeros(images.shape, dtype=enhanced.dtype) if out is None else out
        out = out.index_copy(0, torch.tensor(indices, device=out.device), padded)
    return images if out is None else out
