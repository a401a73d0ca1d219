"""What every chain is: an enhancer ahead of a task model, whose config, checkpoints and tools stay as they are."""
import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv.cnn.bricks import DropPath
from mmengine.config import ConfigDict
from mmengine.registry import Registry
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from isalux_mm.chain.checkpoints import adapt_checkpoint, keep_loaded_enhancer
from isalux_mm.chain.losses import ChainLosses, reference_of
from isalux_mm.chain.neck import ISALuxNeck
from isalux_mm.chain.preprocessor import ChainDataPreprocessor, shapes_of
from isalux_mm.models.gates import Routing
from isalux_mm.registry import MODELS, SCOPE

LABELED = 'labeled'  # of a sample's meta information: False leaves the image out of the task's own losses
STOCHASTIC = (_BatchNorm, _DropoutNd, DropPath)  # what behaves differently in training


class EnhancedTask(nn.Module):
    """An enhancer ahead of a task model: what stands between `EnhancedDetector` and mmdet's base class, and likewise.

    The enhancer sees every image without padding, as RGB in [0, 1]. Its result goes, in the channel order and range of
    the loaded image, through the task model's own data preprocessor, which normalizes, pads and augments as ever.

    Attributes:
        task: name of the attribute that holds the task model, ahead of its weights in a checkpoint.
        forwarded: attributes that the chain has not and that are the task model's. No others are looked for there: what
            a framework notes on a model is the chain's own.
        enhancer, losses: the neck, and its losses.
        keep_pictures: predictions carry `input_img` and `enhanced_img`, (3, h, w), uint8, RGB.
        task_frozen: the task model does not learn.
        task_norm_eval: its batch norms stay in eval mode while it learns.
    """
    task = ''
    forwarded: tuple[str, ...] = ()
    enhancer: ISALuxNeck
    data_preprocessor: ChainDataPreprocessor
    losses: ChainLosses
    keep_pictures = False
    task_frozen = False
    task_norm_eval = False

    def join(self, enhancer: dict, model: nn.Module, losses: ChainLosses, preprocessor: ChainDataPreprocessor, *,
             frozen: bool, norm_eval: bool = False, keep_pictures: bool = False) -> None:
        """Puts the parts together, at the end of a constructor.

        Raises:
            TypeError: if the enhancer is no `ISALuxNeck`.
            ValueError: if losses are given to a frozen enhancer.
        """
        self.data_preprocessor = preprocessor
        self.enhancer = MODELS.build({'_scope_': SCOPE, **enhancer})
        if not isinstance(self.enhancer, ISALuxNeck):
            raise TypeError('enhancer must be the config of an ISALuxNeck, which takes any enhancement network, got '
                            f'{type(self.enhancer).__name__}')
        setattr(self, self.task, model)
        self.losses, self.keep_pictures = losses, keep_pictures
        self.task_frozen, self.task_norm_eval = frozen, norm_eval
        if losses.names and self.enhancer.frozen:
            raise ValueError('a frozen enhancer cannot learn: expected no enhancement_loss, zero_reference_losses, '
                             f'balance_loss or consistency_loss, got {losses.names}')
        if frozen:
            model.requires_grad_(False)
        if frozen or norm_eval:
            self.train(self.training)

    @property
    def task_model(self) -> nn.Module:
        """The detector or segmentor."""
        return self.get_submodule(self.task)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            model = self.__dict__.get('_modules', {}).get(self.task)
            if model is None or name not in self.forwarded:
                raise
            return getattr(model, name)

    @property
    def last_routings(self) -> list[Routing]:
        """Routing of the enhancer's mixture layers in the last training step."""
        return self.enhancer.last_routings

    def train(self, mode: bool = True) -> 'EnhancedTask':
        """As ever; a frozen task model's batch norms and dropouts stay in eval mode."""
        super().train(mode)
        fixed = STOCHASTIC if self.task_frozen else _BatchNorm if self.task_norm_eval else ()
        for module in self.task_model.modules():
            if isinstance(module, fixed):
                module.eval()
        return self

    def forward(self,
                inputs: Tensor,
                data_samples: Sequence[BaseDataElement] | None = None,
                mode: str = 'tensor',
                training: bool | None = None) -> dict[str, Tensor] | list[BaseDataElement] | tuple | Tensor:
        """Runs enhancer and task model.

        Args:
            inputs: (B, 3, H, W), RGB in [0, 1], as the chain's data preprocessor gives them.
            data_samples: one per image.
            mode: 'loss', 'predict' or 'tensor', as of the task's own models.
            training: whether the task model's preprocessor augments; the chain's preprocessor passes it on. By default
                in mode 'loss' only.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples, training=training is not False)
        return super().forward(inputs, data_samples, mode)

    def loss(self, inputs: Tensor, data_samples: Sequence[BaseDataElement] | None, *,
             training: bool = True) -> dict[str, Any]:
        """The task model's losses under their own names, on the images that are labelled, and the enhancer's."""
        enhanced = self.enhance(inputs, data_samples)
        losses = self.losses(inputs, enhanced, data_samples or (), self.last_routings)
        losses.update(self.consistency(inputs, enhanced, data_samples or ()))
        known = [sample.metainfo.get(LABELED, True) for sample in data_samples or ()]
        if known and not all(known):
            chosen = [index for index, is_known in enumerate(known) if is_known]
            if not chosen:
                return losses
            inputs, enhanced = inputs[chosen], enhanced[chosen]
            data_samples = [(data_samples or ())[index] for index in chosen]
        batch = self.second_half(inputs, enhanced, data_samples, training=training)
        return {**self.task_model(**batch, mode='loss'), **losses}

    def consistency(self, inputs: Tensor, enhanced: Tensor,
                    data_samples: Sequence[BaseDataElement]) -> dict[str, Tensor]:
        """The loss of the task model's features against those of the references, where it is asked for."""
        loss = self.losses.consistency
        lit = [index for index, sample in enumerate(data_samples) if 'reference_img' in sample]
        if loss is None or not lit:
            return {} if loss is None else dict(loss_consistency=enhanced.sum() * 0)
        inputs, samples = inputs[lit], [data_samples[index] for index in lit]
        model: Any = self.task_model
        references = [reference_of(sample, inputs) for sample in samples]
        with torch.no_grad():
            expected = model.extract_feat(self.preprocessed(self.pictures(inputs, references, samples), None)['inputs'])
        pictures = self.pictures(inputs, list(enhanced[lit]), samples)
        return dict(loss_consistency=loss(model.extract_feat(self.preprocessed(pictures, None)['inputs']), expected))

    def predict(self, inputs: Tensor,
                data_samples: Sequence[BaseDataElement] | None = None) -> list[BaseDataElement]:
        """The task model's predictions, in the frame of the original image."""
        enhanced = self.enhance(inputs, data_samples)
        results = self.task_model(**self.second_half(inputs, enhanced, data_samples), mode='predict')
        if self.keep_pictures:
            sizes = shapes_of(data_samples, 'picture_shape', inputs)
            for sample, low, picture, (h, w) in zip(results, inputs, enhanced, sizes):
                self.keep(sample, dict(input_img=to_bytes(low[:, :h, :w]), enhanced_img=to_bytes(picture[:, :h, :w])))
        return results

    def _forward(self, inputs: Tensor, data_samples: Sequence[BaseDataElement] | None = None) -> Any:
        enhanced = self.enhance(inputs, data_samples)
        return self.task_model(**self.second_half(inputs, enhanced, data_samples), mode='tensor')

    def extract_feat(self, inputs: Tensor) -> Any:
        """The task model's features of images as `forward` takes them."""
        model: Any = self.task_model
        return model.extract_feat(self.second_half(inputs, self.enhance(inputs), None)['inputs'])

    def enhance(self, inputs: Tensor, data_samples: Sequence[BaseDataElement] | None = None) -> Tensor:
        """Enhanced images, (B, 3, H, W), RGB, zero where there is padding."""
        return self.enhancer(inputs, shapes_of(data_samples, 'picture_shape', inputs))

    def second_half(self, inputs: Tensor, enhanced: Tensor, data_samples: Sequence[BaseDataElement] | None, *,
                    training: bool = False) -> dict:
        """What the task model's own data preprocessor makes of the enhanced images."""
        return self.preprocessed(self.pictures(inputs, enhanced, data_samples), data_samples, training=training)

    def pictures(self, inputs: Tensor, enhanced: Tensor | Sequence[Tensor],
                 data_samples: Sequence[BaseDataElement] | None) -> list[Tensor]:
        """Enhanced images (3, h, w) as they would have been loaded, the pipeline's padding as it was."""
        shapes, pictures = (shapes_of(data_samples, key, inputs) for key in ('raw_shape', 'picture_shape'))
        return [self.data_preprocessor.as_loaded(image[:, :h, :w], shape)
                for image, shape, (h, w) in zip(enhanced, shapes, pictures)]

    def preprocessed(self, images: list[Tensor], data_samples: Sequence[BaseDataElement] | None, *,
                     training: bool = False) -> dict:
        """Images through the task model's own data preprocessor."""
        samples = self.samples_to_change(images, data_samples, training=training)
        preprocessor: Any = self.task_model.data_preprocessor
        return preprocessor(dict(inputs=images, data_samples=samples), training)

    def samples_to_change(self, images: Sequence[Tensor], data_samples: Sequence[BaseDataElement] | None, *,
                          training: bool) -> Sequence[BaseDataElement] | None:
        """The data samples for the task model's preprocessor: copies where it changes them in place."""
        return data_samples

    def keep(self, sample: BaseDataElement, pictures: Mapping[str, Tensor]) -> None:
        """Puts pictures (3, h, w), uint8, RGB, into a prediction."""
        for name, picture in pictures.items():
            setattr(sample, name, picture)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        """Takes checkpoints of the task model, of the enhancer and of the chain."""
        own = self.state_dict()
        adapt_checkpoint(own, state_dict, prefix, self.task)
        keep_loaded_enhancer(self.enhancer, own, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)


def build_task_model(registry: Registry, scope: str, config: Mapping, data_preprocessor: Mapping | None,
                     channel_order: str | None) -> tuple[nn.Module, str]:
    """A task model from its unchanged config, and the channel order of the images that its pipeline loads.

    Args:
        registry: of the task's models.
        scope: theirs.
        config: of the model.
        data_preprocessor: the model's, if its own config has none.
        channel_order: 'bgr' or 'rgb'; `None` takes it from the preprocessor ('rgb' if that turns RGB to BGR, else
            'bgr', the order of mmcv's loader).
    """
    own = copy.deepcopy(dict(config))
    if data_preprocessor is not None:
        own.setdefault('data_preprocessor', data_preprocessor)
    model = registry.build(ConfigDict({'_scope_': scope, **own}))
    turned = isinstance(own.get('data_preprocessor'), Mapping) and own['data_preprocessor'].get('rgb_to_bgr')
    return model, channel_order or ('rgb' if turned else 'bgr')


def to_bytes(image: Tensor) -> Tensor:
    """RGB in [0, 1] to uint8."""
    return (image.detach().float().clamp(0, 1) * 255).round().byte()
