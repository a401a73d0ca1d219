"""ExDark's metric: COCO and VOC figures of the whole set, and by lighting type and indoor/outdoor, in one table."""
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
from mmdet.datasets.api_wrappers import COCOeval
from mmdet.evaluation import CocoMetric
from mmdet.evaluation.functional.mean_ap import average_precision, eval_map
from mmengine.logging import MMLogger
from rich import box
from rich.console import Console
from rich.table import Table

from isalux_mm.det.exdark import EXDARK_IN_OUT, EXDARK_LIGHTING, read_exdark_info
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
    A group without images or boxes is NaN.

    The split and the subset come from the annotation file and stand in the table's title; the split also in every
    key: `exdark/official/bbox_mAP`, `exdark/80-20/voc_mAP50_area`, `exdark/official/lighting/Low_mAP`,
    `exdark/official/in_out/Indoor_mAP_50`.

    Args:
        ann_file: COCO file of `tools/dataset_converters/exdark2coco.py`.
        classwise: also COCO's figures by class, and `voc_AP50/<class>` (area mode).
        outfile_prefix: where the detections are kept as JSON; `None` keeps none.
        backend_args: of mmengine's file reading.
        collect_device: `'cpu'` or `'gpu'`.
        prefix: of the keys; `None` is `exdark/<split>`.
    """

    def __init__(self,
                 ann_file: str,
                 *,
                 classwise: bool = False,
                 outfile_prefix: str | None = None,
                 backend_args: dict | None = None,
                 collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        self.exdark = read_exdark_info(ann_file, backend_args)
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
        detections = self._detections(predictions)
        images = self._coco_api.imgs
        metrics['bbox_mAP'], metrics['bbox_mAP_50'] = self._coco_figures(detections, list(images))
        metrics.update(self._voc_figures(predictions))
        for group, names in GROUPS.items():
            for name in names:
                members = [i for i, image in images.items() if image[group] == name]
                metrics[f'{group}/{name}_mAP'], metrics[f'{group}/{name}_mAP_50'] = self._coco_figures(
                    detections, members)
        self._log(metrics)
        return metrics

    def _detections(self, predictions: Sequence[dict]) -> list[dict]:
        """Predictions in COCO's form."""
        return [
            dict(image_id=p['img_id'], bbox=self.xyxy2xywh(box), score=float(score), category_id=self.cat_ids[label])
            for p in predictions for box, score, label in zip(p['bboxes'], p['scores'], p['labels'])
        ]

    def _coco_figures(self, detections: list[dict], image_ids: list[int]) -> tuple[float, float]:
        """mAP and AP50 of some of the images; NaN where they hold no box to find."""
        wanted = set(image_ids)
        truth = self._coco_api.getAnnIds(imgIds=image_ids, catIds=self.cat_ids, iscrowd=False) if wanted else []
        if not truth:
            return float('nan'), float('nan')
        found = [detection for detection in detections if detection['image_id'] in wanted]
        if not found:
            return 0.0, 0.0
        with redirect_stdout(StringIO()):  # pycocotools prints its progress
            evaluation = COCOeval(self._coco_api, self._coco_api.loadRes(found), 'bbox')
            evaluation.params.imgIds, evaluation.params.catIds = image_ids, self.cat_ids
            evaluation.params.maxDets = list(self.proposal_nums)
            evaluation.evaluate()
            evaluation.accumulate()
        precision = evaluation.eval['precision'][:, :, :, 0, -1]  # (overlap, recall, class), all areas, 100 detections
        half = precision[0]
        return float(precision[precision > -1].mean()), float(half[half > -1].mean())

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
        rows = [['all', '', len(images), metrics['bbox_mAP'], metrics['bbox_mAP_50']]]
        rows += [['all', f'VOC {mode}', len(images), '', metrics[f'voc_mAP50_{mode}']] for mode in VOC_MODES]
        rows += [[
            group, name, sum(image[group] == name for image in images), metrics[f'{group}/{name}_mAP'],
            metrics[f'{group}/{name}_mAP_50']
        ] for group, names in GROUPS.items() for name in names]
        cells = [[f'{cell:.3f}' if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
        title = f"ExDark, split {self.exdark['split']}, {self.exdark['subset']}"
        MMLogger.get_current_instance().info('\n' + drawn_table(title, ('group', 'of', 'images', 'mAP', 'AP50'), cells))


def drawn_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in plain characters, as wide as its cells."""
    table = Table(*header, box=box.ASCII2)
    for row in rows:
        table.add_row(*row)
    text = StringIO()
    Console(file=text, width=LOG_WIDTH, color_system=None, markup=False).print(title, table, sep='\n')
    return text.getvalue().rstrip()
