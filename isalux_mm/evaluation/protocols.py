"""Named protocols: what a benchmark consists of, and how a result of another size becomes comparable.

A protocol is data: which references must have a result, which sizes results may have, and, where the benchmark's own
pictures were resampled, how a result of the original size is treated likewise.
"""
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from PIL import Image

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Protocol:
    """One protocol.

    Attributes:
        text: what it checks and does.
        references: names of all references without suffix or leading 'low', 'normal', 'high'; `None` for any.
        size: of the references.
        original: size of results that are resampled; `None` where none are.
        resampled: size they are resampled to.
        window: top, left, height and width of what is then cut out.
    """
    text: str
    references: tuple[str, ...] | None
    size: Size
    original: Size | None = None
    resampled: Size | None = None
    window: tuple[int, int, int, int] | None = None

    def fit(self, image: np.ndarray) -> np.ndarray:
        """A picture (H, W, 3) as it is, or, where it has the original's size, resampled and cut out.

        Resampling is Pillow's bicubic (antialiased) on floats, clipped to [0, 1].
        """
        if self.original is None or self.resampled is None or image.shape[:2] != self.original:
            return image
        height, width = self.resampled
        pictures = (Image.fromarray(image[..., k].astype(np.float32)) for k in range(3))
        channels = [np.asarray(p.resize((width, height), Image.Resampling.BICUBIC)) for p in pictures]
        top, left, height, width = self.window or (0, 0, height, width)
        return np.clip(np.stack(channels, axis=-1)[top:top + height, left:left + width], 0, 1).astype(np.float64)

    def size_after(self, size: Size) -> Size:
        """Size of what `fit` makes of a picture of a size."""
        if self.original is None or self.resampled is None or size != self.original:
            return size
        return self.window[2:] if self.window else self.resampled

    def check(self, references: Collection[str], scored: Collection[str], sizes: Collection[Size]) -> None:
        """Checks that the benchmark is there, and all of it has a result.

        Args:
            references: names of all references.
            scored: names of those with a result.
            sizes: of the references.

        Raises:
            ValueError: if one is missing, too many, or of another size.
        """
        if self.references is not None:
            for what, found in (('references', references), ('results', scored)):
                missing, others = sorted(set(self.references) - set(found)), sorted(set(found) - set(self.references))
                if missing or others:
                    raise ValueError(f'the protocol wants {what} of the {len(self.references)} pictures '
                                     f'{", ".join(self.references)}; missing: {", ".join(missing) or "none"}, '
                                     f'not of it: {", ".join(others) or "none"}')
        wrong = sorted(set(sizes) - {self.size})
        if wrong:
            raise ValueError(f'the protocol wants references of {self.size[1]}x{self.size[0]} pixels, got '
                             + ', '.join(f'{width}x{height}' for height, width in wrong))


PROTOCOLS = {
    'lol-v1': Protocol(
        'LOL-v1 (Wei et al., BMVC 2018), eval15: all of its 15 pairs and no others, by name; references and results '
        'of 600x400 pixels; nothing is resized',
        ('1', '22', '23', '55', '79', '111', '146', '179', '493', '547', '665', '669', '748', '778', '780'),
        (400, 600)),
    'lol-v2-panels': Protocol(
        'references of 446x296 pixels that were cut out of 600x400, as figures of papers show them: results of 600x400 '
        'are resampled to 448x299 (bicubic, antialiased), of which the window of 446x296 at x=1, y=2 is measured; '
        'results of 446x296 are measured as they are',
        None, (296, 446), (400, 600), (299, 448), (2, 1, 296, 446)),
}
