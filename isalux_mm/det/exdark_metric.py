"""ExDark's metric: COCO and VOC figures of the whole set, and by lighting type and indoor/outdoor, in one table."""
from collections.abc import Sequence
from io import StringIO

import numpy as np
from mmdet.evaluation import CocoMetric
from mmdet.evaluation.functional.mean_ap import average_precision, eval_map
from mmengine.logging import MMLogger
from rich import box
from rich.console import Console
from rich.table import Table

from isalux_mm.det.detections import Detections, matched
from isalux_mm.det.exdark import EXDARK_IN_OUT, EXDARK_LIGHTING, read_exdark_info
from isalux_mm.det.intervals import group_weights, resampled
from isalux_mm.functional.average_precision import SEED, interval
from isalux_mm.registry import METRICS

MAX_DETECTIONS = (1, 10, 100)  # pycocotools' own; mmdet's (100, 300, 1000) change AP50 on crowded images
VOC_MODES = ('area', '11points')
LOG_WIDTH = 120  # of the console that tables are drawn for
GROUPS = dict(lighting=EXDARK_LIGHTING, in_out=EXDARK_IN_OUT)


@METRICS.register_module()
class ExDarkMetric(CocoMetric):
    """COCO mAP and AP50, VOC mAP50, and mAP and AP50 by lighting type and by indoor/outdoor.

    Figures are pycocotools', unrounded, with 100 detections an image. VOC mAP50 is mmdet's `eval_map` at an overlap of
    0.5 in both modes: `area` (VOC 2010 and later: mmdet's default for datasets of one's own, and what FRBNet's ExDark
    configs state) and `11points` (VOC 2007). A paper that says mAP50 and no more means one of these, not COCO's AP50.
    A group without images or boxes is NaN. With `resamples` each of COCO's figures has its 95% interval, keys `..._low`
    and `..._high`, by bootstrap over the images of the group.

    The split and the subset come from the annotation file and stand in the table's title; the split also in every
    key: `exdark/official/bbox_mAP`, `exdark/80-20/voc_mAP50_area`, `exdark/official/lighting/Low_mAP`,
    `exdark/official/in_out/Indoor_mAP_50`.

    Args:
        ann_file: COCO file of `tools/dataset_converters/exdark2coco.py`.
        resamples: sets of images that are drawn for the intervals; 0 gives none, which saves a validation some seconds.
        classwise: also COCO's figures by class, and `voc_AP50/<class>` (area mode).
        outfile_prefix: where the detections are kept as JSON; `None` keeps none.
        backend_args: of mmengine's file reading.
        collect_device: `'cpu'` or `'gpu'`.
        prefix: of the keys; `None` is `exdark/<split>`.
    """

    def __init__(self,
                 ann_file: str,
                 *,
                 resamples: int = 0,
                 classwise: bool = False,
                 outfile_prefix: str | None = None,
                 backend_args: dict | None = None,
                 collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        if resamples < 0:
            raise ValueError(f'resamples must be at least 0, got {resamples}')
        self.exdark, self.resamples = read_exdark_info(ann_file, backend_args), resamples
        super().__init__(
            ann_file=ann_file,
            classwise=classwise,
            proposal_nums=MAX_DETECTIONS,
            outfile_prefix=outfile_prefix,
            backend_args=backend_args,
            collect_device=collect_device,
            prefix=prefix or f"exdark/{self.exdark['split'].replace('/', '-')}")

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Figures of all results; see the class.

        Raises:
            ValueError: if the dataset says another split than the annotation file.
        """
        for name, value in self.exdark.items():
            if self.dataset_meta.get(name, value) != value:
                raise ValueError(f'{name} must be that of the dataset, {self.dataset_meta[name]!r}, '
                                 f'got an annotation file of {value!r}')
        metrics = dict(super().compute_metrics(results))
        predictions = [prediction for _, prediction in results]
        metrics |= self._coco_figures(self._detections(predictions)) | self._voc_figures(predictions)
        self._log(metrics)
        return metrics

    @property
    def image_groups(self) -> dict[str, list[int]]:
        """Ids of the images by group: 'lighting/Low', 'in_out/Indoor'."""
        return {f'{group}/{name}': [i for i, image in self._coco_api.imgs.items() if image[group] == name]
                for group, names in GROUPS.items() for name in names}

    def _detections(self, predictions: Sequence[dict]) -> Detections:
        """Predictions of all images."""
        parts = [np.concatenate([np.asarray(p[name]) for p in predictions]) for name in ('labels', 'scores', 'bboxes')]
        images = np.repeat([p['img_id'] for p in predictions], [len(p['labels']) for p in predictions])
        return Detections(images, np.array(self.cat_ids)[parts[0].astype(int)], parts[1], parts[2].reshape(-1, 4))

    def _coco_figures(self, detections: Detections) -> dict[str, float]:
        """mAP and AP50 of all images and of every group; NaN where they hold no box to find."""
        images = sorted(self._coco_api.imgs)
        matches, figures = matched(self, detections, images), {}
        for group, members in {'': images, **self.image_groups}.items():
            prefix = f'{group}_' if group else 'bbox_'
            weights = group_weights(images, members, resamples=self.resamples, seed=SEED)
            for figure, name in (('AP', 'mAP'), ('AP50', 'mAP_50')):
                values = np.full(1, np.nan) if weights is None else resampled(
                    {figure: matches[figure]}, {group: weights})[figure][group]
                figures[f'{prefix}{name}'] = float(values[0])
                if self.resamples:
                    figures[f'{prefix}{name}_low'], figures[f'{prefix}{name}_high'] = interval(values[1:])
        return figures

    def _voc_figures(self, predictions: Sequence[dict]) -> dict[str, float]:
        """VOC mAP50 in both modes; with `classwise` every class's AP50."""
        classes = self.dataset_meta['classes']
        found = [[
            np.hstack([p['bboxes'], p['scores'][:, None]])[p['labels'] == label] for label in range(len(classes))
        ] for p in predictions]
        truth = [self._voc_truth(p['img_id']) for p in predictions]
        _, by_class = eval_map(found, truth, iou_thr=0.5, dataset=classes, logger='silent', nproc=1)
        figures = {}
        for mode in VOC_MODES:
            aps = [average_precision(c['recall'], c['precision'], mode) for c in by_class if c['num_gts'] > 0]
            figures[f'voc_mAP50_{mode}'] = float(np.mean(aps)) if aps else float('nan')
        if self.classwise:
            figures.update({f'voc_AP50/{name}': float(c['ap']) for name, c in zip(classes, by_class)})
        return figures

    def _voc_truth(self, image_id: int) -> dict[str, np.ndarray]:
        """Boxes of an image in the form of `eval_map`; crowd boxes are to be ignored."""
        truth = self._coco_api.loadAnns(self._coco_api.getAnnIds(imgIds=[image_id], catIds=self.cat_ids))
        boxes = np.array([a['bbox'] for a in truth], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = np.array([self.cat_ids.index(a['category_id']) for a in truth], int)
        crowd = np.array([a.get('iscrowd', 0) for a in truth], bool)
        return dict(
            bboxes=boxes[~crowd], labels=labels[~crowd], bboxes_ignore=boxes[crowd], labels_ignore=labels[crowd])

    def _log(self, metrics: dict[str, float]) -> None:
        images = self._coco_api.imgs.values()
        rows = [['all', '', len(images), *self._of(metrics, 'bbox_')]]
        rows += [['all', f'VOC {mode}', len(images), '', metrics[f'voc_mAP50_{mode}']] for mode in VOC_MODES]
        rows += [[group, name, sum(image[group] == name for image in images), *self._of(metrics, f'{group}/{name}_')]
                 for group, names in GROUPS.items() for name in names]
        cells = [[f'{cell:.3f}' if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
        title = f"ExDark, split {self.exdark['split']}, {self.exdark['subset']}"
        MMLogger.get_current_instance().info('\n' + drawn_table(title, ('group', 'of', 'images', 'mAP', 'AP50'), cells))


    @staticmethod
    def _of(metrics: dict[str, float], prefix: str) -> list[str]:
        """mAP and AP50 of a group, with their intervals where there are any."""
        cells = []
        for name in ('mAP', 'mAP_50'):
            ends = [f'{metrics[f"{prefix}{name}_{end}"]:.3f}' for end in ('low', 'high')
                    if f'{prefix}{name}_{end}' in metrics]
            cells.append(f'{metrics[f"{prefix}{name}"]:.3f}' + (f' [{" to ".join(ends)}]' if ends else ''))
        return cells


def drawn_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in plain characters, as wide as its cells."""
    table = Table(*header, box=box.ASCII2)
    for row in rows:
        table.add_row(*row)
    text = StringIO()
    Console(file=text, width=LOG_WIDTH, color_system=None, markup=False).print(title, table, sep='\n')
    return text.getvalue().rstrip()
