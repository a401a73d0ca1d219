"""A config made ready for a training that can be cut off at any moment: mmengine's parts by ours of the same use."""
import os
import tempfile
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.runner import Runner
from torch.multiprocessing import get_sharing_strategy

from isalux_mm.io.checkpoint_file import read_checkpoint

LOOPS = {'IterBasedTrainLoop': 'isalux_mm.CheckedIterLoop', 'EpochBasedTrainLoop': 'isalux_mm.CheckedEpochLoop'}
HOOK, DURABLE = 'CheckpointHook', 'isalux_mm.DurableCheckpointHook'
SOCKET_BYTES = 107  # of the longest name of a Unix socket on Linux
WORKER_SOCKET = 'pymp-xxxxxxxx/listener-xxxxxxxx'  # of Python's multiprocessing, in the folder for temporary files
SAMPLER, DATASET = 'isalux_mm.PlacedSampler', 'isalux_mm.SeededDataset'


def prepare_training(cfg: Config, *, not_finite: str | None = None) -> None:
    """Puts, in place, our loop, checkpoint hook, sampler and dataset where a config has mmengine's plain ones.

    Parts of other types, a loop of another package say, stay as they are.

    Args:
        cfg: of mmengine's `Runner`, of any scope.
        not_finite: as of `CheckedIterLoop`; `None` leaves what the config says.
    """
    loop = cfg.train_cfg
    kind = plain_name(loop.get('type') or ('EpochBasedTrainLoop' if loop.get('by_epoch') else 'IterBasedTrainLoop'))
    if kind in LOOPS:
        loop.pop('by_epoch', None)
        loop.pop('fast_forward_on_resume', None)  # always: the sampler knows its place
        loop.type = LOOPS[kind]
        if not_finite is not None:
            loop.not_finite = not_finite
    hooks = cfg.get('default_hooks') or {}
    checkpoint = hooks.get('checkpoint', {})
    if checkpoint is not None and plain_name(checkpoint.get('type', HOOK)) == HOOK:
        cfg.default_hooks = dict(hooks, checkpoint=dict(interval=1) | dict(checkpoint) | dict(type=DURABLE))
    loader = cfg.train_dataloader
    if isinstance(loader.get('dataset'), Mapping) and isinstance(loader.get('sampler'), Mapping):
        loader.dataset = dict(type=DATASET, dataset=loader.dataset)
        loader.sampler = dict(type=SAMPLER, sampler=loader.sampler)


def plain_name(kind: Any) -> str | None:
    """The name of mmengine's own class that a config's `type` means; `None` for others."""
    if isinstance(kind, str):
        return kind.removeprefix('mmengine.')
    return kind.__name__ if getattr(kind, '__module__', '').startswith('mmengine.') else None


def resume_from(cfg: Config, checkpoint: str) -> None:
    """Makes a config go on from a checkpoint, with the seed that the training was begun with."""
    cfg.resume, cfg.load_from = True, checkpoint
    content = read_checkpoint(checkpoint) if os.path.isfile(checkpoint) else {}
    seed = content.get('meta', {}).get('seed')
    if isinstance(seed, int) and not isinstance(seed, bool):
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)


def check_temporary_folder(workers: int) -> None:
    """Checks that processes that load data can send it: by sockets in the folder for temporary files, where a name
    that is too long is an error that nobody hears of, and the training waits for ever.

    Raises:
        ValueError: if that folder's name is too long.
    """
    name = os.path.join(tempfile.gettempdir(), WORKER_SOCKET)
    if workers and get_sharing_strategy() == 'file_descriptor' and len(os.fsencode(name)) > SOCKET_BYTES:
        most = SOCKET_BYTES - len(WORKER_SOCKET) - 1
        raise ValueError(f'TMPDIR must have at most {most} bytes for train_dataloader.num_workers > 0, '
                         f'got {tempfile.gettempdir()}')


def join_processes(cfg: Config) -> None:
    """Joins the processes of `--launcher pytorch` where there is no accelerator, which mmengine asks for."""
    if cfg.launcher != 'pytorch' or get_device() != 'cpu':
        return
    options = dict((cfg.get('env_cfg') or {}).get('dist_cfg') or {})
    if not torch.distributed.is_initialized():
        options.pop('backend', None)
        torch.distributed.init_process_group('gloo', **options)
    if cfg.get('model_wrapper_cfg') is None:
        cfg.model_wrapper_cfg = dict(
            type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False))


def leave_processes() -> None:
    """Leaves the group of processes, where there is one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def end_workers(runner: Runner) -> None:
    """Ends the processes that load data, so that none outlives a training that has failed, nor its folders of sockets.

    PyTorch ends them where an iterator is collected, which a traceback that is still held prevents.
    """
    for loop in (getattr(runner, name, None) for name in ('_train_loop', '_val_loop', '_test_loop')):
        loader = getattr(loop, 'dataloader', None)
        endless = getattr(getattr(loop, 'dataloader_iterator', None), '_iterator', None)
        for iterator in (getattr(loader, '_iterator', None), endless):
            shut_down = getattr(iterator, '_shutdown_workers', None)
            if shut_down is not None:
                shut_down()
