"""What a network saw and chose for one picture: priors, enrichment weights and routing, read off and drawn."""
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from isalux_mm.functional.checks import check_image
from isalux_mm.functional.resizing import reduced
from isalux_mm.models.attention import HISAAttention
from isalux_mm.models.blocks import TransformerBlock
from isalux_mm.models.experts import MoEFFN
from isalux_mm.models.gates import Routing
from isalux_mm.models.isalux import ISALux
from isalux_mm.models.priors import VOC_CLASSES
from isalux_mm.models.statistics import weighing

if TYPE_CHECKING:
    from isalux_mm.visualization.explanation import Explanation

EXPLAINED = '_explained.png'  # end of a drawing's name
EXPLAINED_PIXELS = 2_000_000  # ours: of the picture in an explanation; routing is read off at that size


def draw_explained(network: nn.Module, low: Tensor, enhanced: Tensor, *, device: torch.device,
                   visible: Tensor | None = None, small: Callable[[Tensor], Tensor] | None = None) -> np.ndarray:
    """Draws the explanation of a result, reduced first where it is large.

    Args:
        network: as of `explain`.
        low: the input, (3, H, W), RGB in [0, 1].
        enhanced: the result, same shape.
        device: the network's.
        visible: as of `explain`, at the size of `low`; hidden pixels are drawn white.
        small: how images (1, C, H, W) are reduced, such as `FastNetwork.reduced`: to what the network saw; by default
            to at most `EXPLAINED_PIXELS`.

    Returns:
        (H', W', 3), uint8, RGB.
    """
    from isalux_mm.visualization.explanation import draw_explanation  # with matplotlib
    from isalux_mm.visualization.panels import to_array

    small = small or partial(reduced, pixels=EXPLAINED_PIXELS)
    seen, shown = (small(image[None]) for image in (low, enhanced))
    if visible is None:
        return draw_explanation(to_array(seen[0]), to_array(shown[0]), explain(network, seen.to(device)))
    visible = small(visible)
    before, after = (to_array(image[0].cpu().where(visible[0] > 0, 1)) for image in (seen, shown))
    return draw_explanation(before, after, explain(network, seen.to(device), visible=visible.to(device)))


@torch.no_grad()
def explain(network: nn.Module, image: Tensor, *, visible: Tensor | None = None) -> 'Explanation':
    """Priors, enrichment weights and routing of a network for one picture.

    Args:
        network: an `ISALux`, not prepared for inference (which folds the weights away); of any other network nothing
            is known and the explanation is empty.
        image: (1, 3, H, W), RGB in [0, 1].
        visible: (1, 1, H, W), above 0 where a pixel is seen and takes part; `None` for all.

    Raises:
        ValueError: if `image` holds more than one picture.
    """
    from isalux_mm.visualization.explanation import Explanation

    check_image(image, '1 3 H W')
    if not isinstance(network, ISALux):
        return Explanation(None, None, (), (), {}, (), (), ())
    with weighing(network, visible):
        whole = network.whole(image)
        _, routings = network.forward_with_routing(image, tile=whole)
    illumination, semantics, blocks = network.illumination_prior(image), whole.semantics, blocks_of(network)
    by_block = routings_of(blocks.values(), routings)
    return Explanation(
        illumination=None if illumination is None else illumination[0, 0].float().cpu().numpy(),
        semantics=None if semantics is None else semantics[0].float().cpu().numpy(),
        classes=() if semantics is None else class_names(network.semantic_prior, semantics.shape[1]),
        blocks=tuple(blocks), enrichment=enrichment_of(blocks.values()),
        probabilities=[_of(routing, 'probabilities') for routing in by_block],
        chosen=[_of(routing, 'indices') for routing in by_block],
        weights=[_of(routing, 'weights') for routing in by_block],
        experts=expert_names(blocks.values()))


def blocks_of(network: ISALux) -> dict[str, TransformerBlock]:
    """The transformer blocks in the order in which they run, named by place and scale."""
    named: dict[str, Any] = {}
    for scale, stage in enumerate(network.encoder):
        named |= {f'encoder /{2**scale} {i}': block for i, block in enumerate(stage.children())}
    named |= {f'bottleneck {i}': block for i, block in enumerate(network.bottleneck)}
    for scale in reversed(range(len(network.decoder))):
        named |= {f'decoder /{2**scale} {i}': block for i, block in enumerate(network.decoder[scale].children())}
    return named


def routings_of(blocks: Iterable[TransformerBlock], routings: Sequence[Routing]) -> list[Routing | None]:
    """The routing of every block; `None` for one without a mixture, as those with one alone gave theirs, in order."""
    blocks, given = list(blocks), iter(routings)
    if len(blocks) == len(routings):
        return list(routings)
    return [next(given) if isinstance(block.ffn, MoEFFN) else None for block in blocks]


def enrichment_of(blocks: Iterable[TransformerBlock]) -> dict[str, Sequence[float]]:
    """nu and omega by stream, one value per block; empty for another attention than ours."""
    attentions = [block.attention for block in blocks]
    if not all(isinstance(attention, HISAAttention) for attention in attentions):
        return {}
    return {stream: [attention.scales[stream].item() for attention in attentions]
            for stream in attentions[0].scales}


def expert_names(blocks: Iterable[TransformerBlock]) -> tuple[str, ...]:
    """Class names of the experts by number; empty without a mixture, or where blocks mix other kinds."""
    found = {tuple(type(e).__name__ for e in block.ffn.experts) for block in blocks if isinstance(block.ffn, MoEFFN)}
    return found.pop() if len(found) == 1 else ()


def class_names(prior: nn.Module, number: int) -> Sequence[str]:
    """The prior's `classes`, VOC's names for 21 classes, numbers otherwise."""
    names = getattr(prior, 'classes', None) or (VOC_CLASSES if number == len(VOC_CLASSES) else ())
    return names if len(names) == number else tuple(f'class {k}' for k in range(number))


def _of(routing: Routing | None, attribute: str) -> np.ndarray | None:
    return None if routing is None else getattr(routing, attribute)[0].cpu().numpy()
