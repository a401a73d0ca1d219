"""`ISALuxNeck`: an enhancement network as the preprocessing neck of a detector or segmentor."""
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor

from isalux_mm.chain.fade import AUTO, checked_fade, faded
from isalux_mm.functional.bilateral_grid import LEVELS, lightness
from isalux_mm.functional.checks import check_choice, check_image
from isalux_mm.functional.compiling import is_compilable
from isalux_mm.functional.noise_removal import noise_at, noise_levels
from isalux_mm.functional.quick_noise_removal import noise_of
from isalux_mm.functional.resizing import reduced_size, size_of
from isalux_mm.functional.safeguards import confidence_by, light
from isalux_mm.inference.fast import MODES, FastNetwork
from isalux_mm.model_zoo import find_weights
from isalux_mm.models.base import build_network, routed
from isalux_mm.models.enhancer import run_unpadded
from isalux_mm.models.gates import Routing
from isalux_mm.models.pretrained import check_shapes, load_weights
from isalux_mm.models.statistics import Tile
from isalux_mm.registry import MODELS, SCOPE

PREFIX = 'network.'  # of the network's weights in the checkpoint of a `LowLightEnhancer`
WINDOW = 9  # ours: side of the window of the local linear fit, pixels of the reduced image
NOISE_VARIANCE = 1e-4  # ours: contrast below a standard deviation of 0.01 is taken for noise, the gain holds there
BLACK = 1 / 255  # ours: bounds the gain of black areas


