"""Draws what a detector finds in a folder of dark pictures, by itself and behind enhancers, on one sheet:
`python tools/draw_detections.py CONFIG CHECKPOINT --enhancers NAME ... --images DIR --labels DIR --out SHEET.jpg`.

One column a picture: the picture with the boxes that are to be found, and below it what the detector sees and finds,
without an enhancer and behind each (the name of a packaged model, or a gamma such as 0.45). How many of the boxes each
finds, and how many detections are none of them, is printed. Example, with ExDark's pictures:

    python tools/draw_detections.py configs/dark_coco/yolox_nano_none.py data/yolox_nano.pth \\
        --enhancers 0.45 isalux_general --images data/exdark/images --labels data/exdark/labels --out exdark.jpg

Labels are text files of a picture's name, a box a line: `class x y width height`, centre and size in parts of the
picture, the class by its place in ExDark's list. ExDark is licensed for research without commerce: so is the sheet.
"""
import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from isalux_mm.cli.options import (
    add_overwrite_option,
    add_trust_option,
    count,
    count_or_none,
    demand_checkpoint,
    demand_enhancers,
    demand_files,
    demand_free,
    demand_picture_name,
    demand_pictures,
    is_gamma,
    run_tool,
    show_failures,
)
from isalux_mm.inference.fast import MODES
from isalux_mm.io.attempts import Attempts
from isalux_mm.io.images import list_images, read_each, write_image
from isalux_mm.model_zoo import read_config
from isalux_mm.visualization.contact_sheet import draw_contact_sheet

# ExDark's classes in the order of its list, by their names in COCO
CLASSES = ('bicycle', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cup', 'dog', 'motorcycle', 'person',
           'dining table')
WANTED, RIGHT, OTHER = 'white', 'lime', 'red'  # colours of boxes: to be found, found, another
FONT_SIZE, LINE = 13, 2  # ours: pixels of the sheet
OVERLAP = 0.5  # from which on a box is found


@dataclass(frozen=True)
class Box:
    """A box (left, top, right, bottom) in parts of the picture, with its class and, of a detection, its score."""
    corners: tuple[float, float, float, float]
    name: str
    score: float | None = None


def read_labels(path: Path) -> list[Box]:
    """The boxes of a picture.

    Raises:
        ValueError: if a line is no box of a known class.
    """
    boxes = []
    for text in path.read_text(encoding='utf-8').splitlines():
        parts = text.split()
        if not parts:
            continue
        try:
            name = CLASSES[int(parts[0])]
            x, y, w, h = map(float, parts[1:])
        except (ValueError, IndexError) as error:
            raise ValueError(f'{path}: a line must be a class from 0 to {len(CLASSES) - 1} and four numbers, got '
                             f'{text!r}') from error
        boxes.append(Box((x - w / 2, y - h / 2, x + w / 2, y + h / 2), name))
    return boxes


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    (left, top, right, bottom), (left2, top2, right2, bottom2) = a.corners, b.corners
    shared = max(min(right, right2) - max(left, left2), 0) * max(min(bottom, bottom2) - max(top, top2), 0)
    areas = (right - left) * (bottom - top) + (right2 - left2) * (bottom2 - top2)
    return shared / max(areas - shared, 1e-12)


def found(wanted: Sequence[Box], detections: Sequence[Box]) -> list[bool]:
    """Whether each detection, by falling score, finds a box of its class that none before it has found."""
    free, right = list(wanted), {}
    for place in sorted(range(len(detections)), key=lambda k: -(detections[k].score or 0)):
        fitting = [box for box in free if box.name == detections[place].name
                   and overlap(box, detections[place]) >= OVERLAP]
        right[place] = bool(fitting)
        if fitting:
            free.remove(max(fitting, key=lambda box: overlap(box, detections[place])))
    return [right[place] for place in range(len(detections))]


def drawn(picture: np.ndarray, boxes: Sequence[Box], colors: Sequence[str], width: int) -> np.ndarray:
    """A picture (H, W, 3), uint8, RGB, at a width, with boxes and their classes and scores."""
    image = Image.fromarray(picture)
    image = image.resize((width, max(round(image.height * width / image.width), 1)), Image.Resampling.LANCZOS)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(FONT_SIZE)
    for box, color in zip(boxes, colors):
        left, top, right, bottom = (value * side for value, side in zip(box.corners, image.size * 2))
        draw.rectangle((min(left, right), min(top, bottom), max(left, right), max(top, bottom)), outline=color,
                       width=LINE)
        text = box.name if box.score is None else f'{box.name} {box.score:.2f}'
        place = (max(left, 0) + LINE, max(top, 0) + LINE)
        draw.rectangle(draw.textbbox(place, text, font=font), fill='black')
        draw.text(place, text, fill=color, font=font)
    return np.asarray(image)


def network_of(name: str) -> str | dict:
    """The network that a name stands for: a packaged model, or a power law."""
    return dict(type='GammaCurve', gamma=float(name)) if is_gamma(name) else name


