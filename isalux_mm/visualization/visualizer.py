"""mmengine's visualizer for pairs: a data sample becomes a panel of input | output | reference."""
from collections.abc import Sequence

import numpy as np
from mmengine.dist import master_only
from mmengine.visualization import Visualizer

from isalux_mm.registry import VISUALIZERS
from isalux_mm.structures import EnhanceDataSample
from isalux_mm.visualization.panels import side_by_side, to_array

CAPTIONS = dict(low_img='input', pred_img='output', gt_img='reference')


@VISUALIZERS.register_module()
class EnhanceVisualizer(Visualizer):
    """Draws panels and hands them to its backends.

    Args:
        name: as mmengine's.
        vis_backends: as mmengine's.
        save_dir: as mmengine's.
        max_side: longest side of each picture in a panel; `None` leaves them as they are.
    """

    def __init__(self,
                 name: str = 'visualizer',
                 vis_backends: Sequence[dict] | None = None,
                 save_dir: str | None = None,
                 *,
                 max_side: int | None = 480):
        super().__init__(name, vis_backends=vis_backends, save_dir=save_dir)
        self.max_side = max_side

    @master_only
    def add_datasample(self,
                       name: str,
                       image: np.ndarray | None,
                       data_sample: EnhanceDataSample,
                       draw_gt: bool = True,
                       draw_pred: bool = True,
                       show: bool = False,
                       wait_time: int = 0,
                       step: int = 0) -> None:
        """Adds the panel of a sample.

        Args:
            name: under which the backends file it.
            image: (H, W, 3), RGB, uint8, stands for the input where the sample has no `low_img`.
            data_sample: with any of `low_img`, `pred_img`, `gt_img`.
            draw_gt: with the reference.
            draw_pred: with the output.
            show: open a window.
            wait_time: seconds that the window stays, 0 for ever.
            step: iteration.
        """
        pictures = {} if image is None else dict(input=image)
        hidden = {'gt_img': not draw_gt, 'pred_img': not draw_pred}
        for field, caption in CAPTIONS.items():
            if field in data_sample and not hidden.get(field):
                pictures[caption] = to_array(data_sample.get(field))
        panel = side_by_side(pictures, max_side=self.max_side)
        if show:
            self.show(panel, win_name=name, wait_time=wait_time)
        self.add_image(name, panel, step=step)
