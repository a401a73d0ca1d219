"""ISALux: the network (arXiv 2508.17885), a U-shape on three scales with a global residual.

Widths and depths are ours (the paper gives 1.85 M parameters only): (24, 48, 96) channels, and most blocks at H / 4,
where a block's parameters cost the least time: arithmetic per parameter falls with the square of the scale.
"""
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from isalux_mm.functional.checks import check_choice, check_image
from isalux_mm.functional.illumination import prior_pyramid
from isalux_mm.functional.resizing import size_of
from isalux_mm.functional.safeguards import SAFEGUARDS, darkness_confidence, guard, guarded, mean_luma
from isalux_mm.functional.tiling import interpolate_window
from isalux_mm.functional.visible import seen
from isalux_mm.models.base import EnhancementNetwork
from isalux_mm.models.blocks import Downsample, PriorAdapter, TransformerBlock, UpsampleFuse
from isalux_mm.models.gates import Routing
from isalux_mm.models.statistics import Tile
from isalux_mm.registry import MODELS

BASES = ('input', 'gamma')
TARGET_LUMA = 0.45  # mean luma of LOL's references, rounded
GAMMA_RANGE = (0.2, 1.0)  # ours


@MODELS.register_module()
class ISALux(EnhancementNetwork):
    """Illumination- and semantics-aware low-light enhancement network.

    Input (B, 3, H, W), RGB in [0, 1], any size from 1 x 1; output of the same size, RGB, not clamped (clamped by
    `LowLightEnhancer.predict` alone).

    Args:
        embed_dims: channels at H, H / 2, H / 4 (ours; paper silent).
        depths: blocks of the encoder at H, H / 2 and of the bottleneck at H / 4; the decoder mirrors the encoder.
        num_heads: attention heads at each scale.
        illumination_prior: config of a prior with one channel, or of `NoPrior`.
        semantic_prior: config of a prior of class probabilities, or of `NoPrior`.
        attention: config of a registered attention.
        ffn: config of a registered feed-forward.
        base: what the residual is added to: 'input' (the paper's form), or 'gamma' (ours), the input under a power
            law that brings its mean luma to about 0.45.
        brightened_input: show the first layer that brightened image beside the input (ours).
        safeguards: any of 'fade', 'gray' and 'black' (ours; paper silent), see `functional.safeguards`: a well-lit
            image stays as it is, grey stays grey, black stays black; none of them in the paper's form.
        with_checkpointing: recompute blocks in backward: less memory, more time.
        init_cfg: mmengine's initialization config.

    Raises:
        ValueError: if the lengths of `embed_dims`, `depths` and `num_heads` differ, or `base` or a safeguard is
            unknown.
    """

    def __init__(self,
                 embed_dims: Sequence[int] = (24, 48, 96),
                 depths: Sequence[int] = (1, 2, 6),
                 *,
                 num_heads: Sequence[int] = (1, 2, 4),
                 illumination_prior: dict = dict(type='MaxChannelPrior'),
                 semantic_prior: dict = dict(type='TorchvisionSemanticPrior'),
                 attention: dict = dict(type='HISAAttention'),
                 ffn: dict = dict(type='MoEFFN'),
                 base: str = 'input',
                 brightened_input: bool = False,
                 safeguards: Sequence[str] = (),
                 with_checkpointing: bool = False,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if not len(embed_dims) == len(depths) == len(num_heads) >= 1:
            raise ValueError('embed_dims, depths and num_heads must name the same scales, '
                             f'got {tuple(embed_dims)}, {tuple(depths)}, {tuple(num_heads)}')
        check_choice(base, BASES, 'base')
        for safeguard in safeguards:
            check_choice(safeguard, SAFEGUARDS, 'safeguards')
        self.safeguards = tuple(safeguards)
        self.base, self.brightened_input, self.with_checkpointing = base, brightened_input, with_checkpointing
        self.num_scales = len(embed_dims)
        self.illumination_prior = MODELS.build(illumination_prior)
        self.semantic_prior = MODELS.build(semantic_prior)
        self.illumination_adapters = self._adapters(self.illumination_prior.out_channels, embed_dims)
        self.semantic_adapters = self._adapters(self.semantic_prior.out_channels, embed_dims)

        def stage(scale: int) -> nn.ModuleList:
            return nn.ModuleList(
                TransformerBlock(embed_dims[scale], num_heads[scale], attention=attention, ffn=ffn)
                for _ in range(depths[scale]))

        steps = list(zip(embed_dims[:-1], embed_dims[1:]))
        self.embed = nn.Conv2d(6 if brightened_input else 3, embed_dims[0], 3, padding=1)
        self.encoder = nn.ModuleList(stage(k) for k in range(self.num_scales - 1))
        self.downs = nn.ModuleList(Downsample(c, c_next) for c, c_next in steps)
        self.bottleneck = stage(self.num_scales - 1)
        self.ups = nn.ModuleList(UpsampleFuse(c_next, c) for c, c_next in steps)
        self.decoder = nn.ModuleList(stage(k) for k in range(self.num_scales - 1))
        self.to_rgb = nn.Conv2d(embed_dims[0], 3, 3, padding=1)

    @staticmethod
    def _adapters(in_channels: int, embed_dims: Sequence[int]) -> nn.ModuleList | None:
        return nn.ModuleList(PriorAdapter(in_channels, c) for c in embed_dims) if in_channels else None

    def forward(self, image: Tensor, *, tile: Tile | None = None) -> Tensor:
        """Enhances images (B, 3, H, W), RGB in [0, 1]; same size, not clamped.

        Args:
            image: whole images, or one tile of each.
            tile: from `whole` and where the tile lies in it; `None` for whole images.
        """
        return self.forward_with_routing(image, tile=tile)[0]

    def forward_with_routing(self, image: Tensor, *, tile: Tile | None = None) -> tuple[Tensor, list[Routing]]:
        """As `forward`, and the routing of every mixture layer, encoder to decoder."""
        check_image(image, 'B 3 H W')
        routings: list[Routing] = []
        tile = self.whole(image) if tile is None else tile
        priors = self.prior_features(image, tile)
        brightened = self.brightened(image, tile)
        x = self.embed(torch.cat([image, brightened], dim=1) if self.brightened_input else image)
        x = x.contiguous(memory_format=torch.channels_last)
        skips = []
        for k, (stage, down) in enumerate(zip(self.encoder, self.downs)):
            x = self._run(stage, x, priors[k], routings)
            skips.append(x)
            x = down(x)
        x = self._run(self.bottleneck, x, priors[-1], routings)
        for k in reversed(range(self.num_scales - 1)):
            x = self._run(self.decoder[k], self.ups[k](x, skips[k]), priors[k], routings)
        base, residual = brightened if self.base == 'gamma' else image, self.to_rgb(x)
        if self.safeguards:
            return guarded(image, base, residual, guard(image, self.safeguards, tile.confidence)), routings
        return base + residual, routings

    def blocks(self) -> list[nn.Module]:
        """The transformer blocks, encoder to decoder."""
        stages = [*self.encoder, self.bottleneck, *reversed(self.decoder)]
        return [block for stage in stages for block in stage.children()]

    def whole(self, image: Tensor) -> Tile:
        """What is computed from whole images (B, 3, H, W) only: class probabilities, exponent and confidence."""
        counted = seen(image, None if self.visible is None else self.visible.weights)
        exponent = gamma_exponent(counted) if self.brightened_input or self.base == 'gamma' else None
        confidence = darkness_confidence(counted) if 'fade' in self.safeguards else None
        return Tile(size_of(image), 0, 0, self.semantic_prior(image), exponent, confidence)

    def brightened(self, image: Tensor, tile: Tile) -> Tensor:
        """The image under the power law of its whole, or as it is where nothing needs that."""
        return image if tile.exponent is None else brighten(image, tile.exponent)

    def prior_features(self, image: Tensor, tile: Tile | None = None) -> list[tuple[Tensor | None, Tensor | None]]:
        """FP_i^k and FP_s^k of every scale, (B, C_k, H_k, W_k) or `None` (Eqs. 2 to 4). Arguments as of `forward`."""
        tile = self.whole(image) if tile is None else tile
        illumination = self.illumination_prior(image)
        levels = prior_pyramid(image[:, :1] if illumination is None else illumination, self.num_scales)
        features: list[Tensor | None] = [None] * self.num_scales
        if self.illumination_adapters is not None:
            features = [adapt(level) for adapt, level in zip(self.illumination_adapters, levels)]
        if self.semantic_adapters is None or tile.semantics is None:
            return [(f, None) for f in features]
        places = [tile.at_scale(k, size_of(level)) for k, level in enumerate(levels)]
        maps = [interpolate_window(tile.semantics, size, window) for size, window in places]
        return list(zip(features, (adapt(m) for adapt, m in zip(self.semantic_adapters, maps))))

    def _run(self, stage: nn.Module, x: Tensor, priors: tuple[Tensor | None, Tensor | None],
             routings: list[Routing]) -> Tensor:
        """Runs a stage and collects the routing of its blocks."""
        for block in stage.children():
            if self.with_checkpointing and torch.is_grad_enabled():
                x, routing = checkpoint(block, x, *priors, use_reentrant=False)
            else:
                x, routing = block(x, *priors)
            if routing is not None:
                routings.append(routing)
        return x


def gamma_exponent(image: Tensor) -> Tensor:
    """The exponent that would bring a flat image of the mean luma to 0.45, within [0.2, 1] (ours).

    image: (B, 3, H, W), RGB in [0, 1]; returns (B, 1, 1, 1).
    """
    mean = mean_luma(image).clamp(1e-3, 1 - 1e-3)
    return (math.log(TARGET_LUMA) / mean.log()).clamp(*GAMMA_RANGE).to(image.dtype)


def brighten(image: Tensor, exponent: Tensor) -> Tensor:
    """The power law on images (B, 3, H, W), RGB in [0, 1], with exponents (B, 1, 1, 1); finite slope at black."""
    return image.clamp_min(1e-4)**exponent


def gamma_brightened(image: Tensor) -> Tensor:
    """`brighten` with `gamma_exponent`: a flat image comes to a luma of 0.45."""
    return brighten(image, gamma_exponent(image))