class Variant:
    """A detector by itself or behind an enhancer: what it sees and what it finds.

    Args:
        config: of the plain detector.
        checkpoint: its weights.
        enhancer: a packaged model, a gamma, or `None`.
        short_side: that the enhancer works at; `None` for all pixels.
        mode: of a packaged model, 'full' or 'fast'.
        fade: whether pictures that are not dark stay as they are.
        least_score: detections below are left out.
    """

    def __init__(self, config: Path, checkpoint: Path, enhancer: str | None, *, short_side: int | None,
                 mode: str, fade: bool, least_score: float):
        from mmdet.apis import init_detector
        from mmengine.config import ConfigDict
        self.least_score = least_score
        cfg: Any = read_config(config, key='model')
        if enhancer is not None:
            network = network_of(enhancer)
            neck = dict(type='isalux_mm.ISALuxNeck', network=network, frozen=True, work_short_side=short_side,
                        mode=mode if isinstance(network, str) else 'full', fade='auto' if fade else None)
            cfg.model = ConfigDict(type='isalux_mm.EnhancedDetector', enhancer=neck, detector=cfg.model,
                                   keep_pictures=True, backbone=dict())
        self.model = init_detector(cfg, str(checkpoint), device='cpu')
        self.names = self.model.dataset_meta['classes']

    def __call__(self, picture: np.ndarray) -> tuple[np.ndarray, list[Box]]:
        """The picture (H, W, 3), uint8, RGB, as the detector sees it, and the detections."""
        from mmcv.transforms import Compose
        from mmdet.apis import inference_detector

        from isalux_mm.chain.pictures import in_original_frame
        pipeline = [step for step in self.model.cfg.test_dataloader.dataset.pipeline
                    if not step.type.endswith(('DarkenImage', 'LoadAnnotations'))]  # the picture is dark by itself
        pipeline[0] = dict(type='mmdet.LoadImageFromNDArray')
        sample = inference_detector(self.model, np.ascontiguousarray(picture[..., ::-1]), Compose(pipeline))
        h, w = picture.shape[:2]
        instances = sample.pred_instances[sample.pred_instances.scores >= self.least_score].cpu()
        corners = (instances.bboxes / instances.bboxes.new_tensor([w, h, w, h])).tolist()
        boxes = [Box(tuple(four), self.names[label], score) for four, label, score in zip(
            corners, instances.labels.tolist(), instances.scores.tolist())]
        seen = in_original_frame(sample.enhanced_img, sample) if 'enhanced_img' in sample else picture
        return seen, boxes


def main(arguments: list[str] | None = None) -> int:
    """Draws; 0, or 1 where a picture failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path, help='of a plain mmdet detector')
    parser.add_argument('checkpoint', type=Path, help='its weights')
    parser.add_argument('--enhancers', nargs='+', default=[], metavar='NAME')
    parser.add_argument('--images', type=Path, required=True, metavar='DIR')
    parser.add_argument('--labels', type=Path, required=True, metavar='DIR')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE', help='a picture; .jpg keeps it small')
    parser.add_argument('--score', type=float, default=0.3, help='detections below are left out (%(default)s)')
    parser.add_argument('--work-short-side', type=count_or_none, default=64, help='of the enhancers; 0 for all pixels '
                        '(%(default)s)')
    parser.add_argument('--mode', choices=MODES, default='fast', help='of the packaged enhancers (%(default)s)')
    parser.add_argument('--fade', action=argparse.BooleanOptionalAction, default=True,
                        help='leave pictures that are not dark as they are, as ahead of any detector')
    parser.add_argument('--columns', type=count, default=4, help='pictures side by side')
    parser.add_argument('--width', type=count, default=360, help='of a picture on the sheet, pixels')
    add_trust_option(parser)
    add_overwrite_option(parser)
    options = parser.parse_args(arguments)
    demand_pictures(parser, options.images)
    demand_files(parser, 'config', options.config)
    checkpoint = demand_checkpoint(parser, 'checkpoint', options.checkpoint)
    demand_enhancers(parser, '--enhancers', options.enhancers)
    demand_picture_name(parser, '--out', options.out)
    pictures = list_images(options.images)
    labels = {path: options.labels / f'{path.stem}.txt' for path in pictures}
    if not any(path.is_file() for path in labels.values()):
        parser.error(f'--labels must hold text files of the pictures\' names, got {options.labels}')
    demand_free(parser, options.out, overwrite=options.overwrite,
                read=[options.config, checkpoint, *pictures, *labels.values()])
    import isalux_mm.det  # noqa: F401  puts the operators in place before mmdet's models
    variants = {name or 'none': Variant(options.config, checkpoint, name, least_score=options.score,
                                        short_side=options.work_short_side or None, mode=options.mode,
                                        fade=options.fade)
                for name in (None, *options.enhancers)}
    attempts, columns = Attempts(), []
    counts = {name: [0, 0] for name in variants}
    boxes = 0
    for path, image in read_each(pictures, attempts):
        with attempts.attempt(path.name):
            picture, wanted = np.round(image * 255).astype(np.uint8), read_labels(labels[path])
            states = [drawn(picture, wanted, [WANTED] * len(wanted), options.width)]
            for name, variant in variants.items():
                seen, detections = variant(picture)
                right = found(wanted, detections)
                counts[name][0] += sum(right)
                counts[name][1] += len(right) - sum(right)
                states.append(drawn(seen, detections, [RIGHT if one else OTHER for one in right], options.width))
            boxes += len(wanted)
            columns.append((path.name, states))
    failed = show_failures(attempts)
    if not columns:
        print(f'no picture in {options.images}', file=sys.stderr)
        return 1
    sheet = draw_contact_sheet(columns, ('to be found', *counts), per_band=options.columns, width=options.width)
    write_image(options.out, sheet / np.float32(255), overwrite=options.overwrite)
    print(f'| enhancer | found of {boxes} boxes | other detections |\n|---|---|---|')
    for name, (hits, other) in counts.items():
        print(f'| {name} | {hits} | {other} |')
    print(f'{len(columns)} pictures, detections of {options.score:g} and more: {options.out}')
    return failed


if __name__ == '__main__':
    sys.exit(run_tool(main))
