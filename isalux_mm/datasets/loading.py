"""Loading transforms: files to float32 RGB in [0, 1]."""
from mmcv.transforms import BaseTransform

from isalux_mm.functional.checks import check_choice
from isalux_mm.io.images import read_image
from isalux_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadImages(BaseTransform):
    """Reads `low` from `low_path` and `gt` from `gt_path`, whichever the sample has.

    Adds `low`, `gt`: (H, W, 3), float32, RGB in [0, 1] (see `io.images.read_image` for what is read), and
    `ori_shape`, `img_shape`: (H, W).

    Args:
        array_order: channel order of `.npy` files, 'rgb' or 'bgr' (SDSD's frames as published are BGR).

    Raises:
        ImageReadError: if a file is no readable picture.
        ValueError: if the two differ in size.
    """

    def __init__(self, array_order: str = 'rgb'):
        check_choice(array_order, ('rgb', 'bgr'), 'array_order')
        self.array_order = array_order

    def transform(self, results: dict) -> dict:
        for key in ('low', 'gt'):
            if results.get(f'{key}_path'):
                results[key] = read_image(results[f'{key}_path'], array_order=self.array_order)
        if 'low' in results and 'gt' in results and results['low'].shape != results['gt'].shape:
            raise ValueError(f'low and gt must have one size, got {results["low"].shape[:2]} of {results["low_path"]} '
                             f'and {results["gt"].shape[:2]} of {results["gt_path"]}')
        if 'low' not in results and 'gt' not in results:
            raise KeyError(f'LoadImages needs low_path or gt_path in the sample, got {sorted(results)}')
        image = results['low'] if 'low' in results else results['gt']
        results['ori_shape'] = results['img_shape'] = image.shape[:2]
        return results
