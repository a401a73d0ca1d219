"""mmengine's training loops, made so that a run that was cut off goes on as if it had not been.

Before each iteration the process is seeded by its number, so that noisy gates and dropout draw the same again. A loss
or gradient that is not finite ends the training, or is skipped. `isalux train` puts these in the place of mmengine's.
"""
from typing import Any

from mmengine.dist import get_rank
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from mmengine.runner.base_loop import BaseLoop
from torch import Tensor

from isalux_mm.engine.checks import FiniteGuard, NotFiniteError, files_of, finite, not_finite_message
from isalux_mm.functional.chance import seed_by_place
from isalux_mm.functional.checks import check_choice
from isalux_mm.registry import LOOPS

NOT_FINITE = ('stop', 'skip')
MOST_SKIPPED = 10  # ours: in a row; weights that are spoilt do not recover
MODEL = 1  # leads the places of the model's chance, which data do not share


class CheckedTraining(BaseLoop):
    """What both loops share."""
    _iter: int
    not_finite = 'stop'
    skipped = skipped_in_a_row = 0

    def checked_iteration(self, batch_idx: int, batch: Any) -> None:
        """One iteration, with the hooks around it.

        Raises:
            NotFiniteError: if loss or gradient is not finite, or was not for too many iterations in a row.
        """
        runner = self.runner
        runner.call_hook('before_train_iter', batch_idx=batch_idx, data_batch=batch)
        seed_by_place((runner.seed, self._iter, get_rank(), MODEL))
        wrapper = runner.optim_wrapper
        guard = FiniteGuard(wrapper) if isinstance(wrapper, OptimWrapper) else None  # several optimizers: as they are
        outputs = runner.model.train_step(batch, optim_wrapper=guard or wrapper)
        if guard is not None and guard.refused:
            outputs = self._refused(guard.refused, outputs, batch)
        else:
            self.skipped_in_a_row = 0
        runner.call_hook('after_train_iter', batch_idx=batch_idx, data_batch=batch, outputs=outputs)
        self._iter += 1

    def _refused(self, what: str, outputs: dict, batch: Any) -> dict:
        message = not_finite_message(self._iter + 1, what, outputs, files_of(batch))
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.not_finite == 'stop':
            raise NotFiniteError(f'{message}. Nothing was changed by it; the last checkpoint is kept')
        self.runner.logger.warning(f'{message}. Skipped, {self.skipped} so far')
        if self.skipped_in_a_row >= MOST_SKIPPED:
            raise NotFiniteError(f'{message}. {MOST_SKIPPED} iterations in a row were skipped; the last checkpoint is '
                                 'kept')
        return {name: value for name, value in outputs.items() if isinstance(value, Tensor) and finite([value])}


@LOOPS.register_module()
class CheckedIterLoop(CheckedTraining, IterBasedTrainLoop):
    """`IterBasedTrainLoop`, checked and repeatable.

    Args:
        runner, dataloader, max_iters, val_begin, val_interval, dynamic_intervals: as of `IterBasedTrainLoop`.
        not_finite: what a loss or gradient that is not finite does: 'stop' ends the training, 'skip' leaves the
            iteration out and counts it.

    Raises:
        ValueError: if `not_finite` is unknown.
    """

    def __init__(self, runner: Any, dataloader: Any, max_iters: int, val_begin: int = 1, val_interval: int = 1000,
                 dynamic_intervals: list[tuple[int, int]] | None = None, *, not_finite: str = 'stop'):
        check_choice(not_finite, NOT_FINITE, 'not_finite')
        super().__init__(runner, dataloader, max_iters, val_begin, val_interval, dynamic_intervals)
        self.not_finite = not_finite

    def run_iter(self, data_batch: Any) -> None:
        """One iteration."""
        self.checked_iteration(self._iter, data_batch)


@LOOPS.register_module()
class CheckedEpochLoop(CheckedTraining, EpochBasedTrainLoop):
    """`EpochBasedTrainLoop`, checked and repeatable; a run that was cut off inside an epoch goes on there.

    Args:
        runner, dataloader, max_epochs, val_begin, val_interval, dynamic_intervals: as of `EpochBasedTrainLoop`.
        not_finite: as of `CheckedIterLoop`.

    Raises:
        ValueError: if `not_finite` is unknown.
    """

    def __init__(self, runner: Any, dataloader: Any, max_epochs: int, val_begin: int = 1, val_interval: int = 1,
                 dynamic_intervals: list[tuple[int, int]] | None = None, *, not_finite: str = 'stop'):
        check_choice(not_finite, NOT_FINITE, 'not_finite')
        super().__init__(runner, dataloader, max_epochs, val_begin, val_interval, dynamic_intervals)
        self.not_finite = not_finite

    def run_epoch(self) -> None:
        """One epoch, or what is left of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        done = self._iter - self._epoch * len(self.dataloader)
        for index, batch in enumerate(self.dataloader):
            if index >= done:  # the batches of before are loaded once more: they are not counted by any sampler
                self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """One iteration."""
        self.checked_iteration(idx, data_batch)
