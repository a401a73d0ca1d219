"""ISALux in strips of rows, for inference on a CPU (ours; paper silent)."""
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from isalux_mm.functional.checks import check_image
from isalux_mm.functional.illumination import prior_pyramid
from isalux_mm.functional.resizing import size_of
from isalux_mm.functional.safeguards import guard, guarded
from isalux_mm.inference.rows import (
    STRIP_BYTES,
    PriorFeatures,
    RowSource,
    RowWindow,
    as_map,
    as_rows,
    convolve,
    illumination_source,
    semantic_source,
    strips,
)
from isalux_mm.inference.strips import StripBlock
from isalux_mm.models.attention import STREAMS, HISAAttention
from isalux_mm.models.blocks import UpsampleFuse
from isalux_mm.models.gates import Routing
from isalux_mm.models.isalux import ISALux
from isalux_mm.models.statistics import Tile


class StripISALux(nn.Module):
    """`ISALux` prepared for inference on a CPU; same arguments, same results.

    Images of a batch run one after the other. What the strips cannot run (another attention, experts or gate than the
    package's, depthwise convolutions on q, k and v) runs as in `ISALux`, on whole maps.

    Args:
        network: in eval mode, without gradients; it is kept, and shares what is not folded.
        strip_rows: rows of a strip; by default what keeps the hidden activations at 4 MiB.
    """

    def __init__(self, network: ISALux, *, strip_rows: int | None = None):
        super().__init__()
        self.network, self.strip_rows = network, strip_rows
        blocks = [b for stage in (*network.encoder, network.bottleneck, *network.decoder) for b in stage]
        used = {s for b in blocks for s in (b.attention.streams if isinstance(b.attention, HISAAttention) else STREAMS)}
        adapters = dict(illumination=network.illumination_adapters, semantics=network.semantic_adapters)
        self.enriched = tuple(s for s in STREAMS if s in used and adapters[s] is not None)
        self.encoder = nn.ModuleList(self._stage(stage.children()) for stage in network.encoder)
        self.bottleneck = self._stage(network.bottleneck)
        self.decoder = nn.ModuleList(self._stage(stage.children()) for stage in network.decoder)

    def _stage(self, blocks: Iterable[Any]) -> nn.ModuleList:
        return nn.ModuleList(StripBlock(block, self.enriched) for block in blocks)

    def forward(self, image: Tensor, *, tile: Tile | None = None) -> Tensor:
        """As `ISALux.forward`."""
        return self.forward_with_routing(image, tile=tile)[0]

    @torch.no_grad()
    def forward_with_routing(self, image: Tensor, *, tile: Tile | None = None) -> tuple[Tensor, list[Routing]]:
        """As `ISALux.forward_with_routing`; no gradient passes."""
        check_image(image, 'B 3 H W')
        tile = self.network.whole(image.to(self.network.to_rgb.weight.dtype)) if tile is None else tile
        images, routings = zip(*(self._enhance(image[i:i + 1], tile.of_image(i)) for i in range(len(image))))
        enhanced = images[0] if len(images) == 1 else torch.cat(images)
        return enhanced, [Routing(*map(torch.cat, zip(*layer))) for layer in zip(*routings)]

    def _enhance(self, image: Tensor, tile: Tile) -> tuple[Tensor, list[Routing]]:
        """Enhances one image (1, 3, H, W); reads as `ISALux.forward_with_routing`."""
        network, routings, skips = self.network, list[Routing](), list[Tensor]()
        features = self._features(image.to(network.to_rgb.weight.dtype), tile)
        x = self._embed(image, tile)
        for stage, down, known in zip(self.encoder, network.downs, features):
            self._run(stage, x, known, routings)
            skips.append(x)
            x = as_rows(down(as_map(x)))
        self._run(self.bottleneck, x, features[-1], routings)
        for k in reversed(range(network.num_scales - 1)):
            fusion: Any = network.ups[k]
            x = self._fuse(fusion, x, skips.pop())
            self._run(self.decoder[k], x, features[k], routings)
        return self._to_rgb(x, image, tile), routings

    def _features(self, image: Tensor, tile: Tile) -> list[PriorFeatures]:
        """Prior features of every scale."""
        network, names = self.network, self.enriched
        darkness = network.illumination_prior(image) if 'illumination' in names else None
        levels = prior_pyramid(image[:, :1] if darkness is None else darkness, network.num_scales)
        scales = []
        for k, level in enumerate(levels):
            sources: list[RowSource] = []
            adapters: list[Any] = []
            if network.illumination_adapters is not None and 'illumination' in names:
                adapters.append(network.illumination_adapters[k])
                sources.append(illumination_source(level, adapters[-1][0]))
            semantics = tile.semantics
            if network.semantic_adapters is not None and semantics is not None and 'semantics' in names:
                adapters.append(network.semantic_adapters[k])
                sources.append(semantic_source(semantics, adapters[-1][0], *tile.at_scale(k, size_of(level))))
            scales.append(PriorFeatures(sources, adapters, names, size_of(level)))
        return scales

    def _run(self, stage: nn.Module, x: Tensor, features: PriorFeatures, routings: list[Routing]) -> None:
        for block in stage.children():
            routing = block(x, features, self.strip_rows)
            if routing is not None:
                routings.append(routing)

    def _embed(self, image: Tensor, tile: Tile) -> Tensor:
        """First convolution, (H, W, C)."""
        conv, (height, width) = self.network.embed, image.shape[-2:]

        def read(first: int, last: int, out: Tensor) -> None:
            shown = image[:, :, first:last]
            out[..., :3] = shown[0].permute(1, 2, 0)
            if self.network.brightened_input:
                out[..., 3:] = self.network.brightened(shown, tile)[0].permute(1, 2, 0)

        x = conv.weight.new_empty(height, width, conv.out_channels)
        rows = self._rows(x)
        window = RowWindow(height, rows, conv.weight.new_empty(rows + 2, width, conv.in_channels), read)
        for first, last in strips(height, rows):
            x[first:last] = convolve(window.around(first, last), conv.weight, conv.bias, 1).view_as(x[first:last])
        return x

    def _rows(self, x: Tensor) -> int:
        """Rows of a strip that holds no hidden activations."""
        return min(self.strip_rows or max(STRIP_BYTES // (x[0].numel() * x.element_size()), 1), len(x))

    def _fuse(self, fusion: UpsampleFuse, x: Tensor, skip: Tensor) -> Tensor:
        """`UpsampleFuse` into the memory of the skip connection: both convolutions are one product."""
        height, width, channels = skip.shape
        from_up, from_skip = fusion.fuse.weight.flatten(1).t().chunk(2)  # each (C, C), input first
        # (C_in, C, 2, 2) -> (C_in, 2, 2, C), through the 1x1 convolution
        up = (fusion.up.weight.permute(0, 2, 3, 1) @ from_up).flatten(1)
        bias = fusion.up.get_parameter('bias') @ from_up + fusion.fuse.get_parameter('bias')
        for first, last in strips(len(x), self._rows(x)):
            rows = skip[2 * first:2 * last]
            fused = torch.addmm(bias, rows.flatten(0, 1), from_skip).view_as(rows)
            raised = (x[first:last].flatten(0, 1) @ up).view(last - first, -1, 2, 2, channels)
            raised = raised.transpose(1, 2).reshape(2 * (last - first), -1, channels)
            torch.add(fused, raised[:len(rows), :width], out=rows)
        return skip

    def _to_rgb(self, x: Tensor, image: Tensor, tile: Tile) -> Tensor:
        """Last convolution and the residual, (1, 3, H, W)."""
        conv, height, out = self.network.to_rgb, len(x), torch.empty_like(image)
        safeguards = self.network.safeguards
        limits = guard(image, safeguards, tile.confidence) if safeguards else None
        for first, last in strips(height, self._rows(x)):
            above, below = max(first - 1, 0), min(last + 1, height)
            rgb = conv(as_map(x[above:below]))[0, :, first - above:last - above]
            base = shown = image[:, :, first:last]
            if self.network.base == 'gamma':
                base = self.network.brightened(base, tile)
            if limits is None:
                torch.add(base[0], rgb, out=out[0, :, first:last])
            else:
                out[:, :, first:last] = guarded(shown, base, rgb[None].to(shown.dtype), limits.rows(first, last))
        return out
