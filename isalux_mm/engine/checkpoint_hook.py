"""`DurableCheckpointHook`: mmengine's, which never leaves a training without a whole checkpoint."""
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.runner import Runner
from torch import nn

from isalux_mm.engine.checks import check_weights, everywhere
from isalux_mm.engine.interruption import INTERRUPTION, TrainingInterrupted
from isalux_mm.engine.work_folder import LAST, WorkFolderError, checkpoint_of, megabytes
from isalux_mm.io.whole_file import whole_file, write_text
from isalux_mm.registry import HOOKS

WHOLE_BACKEND = 'isalux_mm_whole'
STATES_OF_ADAM = 2  # numbers that the usual optimizers keep beside a weight
PATHS = ('last_ckpt', 'best_ckpt')  # what mmengine's message hub holds whole paths under


@register_backend(WHOLE_BACKEND)
class WholeFileBackend(LocalBackend):
    """mmengine's local files, written whole or not at all; removal can wait until what replaces a file is whole."""

    def __init__(self) -> None:
        self.waiting: list[str] | None = None

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes a file beside its place and then into it.

        Raises:
            OSError: if it cannot be written; names the file.
        """
        try:
            with whole_file(filepath, overwrite=True) as file:
                file.write(obj)
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), str(filepath)) from error

    def remove(self, filepath: str | Path) -> None:
        """Removes a file, or notes it where removal waits."""
        if self.waiting is None:
            super().remove(filepath)
        else:
            self.waiting.append(str(filepath))


@HOOKS.register_module()
class DurableCheckpointHook(CheckpointHook):
    """`CheckpointHook`, of which a kill at any moment leaves a whole checkpoint to resume from.

    A checkpoint is written beside its place, brought to the disk and renamed; the old one is removed after that.
    `last_checkpoint` holds a name within the work folder, so that this can be moved. Weights that are not finite are
    not written. A training that is asked to end (`engine.interruption`) saves after the iteration that it is at.

    Args:
        interval, by_epoch, save_optimizer, save_param_scheduler, out_dir, max_keep_ckpts, save_last, save_best, rule,
            greater_keys, less_keys, filename_tmpl, backend_args, published_keys, save_begin: as of `CheckpointHook`.
    """

    filename_tmpl: str
    last_ckpt: str | None

    def __init__(self,
                 interval: int = -1,
                 by_epoch: bool = True,
                 save_optimizer: bool = True,
                 save_param_scheduler: bool = True,
                 out_dir: str | Path | None = None,
                 max_keep_ckpts: int = -1,
                 save_last: bool = True,
                 save_best: str | list[str] | None = None,
                 rule: str | list[str] | None = None,
                 greater_keys: Sequence[str] | None = None,
                 less_keys: Sequence[str] | None = None,
                 filename_tmpl: str | None = None,
                 backend_args: dict | None = None,
                 published_keys: str | list[str] | None = None,
                 save_begin: int = 0):
        if backend_args is None and '://' not in str(out_dir):
            backend_args = dict(backend=WHOLE_BACKEND)
        super().__init__(
            interval, by_epoch, save_optimizer, save_param_scheduler, out_dir, max_keep_ckpts, save_last, save_best,
            rule, greater_keys, less_keys, filename_tmpl=filename_tmpl, backend_args=backend_args,
            published_keys=published_keys, save_begin=save_begin)

    def before_run(self, runner: Runner) -> None:
        """Finds the checkpoint to resume from, where none is named."""
        if runner._resume and runner._load_from is None:
            found = checkpoint_of(runner.work_dir)
            runner._load_from = None if found is None else str(found)
            runner._resume = found is not None

    def before_train(self, runner: Runner) -> None:
        """Takes over paths of before, which may be of another place, and looks for room.

        Raises:
            WorkFolderError: if there is not enough for one checkpoint.
        """
        info = runner.message_hub.runtime_info
        for key in [key for key in info if key.startswith(PATHS) and isinstance(info[key], str)]:
            info[key] = str(self._folder(runner) / Path(info[key]).name)
        super().before_train(runner)
        if isinstance(self.file_backend, WholeFileBackend):
            check_room(self._folder(runner), size_of_checkpoint(runner.model, self.save_optimizer, runner.hooks))
        INTERRUPTION.armed = True

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        """Saves when it is due, or when the training is asked to end.

        Raises:
            TrainingInterrupted: after the latter.
        """
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        if not everywhere(not INTERRUPTION.requested, next(runner.model.parameters()).device):
            self._save_and_end(runner, runner.iter + 1)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                       outputs: Any = None) -> None:
        """Breaks a validation off where the training is asked to end, in a single process.

        Raises:
            TrainingInterrupted: then.
        """
        if INTERRUPTION.requested and INTERRUPTION.armed and runner.world_size == 1:
            for hook in runner.hooks:
                if isinstance(hook, EMAHook):
                    hook._swap_ema_parameters()  # the averaged weights stand in the model's place meanwhile
            self._save_and_end(runner, runner.iter)

    def after_train(self, runner: Runner) -> None:
        """As ever; from here a signal ends the process at once."""
        INTERRUPTION.armed = False
        super().after_train(runner)

    def _folder(self, runner: Runner) -> Path:
        """Where checkpoints go, before and after `CheckpointHook` has put the work folder's name behind `out_dir`."""
        if self.out_dir is None or self.out_dir == runner.work_dir:
            return Path(runner.work_dir)
        name = os.path.basename(runner.work_dir.rstrip(os.sep))
        return Path(self.out_dir) if hasattr(self, 'file_backend') else Path(self.out_dir) / name

    def _save_and_end(self, runner: Runner, done: int) -> None:
        whole_epoch = self.by_epoch and done == runner.epoch * len(runner.train_dataloader)
        step = runner.epoch if whole_epoch else done
        name = self.filename_tmpl.format(step) if whole_epoch or not self.by_epoch else f'iter_{done}.pth'
        if Path(self.last_ckpt or '').name != name:
            template, self.filename_tmpl = self.filename_tmpl, name.replace(str(step), '{}')
            try:
                self._save_checkpoint_with_step(runner, step, dict(epoch=runner.epoch, iter=done))
            finally:
                self.filename_tmpl = template
        raise TrainingInterrupted(f'asked to end, after iteration {done}; {self.last_ckpt} is saved, and --resume goes '
                                  'on from there')

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        check_weights(runner.model, f'iteration {meta["iter"]}')
        with RemovingLater(self):
            super()._save_checkpoint_with_step(runner, step, meta)
            self._note_last(runner)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        with RemovingLater(self):
            super()._save_best_checkpoint(runner, metrics)

    def _note_last(self, runner: Runner) -> None:
        """Writes the name of the last checkpoint, within the work folder where it lies there."""
        if runner.rank == 0 and self.last_ckpt is not None:
            path, folder = Path(self.last_ckpt), Path(runner.work_dir)
            name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
            write_text(folder / LAST, name, overwrite=True)


