"""Darkness for segmentation data: `DarkenImage` in mmseg pipelines, the bright original packed as the reference."""
from mmseg.datasets.transforms import PackSegInputs

from isalux_mm.datasets.darkening import as_rgb_tensor, packed_reference
from isalux_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackDarkSegInputs(PackSegInputs):
    """`PackSegInputs` that packs `reference_img` too: `data_sample.reference_img`, (3, H, W), uint8, RGB.

    Place `DarkenImage` after everything that moves pixels, so that the reference has the size of the image.

    Raises:
        KeyError: in transform, if there is no `reference_img`.
        ValueError: in transform, if its size is not the image's.
    """

    def transform(self, results: dict) -> dict:
        packed = super().transform(results)
        reference = packed_reference(results, 'PackDarkSegInputs')
        if reference.shape != results['img'].shape:
            raise ValueError(f"reference_img must have the shape of img, {results['img'].shape}, got "
                             f'{reference.shape}; was the image moved after it was made dark?')
        packed['data_samples'].set_data(dict(reference_img=as_rgb_tensor(reference)))
        return packed
