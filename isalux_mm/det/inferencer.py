"""`EnhancedDetInferencer`: mmdet's `DetInferencer`, drawing on the enhanced image, the input, or side by side."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmdet.apis import DetInferencer
from mmdet.structures import DetDataSample

from isalux_mm.chain.pictures import CHOICES, chain_of
from isalux_mm.det.hooks import draw_detections
from isalux_mm.functional.checks import check_choice
from isalux_mm.io.checkpoint_file import SWITCH, are_trusted
from isalux_mm.io.images import write_image
from isalux_mm.io.names import fitted, unused
from isalux_mm.io.whole_file import write_json
from isalux_mm.registry import INFERENCERS


@INFERENCERS.register_module()
class EnhancedDetInferencer(DetInferencer):
    """Runs an `EnhancedDetector` on images, as `DetInferencer` does, and draws where it is told to.

    Args:
        model: config file, its content, or name of a model; `None` takes the config inside a trusted checkpoint.
        weights: checkpoint of the chain, of the detector, or of the enhancer.
        device: 'cpu', 'cuda:0'; the first there is by default.
        scope: default scope of the config's types.
        palette: colours of the boxes, 'none' takes the data set's.
        show_progress: whether a bar is shown.
        draw_on: 'enhanced', 'input' or 'both'.

    Raises:
        ValueError: if `draw_on` is unknown, the model is no chain, or it is `None` and the checkpoint not trusted.
    """

    def __init__(self,
                 model: str | dict | None = None,
                 weights: str | None = None,
                 device: str | None = None,
                 scope: str | None = 'mmdet',
                 palette: str = 'none',
                 show_progress: bool = True,
                 *,
                 draw_on: str = 'enhanced'):
        check_choice(draw_on, CHOICES, 'draw_on')
        if model is None and not are_trusted():
            raise ValueError(f'model must be a config: the one that may be inside {weights} is code and is not run. If '
                             f'you trust its maker, see {SWITCH} (trusted_checkpoints() in Python)')
        super().__init__(model, weights, device, scope, palette, show_progress)
        self.draw_on = draw_on
        chain_of(self.model).keep_pictures = True

    def visualize(self,
                  inputs: Sequence[str | np.ndarray],
                  preds: Sequence[DetDataSample],
                  return_vis: bool = False,
                  show: bool = False,
                  wait_time: int = 0,
                  draw_pred: bool = True,
                  pred_score_thr: float = 0.3,
                  no_save_vis: bool = False,
                  img_out_dir: str = '') -> list[np.ndarray] | None:
        """As of `DetInferencer`: pictures (H, W, 3), uint8, RGB, returned, shown, or written to IMG_OUT_DIR/vis; one
        that would meet a file that is there gets a number."""
        save = bool(img_out_dir) and not no_save_vis
        if not (save or show or return_vis):
            return None
        results = []
        for source, sample in zip(inputs, preds):
            drawn = draw_detections(sample, self.draw_on, self.model.dataset_meta, score_thr=pred_score_thr,
                                    draw_pred=draw_pred)
            name = Path(source).name if isinstance(source, str) else f'{self.num_visualized_imgs:08d}.jpg'
            if save:
                write_image(unused(Path(img_out_dir) / 'vis' / name), drawn / np.float32(255))
            if show:
                self.visualizer.show(drawn, win_name=name, wait_time=wait_time)
            results.append(drawn)
            self.num_visualized_imgs += 1
        return results

    def pred2dict(self, data_sample: DetDataSample, pred_out_dir: str = '') -> dict:
        """As of `DetInferencer`; what would meet a file in PRED_OUT_DIR/preds gets a number."""
        result = super().pred2dict(data_sample)
        if pred_out_dir:
            path = data_sample.get('img_path')
            stem = Path(path).stem if path else str(self.num_predicted_imgs)
            self.num_predicted_imgs += not path
            folder = Path(pred_out_dir) / 'preds'
            if 'panoptic_seg' in result:
                target = unused(folder / fitted(stem, '_panoptic_seg.png'))
                write_image(target, result.pop('panoptic_seg') / np.float32(255))
                result['panoptic_seg_path'] = str(target)
            write_json(unused(folder / fitted(stem, '.json')), result)
        return result
