"""What the benchmark measures: our network in its forms, its semantic network, and the peers; each by name.

A row is NAME or NAME+OPTION, say 'isalux', 'retinexformer+compile', 'isalux+checkpointing', 'isalux+onnx'.
"""
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.config import Config
from peers import Restormer, Retinexformer
from torch import Tensor, nn

from isalux_mm.apis.export.graph import serialized
from isalux_mm.apis.export.running import runner
from isalux_mm.functional.checks import check_choice
from isalux_mm.inference import prepare_for_inference
from isalux_mm.inference.export_forms import ExportableEnhancer
from isalux_mm.inference.fast import FastNetwork
from isalux_mm.models.enhancer import LowLightEnhancer
from isalux_mm.models.priors import TorchvisionSemanticPrior

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
DEFAULT_CONFIG = CONFIGS / 'isalux_lol.py'
ZERO_SHOT_CONFIG = CONFIGS / 'isalux_zero_shot.py'
OPTIONS = dict(compile='torch.compile', checkpointing='blocks recomputed in backward',
               onnx='exported, run by onnxruntime', fast='fast mode')
TRAINS = dict(checkpointing=True, onnx=False, fast=False)  # of options that go with one of the two
DTYPES = dict(fp32=torch.float32, bf16=torch.bfloat16, fp16=torch.float16)
MAP_SIZE = (32, 48)  # the semantic network's output for a 2:3 picture of short side 256 (stride 8)
LEARNING_RATE = 1e-4  # ours; the time of a step does not depend on it
PLAIN = dict(attention=dict(form='plain'))
DENSE, SPARSE = (dict(PLAIN, ffn=dict(dispatch=dispatch)) for dispatch in ('dense', 'sparse'))


@dataclass(frozen=True)
class Setup:
    """How rows are built; the same for all rows of a run, and picklable.

    Attributes:
        config: our model's config file.
        device: 'cpu' or 'cuda'.
        dtype: key of `DTYPES`; with `train` the type of autocast, weights staying in float32.
        train: whether a call is a training step (forward, backward, optimizer) or a forward without gradients.
        seed: of weights and images.
    """
    config: str = str(DEFAULT_CONFIG)
    device: str = 'cpu'
    dtype: str = 'fp32'
    train: bool = False
    seed: int = 0


@dataclass
class Row:
    """A model ready to be measured.

    Attributes:
        call: takes images (B, 3, H, W) on the device; a forward or a training step.
        counted: an eager forward without gradients, for counting FLOPs; may be `call` itself.
        parameters: all parameters, frozen ones included.
        forwards: what a call counts as: 1, or 3 for a training step (backward computes two products for one of the
            forward; recomputation is not counted).
    """
    call: Callable[[Tensor], Tensor]
    counted: Callable[[Tensor], Tensor]
    parameters: int
    forwards: int = 1


@dataclass(frozen=True)
class Kind:
    """A name that rows can have.

    Attributes:
        description: for the report.
        build: gives the model, (B, 3, H, W) to (B, ...), float32, on the CPU.
        prepared: whether inference goes through `LowLightEnhancer.prepare_for_inference`.
        options: keys of `OPTIONS` that make sense.
        trains: whether it can be trained.
    """
    description: str
    build: Callable[[Setup, bool], nn.Module]
    prepared: bool = False
    options: tuple[str, ...] = ('compile', )
    trains: bool = True