@MODELS.register_module()
class ISALuxNeck(BaseModule):
    """Enhances images ahead of a detector or segmentor: (B, 3, H, W), RGB in [0, 1], same size out.

    At a reduced resolution the network's result is carried to the full one by local linear maps, as of the fast
    guided filter (He and Sun, 2015): out = a I + b per pixel and channel, fitted in windows of the reduced pair and
    interpolated. Detail and edges come from the full-resolution image itself, so there are no halos of a blurred gain
    map; no parameters, any network, gradients pass. Where a window has no contrast the fit falls back to the gain.
    The picture's own noise would be amplified with its detail, so it is removed again (`functional.noise_removal`),
    which a network at full resolution does itself. A network that changes nothing changes nothing at any resolution.

    A picture that is well lit passes as it is, bit for bit, and where no gradient is wanted the network does not even
    run for it: `fade`.

    Args:
        network: config of a registered enhancement network, or the name of a packaged model: its network, and, if
            there is no `checkpoint`, its weights.
        checkpoint: weights of a `LowLightEnhancer` or of the bare network: a file, or the name of a packaged model.
            Read when the neck is built; a missing file is an error only when images arrive before other weights do,
            so that a checkpoint of the whole chain can be used without it.
        frozen: no gradient, no graph, eval mode that survives `.train()`.
        work_short_side: the network sees larger images reduced to this shorter side; `None` for full resolution in mode
            'full', for a size by the picture's own in mode 'fast'.
        mode: 'full', or 'fast', of which `inference.fast` tells: the network sees a small copy of a size of its own
            choice, or of `work_short_side`; maps of colour by place and lightness carry its result, not lines by
            channel. Gradients pass.
        denoise: whether noise that is amplified at full resolution, in fast mode or behind `work_short_side`, is
            removed.
        clamp_output: clamp to [0, 1]. Clipped pixels pass no gradient in joint training, hence not by default.
        fade: two values of a picture's `light` (`functional.safeguards`): up to the first it gets the whole change,
            from the second on none. 'auto' takes those that were measured, see `chain.fade`; `None` enhances every one.
        init_cfg: mmengine's initialization config.

    Raises:
        ValueError: if `work_short_side` is below 1, `mode` is unknown, `fade` is none of these, or no key of the
            checkpoint matches; in forward, if the network changes the size.
        FileNotFoundError: in forward, if `checkpoint` does not exist and no weights were loaded since.
    """

    def __init__(self,
                 network: dict | str = dict(type='ISALux'),
                 checkpoint: str | None = None,
                 *,
                 frozen: bool = False,
                 work_short_side: int | None = None,
                 mode: str = 'full',
                 denoise: bool = True,
                 clamp_output: bool = False,
                 fade: Sequence[float] | Literal['auto'] | None = AUTO,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if work_short_side is not None and work_short_side < 1:
            raise ValueError(f'work_short_side must be at least 1 or None, got {work_short_side}')
        check_choice(mode, MODES, 'mode')
        # the default scope of a config that has a neck is the task's
        self.network = build_network(network if isinstance(network, str) else {'_scope_': SCOPE, **network})
        if checkpoint is None and isinstance(network, str):
            checkpoint = network
        self.checkpoint, self.frozen = checkpoint, frozen
        self.work_short_side, self.mode, self.denoise = work_short_side, mode, denoise
        self.clamp_output, self.fade = clamp_output, checked_fade(fade)
        self.lacks_weights = False
        self.last_routings: list[Routing] = []
        if checkpoint is not None:
            self._load_checkpoint(checkpoint)
        if frozen:
            self.requires_grad_(False)
            self.eval()

    def _load_checkpoint(self, name: str) -> None:
        path = find_weights(name)
        self.lacks_weights = not path.is_file()
        if self.lacks_weights:
            print_log(f'{type(self).__name__}: {path} does not exist; weights must come from another checkpoint',
                      logger='current')
        else:
            load_weights(self.network, path, name=f'{type(self).__name__}.network', prefix=PREFIX)

    def init_weights(self) -> None:
        """Initializes the network, unless a checkpoint has given its weights."""
        if self.checkpoint is None:
            super().init_weights()
        self._is_init = True

    def train(self, mode: bool = True) -> 'ISALuxNeck':
        """A frozen neck stays in eval mode."""
        return super().train(mode and not self.frozen)

    def forward(self, images: Tensor, valid_sizes: Sequence[tuple[int, int]] | None = None) -> Tensor:
        """Enhances every image without its padding: each gets the result that it has alone.

        Args:
            images: (B, 3, H, W), RGB in [0, 1], padded at right and bottom.
            valid_sizes: (h, w) of every image; the whole by default.

        Returns:
            (B, 3, H, W), RGB, zero outside the valid sizes.
        """
        check_image(images, 'B 3 H W', 'images')
        if self.lacks_weights:
            raise FileNotFoundError(f'checkpoint of the enhancer must be an existing file, got {self.checkpoint}, '
                                    'and no other checkpoint with weights of the enhancer was loaded')
        sizes = [size_of(images)] * len(images) if valid_sizes is None else list(valid_sizes)
        if len(sizes) != len(images):
            raise ValueError(f'valid_sizes must have one (h, w) per image, {len(images)}, got {len(sizes)}')
        self.last_routings = []
        if self.frozen:
            with torch.no_grad():
                return run_unpadded(self.enhance, images, sizes)
        return run_unpadded(self.enhance, images, sizes)

    def enhance(self, image: Tensor) -> Tensor:
        """Enhances images (b, 3, h, w) without padding, as far as they are dark."""
        if self.fade is None:
            return self._enhanced(image)
        lit = light(image)
        share = confidence_by(lit, self.fade).to(image.dtype)
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or torch.jit.is_tracing():
            return faded(image, self._enhanced(image, lit), share)  # whatever the light is
        if bool((share >= 1).all()):
            return self._enhanced(image, lit)
        dark = share.flatten().nonzero().flatten()
        if len(dark) == len(image):
            return faded(image, self._enhanced(image, lit), share)
        if not len(dark):
            return image
        mixed = faded(image[dark], self._enhanced(image[dark], lit[dark]), share[dark])
        return image.to(mixed.dtype).index_copy(0, dark, mixed)

    def _enhanced(self, image: Tensor, lit: Tensor | None = None) -> Tensor:
        """The network's result, carried over from the working resolution; `lit` is the images' `light`."""
        if self.mode == 'fast':
            enhanced = self._fast(image, lit)
            return enhanced.clamp(0, 1) if self.clamp_output else enhanced
        reduced = self._reduced(image)
        enhanced = self._run(reduced)
        if enhanced.shape != reduced.shape:
            raise ValueError(f'the enhancement network must keep the size: {tuple(reduced.shape)} went in, '
                             f'{tuple(enhanced.shape)} came out of {type(self.network).__name__}')
        if reduced is not image:
            enhanced = carry_over(reduced, enhanced, image, denoise=self.denoise)
        return enhanced.clamp(0, 1) if self.clamp_output else enhanced

    def _reduced(self, image: Tensor) -> Tensor:
        if self.work_short_side is None:
            return image
        own = size_of(image)
        size = reduced_size(*own, self.work_short_side)
        if size == own and not torch.compiler.is_compiling():
            return image
        return F.interpolate(image, size=size, mode='bilinear', align_corners=False, antialias=True)

    def _fast(self, image: Tensor, lit: Tensor | None) -> Tensor:
        # not kept: the network is the neck's
        fast = FastNetwork(self.network, short_side=self.work_short_side, denoise=self.denoise, compiled=True)
        small = fast.reduced(image)
        return fast.render(image, fast.fitted(image, small, self._run(small, fast.whole(image, small, lit=lit))))

    def _run(self, image: Tensor, tile: Tile | None = None) -> Tensor:
        """Runs the network; keeps its routing where there is one to be balanced."""
        if not self.training:
            return self.network(image) if tile is None else self.network(image, tile=tile)
        enhanced, routings = routed(self.network, image, tile)
        self.last_routings = joined(self.last_routings, routings)
        return enhanced

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        """A checkpoint of another width gives one clear error, under non-strict loading too."""
        own = {prefix + key: value for key, value in self.state_dict().items()}
        check_shapes(own, state_dict, name=f'checkpoint for {type(self).__name__}')
        if any(key in state_dict for key in own):
            self.lacks_weights = False
        super()._load_from_state_dict(state_dict, prefix, *args)


def joined(known: list[Routing], new: list[Routing]) -> list[Routing]:
    """Routing of two groups of images as of one, layer by layer."""
    return [Routing(*map(torch.cat, zip(a, b))) for a, b in zip(known, new)] if known else list(new)


def carry_over(reduced: Tensor, enhanced: Tensor, image: Tensor, *, denoise: bool = False) -> Tensor:
    """Applies the change from `reduced` to `enhanced` to the full-resolution image (fast guided filter; the
    fall-back to the gain and the weighted average are ours).

    In every window the line a x + b is fitted from `reduced` to `enhanced`, with a drawn towards the ratio of the
    means; a and b are averaged, windows with contrast first, since flat ones know nothing of the other side of an
    edge, and interpolated.

    Args:
        reduced: (B, 3, h, w), the image at the working resolution.
        enhanced: (B, 3, h, w), the network's result.
        image: (B, 3, H, W).
        denoise: whether the noise that the lines add by their slope is removed.

    Returns:
        (B, 3, H, W); equal to `image` where `enhanced` is `reduced`.
    """
    dtype = torch.promote_types(enhanced.dtype, torch.float32)
    x, y = reduced.to(dtype), enhanced.to(dtype)
    with torch.autocast(x.device.type, enabled=False):
        mean_x, mean_y = window_mean(x), window_mean(y)
        covariance = window_mean(x * y) - mean_x * mean_y
        variance = window_mean(x * x) - mean_x**2
        gain = (mean_y + BLACK) / (mean_x + BLACK)
        slope = (covariance + NOISE_VARIANCE * gain) / (variance + NOISE_VARIANCE)
        trust = variance.clamp_min(0) + NOISE_VARIANCE
        parts = [window_mean(trust * part) / window_mean(trust) for part in (slope, mean_y - slope * mean_x)]
        lines = F.interpolate(torch.cat(parts, dim=1), size=image.shape[-2:], mode='bilinear', align_corners=False)
        slope, intercept = lines.chunk(2, dim=1)
        bright = slope * image + intercept
        if denoise:
            full = image.to(dtype)
            noise = noise_at(noise_levels([full], LEVELS, compiled=is_compilable(full)), lightness(full))
            added = (slope.mean(dim=1, keepdim=True) - 1).clamp_min(0)
            bright = bright - noise_of(bright, added * noise)
        return bright.to(enhanced.dtype)


def window_mean(x: Tensor) -> Tensor:
    """Mean in a square window around every pixel, of the pixels inside the image."""
    return F.avg_pool2d(x, WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False)