class RemovingLater:
    """Inside, what a hook removes stays; it goes when the block has ended well, unless it was written anew there."""

    def __init__(self, hook: DurableCheckpointHook):
        self.hook = hook
        backend = getattr(hook, 'file_backend', None)
        self.backend = backend if isinstance(backend, WholeFileBackend) and backend.waiting is None else None

    def __enter__(self) -> None:
        if self.backend is not None:
            self.backend.waiting = []

    def __exit__(self, kind: type | None, *_: object) -> None:
        if self.backend is None:
            return
        waiting, self.backend.waiting = self.backend.waiting or [], None
        kept = {self.hook.last_ckpt, getattr(self.hook, 'best_ckpt_path', None),
                *getattr(self.hook, 'best_ckpt_path_dict', {}).values()}
        for path in waiting:
            if kind is None and path not in kept and os.path.isfile(path):
                os.remove(path)


def size_of_checkpoint(model: nn.Module, with_optimizer: bool, hooks: Sequence[object]) -> int:
    """Bytes that a checkpoint takes, about: weights, their averages, and what optimizers keep for each."""
    def size(tensors: Any) -> int:
        return sum(t.numel() * t.element_size() for t in tensors)

    weights = size(value for value in model.state_dict().values() if isinstance(value, torch.Tensor))
    copies = 1 + any(isinstance(hook, EMAHook) for hook in hooks)
    learnt = size(p for p in model.parameters() if p.requires_grad)
    return weights * copies + (STATES_OF_ADAM * learnt if with_optimizer else 0)


def check_room(folder: Path, needed: int) -> None:
    """Raises a `WorkFolderError` if a checkpoint of `needed` bytes does not fit beside what is there."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise WorkFolderError(f'{folder} has room for {megabytes(free)}, a checkpoint takes {megabytes(needed)}')