class FixedSemanticMap(nn.Module):
    """Stands in for the semantic network, whose time has a row of its own: one random class map for every image.

    Args:
        out_channels: classes.
    """

    def __init__(self, out_channels: int):
        super().__init__()
        self.out_channels = out_channels
        self.probabilities: Tensor
        logits = torch.randn(1, out_channels, *MAP_SIZE, generator=torch.Generator().manual_seed(0))
        self.register_buffer('probabilities', (3 * logits).softmax(dim=1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """image: (B, 3, H, W); returns probabilities (B, classes, 32, 48) in the image's type."""
        return self.probabilities.to(image.dtype).expand(image.shape[0], -1, -1, -1)


def our_enhancer(config: str | Path, changes: dict | None = None, *, checkpointing: bool = False) -> LowLightEnhancer:
    """The model of a config without its losses, its semantic network replaced by `FixedSemanticMap`.

    Args:
        config: file whose `model` is a `LowLightEnhancer`.
        changes: merged into the network's config, say `dict(ffn=dict(dispatch='dense'))`.
        checkpointing: recompute blocks in backward.

    Raises:
        ValueError: if the config holds no enhancement network.
    """
    model = Config.fromfile(config).get('model', {})
    if 'network' not in model:
        raise ValueError(f"config must define model.network, the enhancement network, got {config} without it")
    network = Config(model.network)
    network.merge_from_dict(dict(changes or {}, **(dict(with_checkpointing=True) if checkpointing else {})))
    enhancer = LowLightEnhancer(network.to_dict(), data_preprocessor=None)
    classes = getattr(getattr(enhancer.network, 'semantic_prior', None), 'out_channels', 0)
    if classes:
        enhancer.network.semantic_prior = FixedSemanticMap(classes)
    return enhancer


def _ours(changes: dict | None = None) -> Callable[[Setup, bool], nn.Module]:
    return lambda setup, checkpointing: our_enhancer(setup.config, changes, checkpointing=checkpointing)


BOTH = ('compile', 'checkpointing')
KINDS = dict(
    isalux=Kind('ISALux as `prepare_for_inference` gives it; when training, Gram attention and fused experts', _ours(),
                prepared=True, options=(*BOTH, 'onnx', 'fast')),
    isalux_unprepared=Kind('ISALux as built: Gram attention, fused experts, nothing folded', _ours(), options=BOTH),
    isalux_plain_dense=Kind('plain reference: attention with q, k, v at full resolution, unfolded LoRA, all experts',
                            _ours(DENSE), options=BOTH),
    isalux_plain_sparse=Kind('plain reference, the selected experts alone, one after the other', _ours(SPARSE),
                             options=BOTH),
    isalux_zero_shot=Kind('ISALux of configs/isalux_zero_shot.py (no semantic prior), prepared',
                          lambda _, checkpointing: our_enhancer(ZERO_SHOT_CONFIG, checkpointing=checkpointing),
                          prepared=True, options=(*BOTH, 'onnx', 'fast')),
    semantic_prior=Kind('the semantic network alone (LRASPP-MobileNetV3-Large), image to class map; random weights',
                        lambda *_: TorchvisionSemanticPrior(), trains=False),
    retinexformer=Kind('Retinexformer as published now', lambda *_: Retinexformer()),
    retinexformer_uncopied=Kind('Retinexformer as first released, without the copies to NCHW memory',
                                lambda *_: Retinexformer(copy_to_nchw=False)),
    restormer=Kind('Restormer as published', lambda *_: Restormer()))


def split_name(name: str, *, train: bool = False) -> tuple[str, tuple[str, ...]]:
    """Kind and options of a row's name.

    Raises:
        ValueError: if either is unknown, or the option does not go with the kind or the mode.
    """
    kind, *options = name.split('+')
    check_choice(kind, KINDS, 'models')
    for option in options:
        check_choice(option, OPTIONS, f'option of {kind!r}')
        if option not in KINDS[kind].options or train != TRAINS.get(option, train):
            raise ValueError(f'{kind} has no option {option!r} {"in training" if train else "at inference"}, '
                             f'got {name!r}')
    return kind, tuple(options)


def default_names(*, train: bool) -> list[str]:
    """The rows that are measured when none are named."""
    if not train:
        return list(KINDS)
    return ['isalux', 'isalux+checkpointing', *(k for k in KINDS if k not in ('isalux', 'isalux_unprepared'))]


def build_row(name: str, setup: Setup) -> Row:
    """Builds a row; the same name and setup give the same weights.

    Raises:
        ValueError: as `split_name`.
    """
    kind_name, options = split_name(name, train=setup.train)
    kind = KINDS[kind_name]
    torch.manual_seed(setup.seed)
    model = kind.build(setup, 'checkpointing' in options).to(setup.device)
    network = model.network if isinstance(model, LowLightEnhancer) else model
    compiled = 'compile' in options
    if setup.train and kind.trains:
        return _training_row(network, setup, compiled)
    parameters = sum(p.numel() for p in network.parameters())
    model.eval().requires_grad_(False)
    if setup.train:  # a frozen network inside a training step
        frozen = without_gradients(_autocast(torch.compile(network) if compiled else network, setup))
        return Row(frozen, without_gradients(network), parameters)
    dtype = DTYPES[setup.dtype]
    if 'onnx' in options:
        return _onnx_row(network, setup, parameters)
    if kind.prepared:
        prepared = prepare_for_inference(model, dtype=dtype, compile=compiled)
        if 'fast' in options:
            fast = FastNetwork(prepared, compiled=True)
            return Row(without_gradients(fast), without_gradients(lambda image: network(fast.reduced(image.float()))),
                       parameters)
        return Row(without_gradients(prepared), without_gradients(lambda image: network(image.float())), parameters)
    network.to(dtype)
    eager = without_gradients(network)
    return Row(without_gradients(torch.compile(network)) if compiled else eager, eager, parameters)


def _onnx_row(network: nn.Module, setup: Setup, parameters: int) -> Row:
    """The exported file in onnxruntime, with PyTorch's number of threads.

    Raises:
        ValueError: on another device or in another type than it is exported for.
    """
    if (setup.device, setup.dtype) != ('cpu', 'fp32'):
        raise ValueError(f'option onnx runs on the cpu in fp32, got {setup.device} and {setup.dtype}')
    enhancer = ExportableEnhancer(network).eval()
    run = runner(serialized(enhancer, 'onnx', outputs=['enhanced'], fixed_size=None, notes={}), 'onnx')
    return Row(lambda images: run(images)[0], without_gradients(enhancer), parameters)


def without_gradients(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """`forward` in inference mode."""

    @torch.inference_mode()
    def call(images: Tensor) -> Tensor:
        return forward(images)

    return call


def _autocast(forward: Callable[[Tensor], Tensor], setup: Setup) -> Callable[[Tensor], Tensor]:
    """`forward` in mixed precision, where the setup asks for another type than float32."""
    dtype = DTYPES[setup.dtype]
    return torch.autocast(setup.device, dtype=dtype, enabled=dtype is not torch.float32)(lambda x: forward(x))


def _training_row(network: nn.Module, setup: Setup, compiled: bool) -> Row:
    """A training step with AdamW on the mean absolute difference from the input; the same loss for every network."""
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE)
    scaler = torch.amp.GradScaler(setup.device, enabled=setup.dtype == 'fp16')

    forward = _autocast(torch.compile(network) if compiled else network, setup)

    def step(images: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.l1_loss(forward(images).float(), images)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.detach()

    return Row(step, without_gradients(network), sum(p.numel() for p in network.parameters()), forwards=3)


def random_images(size: tuple[int, int], batch_size: int, setup: Setup) -> Tensor:
    """Images (B, 3, H, W), RGB, uniform noise in [0, 0.25], so dark; the same for every row of a run."""
    generator = torch.Generator().manual_seed(setup.seed)
    images = 0.25 * torch.rand(batch_size, 3, *size, generator=generator)
    return images.to(setup.device, torch.float32 if setup.train else DTYPES[setup.dtype])
