"""Hooks: expert usage in the log, panels of input | output | reference, enhanced images of a test on disk."""
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, barrier
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch.nn import functional as F

from isalux_mm.io.images import write_image
from isalux_mm.io.names import beside, check_products
from isalux_mm.io.whole_file import check_free
from isalux_mm.registry import HOOKS
from isalux_mm.structures import EnhanceDataSample

SUFFIX = '.png'  # of saved images


def unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    """The model without its distributed wrapper."""
    wrapper: Any = model
    return wrapper.module if is_model_wrapper(model) else model


@HOOKS.register_module()
class ExpertUsageHook(Hook):
    """Writes the use of the experts to the log: `experts/used_most` and `experts/used_least`, the largest and smallest
    share of selections over all experts and layers, and `experts/entropy`, the gates' mean entropy over its maximum.

    Shares are collected on the device and read every `interval` iterations only.

    Args:
        interval: iterations between two entries.
        per_layer: write every layer's shares, too, as `experts/layer3_expert0`.
    """
    priority = 'ABOVE_NORMAL'  # before the logger

    def __init__(self, interval: int = 50, *, per_layer: bool = False):
        self.interval, self.per_layer = interval, per_layer
        self._sums: tuple[torch.Tensor, torch.Tensor] | None = None  # of shares and entropies
        self._count = 0

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Adds the iteration's routing, and writes the means when they are due."""
        routings = getattr(unwrapped(runner.model), 'last_routings', None)
        if not routings:
            return
        shares, entropy = usage(routings)
        self._sums = (shares, entropy) if self._sums is None else (self._sums[0] + shares, self._sums[1] + entropy)
        self._count += 1
        if self.every_n_train_iters(runner, self.interval):
            self._write(runner, *(total / self._count for total in self._sums))
            self._sums, self._count = None, 0

    def _write(self, runner: Runner, shares: torch.Tensor, entropy: torch.Tensor) -> None:
        all_reduce(shares, op='mean')
        all_reduce(entropy, op='mean')
        hub = runner.message_hub
        hub.update_scalar('train/experts/used_most', shares.max().item())
        hub.update_scalar('train/experts/used_least', shares.min().item())
        hub.update_scalar('train/experts/entropy', entropy.item())
        if self.per_layer:
            for (layer, expert), share in zip(itertools.product(*map(range, shares.shape)), shares.flatten().tolist()):
                hub.update_scalar(f'train/experts/layer{layer}_expert{expert}', share)


def usage(routings: Sequence) -> tuple[torch.Tensor, torch.Tensor]:
    """Share of selections (layers, experts), and the mean entropy of the gates over its maximum, a scalar.

    Args:
        routings: one `Routing` per layer, all with the same number of experts.
    """
    num_experts = routings[0].probabilities.shape[1]
    indices = torch.stack([r.indices for r in routings])  # (layers, B, K)
    shares = F.one_hot(indices, num_experts).float().mean(dim=(1, 2))
    probabilities = torch.stack([r.probabilities.float() for r in routings])
    entropy = torch.special.entr(probabilities).sum(dim=-1).mean() / math.log(max(num_experts, 2))
    return shares, entropy


@HOOKS.register_module()
class EnhanceVisualizationHook(Hook):
    """Hands panels of input | output | reference to the visualizer's backends at each validation and test.

    Needs an `EnhanceVisualizer`. TensorBoard shows them under 'val_00_NAME'; `LocalVisBackend` writes them as PNG
    files, to `WORK_DIR/vis` in our configs.

    Args:
        num_images: how many images of a run are shown.

    Raises:
        TypeError: at the start, if the visualizer draws no data samples.
    """

    def __init__(self, num_images: int = 4):
        self.num_images = num_images
        self._shown = 0

    def before_run(self, runner: Runner) -> None:
        """Checks the visualizer, whose plain form draws nothing and says nothing."""
        if type(runner.visualizer).add_datasample is Visualizer.add_datasample:
            raise TypeError(f"visualizer must draw data samples, type='EnhanceVisualizer' say, "
                            f'got {type(runner.visualizer).__name__}')

    def before_val_epoch(self, runner: Runner) -> None:
        """Starts to count anew."""
        self._shown = 0

    before_test_epoch = before_val_epoch

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                       outputs: Sequence[EnhanceDataSample] | None = None) -> None:
        """Shows the images of this batch until there are enough."""
        self._show(runner, outputs or (), 'val')

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                        outputs: Sequence[EnhanceDataSample] | None = None) -> None:
        """Shows the images of this batch until there are enough."""
        self._show(runner, outputs or (), 'test')

    def _show(self, runner: Runner, samples: Sequence[EnhanceDataSample], stage: str) -> None:
        for sample in samples[:self.num_images - self._shown]:
            name = Path(sample.get('low_path') or 'image').stem
            runner.visualizer.add_datasample(f'{stage}_{self._shown:02d}_{name}', None, sample, step=runner.iter)
            self._shown += 1


