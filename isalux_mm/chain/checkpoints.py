"""Checkpoints of a task model, of an enhancer or of a chain, with the names that a chain expects."""
from collections.abc import Mapping

from mmengine.logging import print_log
from torch import Tensor

from isalux_mm.chain.neck import ISALuxNeck

ENHANCER, BACKBONE = 'enhancer.', 'backbone.'


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


def keep_loaded_enhancer(enhancer: ISALuxNeck, own: Mapping[str, Tensor], state_dict: dict[str, Tensor],
                         prefix: str) -> None:
    """Adds, in place, the weights that the enhancer has from its own checkpoint to a checkpoint that holds none of it.

    So a strict loader accepts a stock checkpoint of the task model where the config names the enhancer's file.

    Args:
        enhancer: the neck.
        own: the chain's tensors by key.
        state_dict: the checkpoint, with the chain's names.
        prefix: of the chain's keys in `state_dict`.
    """
    has_weights = enhancer.checkpoint is not None and not enhancer.lacks_weights
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