@HOOKS.register_module()
class SaveEnhancedHook(Hook):
    """Saves every enhanced image of a test as PNG under its own name; scenes of frames keep their sub-folders.

    All names are known and checked before the first image is worked on: two that differ by their suffix alone keep it
    (`a.jpg.png`), and none is an input.

    Args:
        out_dir: folder.
        overwrite: whether files that are there are replaced.

    Raises:
        FileExistsError: when a test begins, if a file is there and may not be replaced.
        ValueError: then, if a file would be written over an input.
    """

    def __init__(self, out_dir: str, *, overwrite: bool = False):
        self.out_dir, self.overwrite = Path(out_dir), overwrite
        self._targets: dict[Path, Path] = {}

    def before_test_epoch(self, runner: Runner) -> None:
        """Names the files of the whole set, on every rank before any of them writes."""
        dataset: Any = runner.test_dataloader.dataset
        lows = []
        if hasattr(dataset, 'get_data_info'):
            lows = [Path(path) for i in range(len(dataset)) if (path := dataset.get_data_info(i).get('low_path'))]
        lows = list(dict.fromkeys(lows))  # a set may be repeated
        names = beside([self._name(runner, low) for low in lows], SUFFIX)
        self._targets = {low: self.out_dir / name for low, name in zip(lows, names)}
        check_products(self._targets.values(), lows)
        for target in self._targets.values():
            check_free(target, overwrite=self.overwrite)
        barrier()

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                        outputs: Sequence[EnhanceDataSample] | None = None) -> None:
        """Writes the images of this batch."""
        for sample in outputs or ():
            low = Path(sample.low_path)
            target = self._targets.get(low) or self.out_dir / self._name(runner, low).with_suffix(SUFFIX)
            image = sample.pred_img.permute(1, 2, 0).cpu().numpy()  # (3, H, W) -> (H, W, 3)
            write_image(target, image, overwrite=self.overwrite)

    def _name(self, runner: Runner, low: Path) -> Path:
        """Of an input below its folder of the set."""
        roots = getattr(runner.test_dataloader.dataset, 'folders', {}).get('low', ())
        return low.relative_to(next((root for root in roots if low.is_relative_to(root)), low.parent))


@HOOKS.register_module()
class CompileBlocksHook(Hook):
    """Compiles the network's transformer blocks, and the losses, by `torch.compile` where training starts (ours).

    For views of one size on an accelerator, where it saves launches and passes over the memory. Blocks of one width
    share what is compiled, which takes a fraction of the time of a network in one piece. mmengine's `compile` key takes
    the whole step, of which the optimizer, the log and the data break the graph. Validation, whose pictures have other
    sizes, runs uncompiled. State and checkpoints are those of the plain network.

    Args:
        mode: of `torch.compile`.

    Raises:
        ValueError: before training, if the model does not say what of it is to be compiled.
    """

    def __init__(self, mode: str = 'default'):
        self.mode = mode
        self._compiled: list[tuple[torch.nn.Module, Any]] = []

    def before_train(self, runner: Runner) -> None:
        """Puts the compiled functions in; the work is done at the first iteration."""
        model: Any = unwrapped(runner.model)
        if not hasattr(model, 'parts_to_compile'):
            raise ValueError('CompileBlocksHook compiles the blocks of an enhancer alone, got a '
                             f'{type(model).__name__}; without it in custom_hooks any model will do')
        self._compiled = [(part, torch.compile(part.forward, dynamic=False, mode=self.mode))
                          for part in model.parts_to_compile()]
        self._put_in()

    def before_val_epoch(self, runner: Runner) -> None:
        """Puts the plain functions back."""
        for part, _ in self._compiled:
            part.__dict__.pop('forward', None)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Puts the compiled ones in again."""
        self._put_in()

    def after_train(self, runner: Runner) -> None:
        """Leaves the plain functions."""
        self.before_val_epoch(runner)

    def _put_in(self) -> None:
        for part, compiled in self._compiled:
            part.__dict__['forward'] = compiled
