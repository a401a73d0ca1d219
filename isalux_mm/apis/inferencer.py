"""`EnhanceInferencer`: pictures in any form in, enhanced pictures or files out."""
import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from isalux_mm.apis.dtypes import AUTO, chosen_dtype
from isalux_mm.apis.explaining import draw_explained
from isalux_mm.apis.jobs import (
    Enhanced,
    EnhanceReport,
    Job,
    Loaded,
    Step,
    groups_of_size,
    jobs_of,
    load,
    pixels_of,
    read_ahead,
    to_tensor,
    write_behind,
)
from isalux_mm.apis.loading import ModelLike, NetworkInferencer
from isalux_mm.apis.progress import progress_bar
from isalux_mm.apis.results import check_mode, results_of
from isalux_mm.apis.side_by_side import side_by_side
from isalux_mm.apis.sources import Input, check_path, gather
from isalux_mm.apis.tone import Tone
from isalux_mm.apis.visible_part import visible_part
from isalux_mm.functional.checks import check_choice, check_finite, check_image
from isalux_mm.inference.fast import FastNetwork
from isalux_mm.inference.prepare import prepare_for_inference
from isalux_mm.inference.tiled import enhance_tiled
from isalux_mm.io.attempts import outcome
from isalux_mm.io.images import write_image
from isalux_mm.io.picture_file import Picture, write_picture
from isalux_mm.io.whole_file import drafts_removed_on_signals
from isalux_mm.model_zoo import DEFAULT_MODEL
from isalux_mm.registry import INFERENCERS, SCOPE
from isalux_mm.structures import EnhanceDataSample

DTYPES = ('float32', 'float16', 'bfloat16')
READ_AHEAD = 2  # pictures decoded while the network works
LARGE = dict(full=2_000_000, fast=13_000_000)  # ours: pixels from which a picture is made alone, for its memory


@INFERENCERS.register_module()
class EnhanceInferencer(NetworkInferencer):
    """Enhances pictures: `EnhanceInferencer()('dark.jpg')['predictions'][0]`.

    Args:
        model: name of a packaged model, config file, or config.
        weights: safetensors or a checkpoint of tensors (never unpickled); a packaged model brings its own.
        device: 'cpu', 'cuda:0'; the accelerator where there is one by default.
        scope: default scope of the config's types.
        show_progress: whether a bar is shown, on standard error.
        dtype: 'float32', 'float16' or 'bfloat16': the network computes in it. 'auto' chooses by what was measured
            (`apis.dtypes`); attribute `dtype` says what, `dtype_reason` why.
        tile: side of the tiles that a large picture is worked in, pixels; `None` chooses by size, 0 never tiles.
        mode: 'full', or 'fast': the network sees a small copy, what it decides is carried to the picture
            (`inference.fast`), in strips of rows; explanations are of the small copy.
        at_once: pictures that are enhanced at the same time on a CPU, each with its share of PyTorch's threads and a
            network of its own; large ones one by one, and all where explanations are drawn. It tells nothing else
            apart than rounding, by the number of threads.

    Raises:
        FileNotFoundError: if `weights` does not exist.
        ValueError: if the name, `dtype` or `mode` is unknown, `tile` is negative or given in fast mode, `at_once` is
            below 1, no weights are given for a config, or they do not fit.
    """
    preprocess_kwargs = {'array_order'}
    forward_kwargs = {'tone'}
    visualize_kwargs = {'show', 'return_explanation'}
    postprocess_kwargs: set[str] = set()

    def __init__(self,
                 model: ModelLike = DEFAULT_MODEL,
                 weights: str | Path | None = None,
                 device: str | None = None,
                 scope: str | None = SCOPE,
                 show_progress: bool = True,
                 *,
                 dtype: str = 'float32',
                 tile: int | None = None,
                 mode: str = 'full',
                 at_once: int = 1):
        check_choice(dtype, (*DTYPES, AUTO), 'dtype')
        if at_once < 1:
            raise ValueError(f'at_once must be at least 1, got {at_once}')
        check_mode(mode, tile)
        super().__init__(model, weights, device, scope, show_progress)
        self.tile, self.mode, self.at_once = tile, mode, at_once
        self.dtype, self.dtype_reason = chosen_dtype(mode, self.device) if dtype == AUTO else (dtype, 'asked for')
        self.network = prepare_for_inference(self.trained, dtype=self.dtype)
        self.report = EnhanceReport()

    def __call__(self,
                 inputs: Input | Sequence[Input],
                 return_datasamples: bool = False,
                 batch_size: int = 1,
                 *,
                 out: str | Path | None = None,
                 strength: float = 1.0,
                 reference_brightness: float | None = None,
                 highlights: str = 'soft',
                 return_explanation: bool = False,
                 recursive: bool = True,
                 redo: bool = False,
                 array_order: str = 'rgb') -> dict:
        """Enhances the inputs.

        Depth, alpha, grey, orientation, EXIF and colour profile of files are kept (`io.picture_file`). With
        `out`, files are written one by one and nothing is kept in memory; each appears when it is complete; no input
        is ever overwritten, and no file that was there unless `redo` asks for it. Files that cannot be read, enhanced
        or written, whatever the reason, are left out and reported; a wrong array raises.

        Args:
            inputs: path, folder, pattern, (H, W, C) array, (C, H, W) or (B, C, H, W) tensor, PIL image, or a list of
                these; RGB; integers of their full scale, floats in [0, 1].
            return_datasamples: `EnhanceDataSample`s instead of arrays.
            batch_size: pictures that are read together; those of one size go through the network together.
            out: folder for the results; or, for one input, a file name with a picture's suffix.
            strength: 0 leaves the input, 1 gives the full result.
            reference_brightness: mean BT.601 luma of the result, in (0, 1), set by a power law after blending; `None`
                leaves it to the network.
            highlights: what becomes of values beyond white: 'soft' compresses them, 'clip' cuts them off, as benchmarks
                do.
            return_explanation: draw priors and routing too: pictures under 'visualization', or with `out` files
                NAME_explained.png beside the results.
            recursive: whether sub-folders are read.
            redo: make results again that are there, and overwrite them.
            array_order: channel order of arrays and `.npy` files, 'rgb' or 'bgr'.

        Returns:
            'predictions': one entry per picture: (H, W, C) array of its depth, RGB; or a data sample; or with `out`
            the path written; `None` for a failed one. 'visualization': explanations, likewise. 'report':
            `EnhanceReport`.

        Raises:
            TypeError: if an input is of another type.
            FileExistsError: if the result of a picture in memory is there, without `redo`.
            OSError: if nothing can be written to `out`.
            ValueError: if an option is out of range, there is no picture, an array is no picture, a result would
                overwrite an input, or `out` is empty or the name of a file that no result can be.
        """
        tone = Tone(strength, reference_brightness, highlights)
        check_choice(array_order, ('rgb', 'bgr'), 'array_order')
        if batch_size < 1:
            raise ValueError(f'batch_size must be at least 1, got {batch_size}')
        if out is not None:
            check_path('out', out)
        self.report = EnhanceReport()
        jobs = self._inputs_to_list(inputs, recursive=recursive, out=None if out is None else Path(out),
                                    explained=return_explanation, overwrite=redo)
        waiting = jobs if redo else [left for job in jobs if (left := job.without_what_is_there())]
        drawings: dict[int, np.ndarray | str | None] = {job.index: str(job.drawing) for job in jobs if job.drawing}
        drawings |= {job.index: None for job in waiting if job.drawing}
        predictions = self._skip(jobs, waiting)
        names = [job.name for job in jobs]
        bar = progress_bar('enhancing', len(waiting), shown=self.show_progress)
        with drafts_removed_on_signals(), self.report.ordered(names), bar as advance:
            batches = self.preprocess(waiting, batch_size, array_order=array_order)
            makers = [partial(one._step, tone=tone, explained=return_explanation)
                      for one in self._hands(1 if return_explanation else min(self.at_once, len(waiting)))]
            steps = side_by_side(makers, batches, lambda batch: pixels_of(batch) > LARGE[self.mode])
            for step in write_behind(self._written, steps):
                results = self.postprocess(step.made, step.drawn, return_datasamples)
                places = [one.job.index for one in step.made]
                predictions |= zip(places, results['predictions'])
                drawings |= {place: one for place, one in zip(places, results['visualization']) if one is not None}
                advance(step.size)
        return dict(
            predictions=[predictions.get(job.index) for job in jobs], report=self.report,
            visualization=[drawings.get(job.index) for job in jobs] if return_explanation else [])

    def enhance(self, images: Tensor, *, visible: Tensor | None = None) -> Tensor:
        """Runs the network in the inferencer's mode; in full mode in tiles where a picture is large.

        Args:
            images: (B, 3, H, W), floating point, RGB in [0, 1], on any device.
            visible: of one image, (1, 1, H, W), above 0 where a pixel is seen: the others take no part in what is
                decided. `None` for all.

        Returns:
            (B, 3, H, W), float32, RGB, not clamped, on the inferencer's device.

        Raises:
            ValueError: if `images` or the result hold NaN or infinity.
        """
        check_image(images, 'B 3 H W', 'images')
        with torch.inference_mode():
            images = images.to(self.device, torch.float32)
            visible = None if visible is None else visible.to(images)
            check_finite(images, 'images')
            enhanced = self.fast(images, visible=visible) if self.mode == 'fast' else enhance_tiled(
                self.network, images, tile=self.tile, visible=visible)
            check_finite(enhanced, f"the network's result ({self.dtype})")
            return enhanced

    @cached_property
    def fast(self) -> FastNetwork:
        """The network of fast mode."""
        return FastNetwork(self.network).to(self.device)

    def with_tile(self, tile: int | None) -> 'EnhanceInferencer':
        """The same inferencer with another side of tiles (as of the class) and a report of its own.

        The network is shared: the two may not work at the same time.

        Raises:
            ValueError: if `tile` is negative or given in fast mode.
        """
        check_mode(self.mode, tile)
        other = copy.copy(self)
        other.tile, other.report = tile, EnhanceReport()
        return other

    def with_mode(self, mode: str) -> 'EnhanceInferencer':
        """The same in another mode (as of the class), likewise; in fast mode without tiles.

        Raises:
            ValueError: if `mode` is unknown.
        """
        check_mode(mode)
        other = copy.copy(self)
        other.mode, other.tile, other.report = mode, None if mode == 'fast' else self.tile, EnhanceReport()
        return other

    def preprocess(self, inputs: Sequence[Job], batch_size: int = 1, *,
                   array_order: str = 'rgb') -> Iterator[list[Loaded]]:
        """Reads pictures ahead of the network, and yields them in batches; in the place of a broken one its error."""
        pairs = read_ahead(lambda job: load(job, array_order), inputs, batch_size - 1 + READ_AHEAD)
        yield from self._get_chunk_data(pairs, batch_size)

    def forward(self, inputs: Sequence[Loaded], *, tone: Tone | None = None) -> list[Enhanced]:
        """Enhances a batch of `preprocess`, pictures of one size together.

        Args:
            inputs: the batch.
            tone: of the results; by default that of `Tone()`.

        Returns:
            What was made; failures, what is not finite among them, are left out and go to the report.
        """
        for job, picture in inputs:
            if isinstance(picture, BaseException):
                self._fail(job, picture)
        groups = groups_of_size((job, picture) for job, picture in inputs if isinstance(picture, Picture))
        return [made for group in groups for made in self._enhance_group(group, tone or Tone())]

    def visualize(self, inputs: Sequence[Job], preds: Sequence[Enhanced], show: bool = False, *,
                  return_explanation: bool = False) -> list[np.ndarray | str | None]:
        """Draws what the network saw and chose.

        Args:
            inputs: of no use: what was made knows what it was made from.
            preds: what was made.
            show: open each drawing in the system's viewer.
            return_explanation: draw; nothing is drawn where this and `show` are off.

        Returns:
            The drawing of each as a picture (H, W, 3), uint8, RGB, or the file that it was written to; `None` of one
            that failed, or whose file is there and stays.
        """
        return [self._draw(made, show) for made in preds] if show or return_explanation else []

    def postprocess(self, preds: Sequence[Enhanced], visualization: list[np.ndarray | str | None],
                    return_datasample: bool = False) -> dict:
        """Writes results, or brings them into the form that is returned.

        Args:
            preds: what was made.
            visualization: from `visualize`; handed on.
            return_datasample: `EnhanceDataSample`s instead of arrays, where nothing is written.

        Returns:
            'predictions' and 'visualization' as of `__call__`; `None` where writing failed.
        """
        return dict(predictions=[self._finish(made, return_datasample) for made in preds], visualization=visualization)

    def _hands(self, number: int) -> list['EnhanceInferencer']:
        """Inferencers that may work at the same time, and report together: this one and others like it."""
        hands = [self]
        while len(hands) < number and self.device.type == 'cpu':
            hands.append(copy.copy(self))
            hands[-1].network = copy.deepcopy(self.network)
            vars(hands[-1]).pop('fast', None)  # which has the first one's network
        return hands

    def _step(self, batch: Sequence[Loaded], tone: Tone, explained: bool) -> Step:
        """A batch enhanced and drawn, not written."""
        made = self.forward(batch, tone=tone)
        drawn = self.visualize([one.job for one in made], made, return_explanation=explained)
        return Step(len(batch), [one.without_input() if one.job.target else one for one in made], drawn)

    def _written(self, step: Step) -> Step:
        """A step whose files are written; in a thread of its own, which reports nothing."""
        return replace(step, made=[self._write(made) for made in step.made])

    def _write(self, made: Enhanced) -> Enhanced:
        """A result whose file, where one is wanted, is written or has failed."""
        target = made.job.target
        if target is None or made.job.made:
            return made
        return replace(made, file=outcome(lambda: write_picture(target, made.result(), overwrite=made.job.overwrite)))

    def _enhance_group(self, group: Sequence[tuple[Job, Picture]], tone: Tone) -> list[Enhanced]:
        """Results of pictures of one size, together or, where that fails, one by one."""
        results = outcome(results_of, self.enhance, [picture for _, picture in group], tone, self.device,
                          self.mode == 'fast')
        if not isinstance(results, BaseException):
            return [Enhanced(job, picture, result) for (job, picture), result in zip(group, results)]
        if len(group) == 1:
            self._fail(group[0][0], results)
            return []
        del results  # whose traceback holds the memory that was too little
        return [made for pair in group for made in self._enhance_group([pair], tone)]

    def _draw(self, made: Enhanced, show: bool) -> np.ndarray | str | None:
        """Draws one explanation, and writes it where it has a file; `None` where that failed or is not wanted."""
        job = made.job
        if job.target is not None and job.drawing is None and not show:
            return None
        with self._attempt(job, 'explanation'):
            low, enhanced, visible = made.picture.image, made.image, None
            part = visible_part(made.picture)
            if part is not None:
                low, enhanced, visible = part.image, part.of(enhanced), part.weights
            drawing = draw_explained(self.trained, to_tensor(low), enhanced, device=self.device, visible=visible,
                                     small=self.fast.reduced if self.mode == 'fast' else None)
            if show:
                Image.fromarray(drawing).show(str(job.source.name))
            if job.target is None:
                return drawing
            if job.drawing is not None:
                write_image(job.drawing, drawing / np.float32(255), overwrite=job.overwrite)
                self.report.explained.append(str(job.drawing))
                return str(job.drawing)
        return None

    def _finish(self, made: Enhanced, return_datasample: bool) -> np.ndarray | str | EnhanceDataSample | None:
        """Reports and returns the file of a result, written by now, or the result; `None` where writing failed."""
        job = made.job
        if job.made:
            return str(job.target)
        with self._attempt(job):
            if job.target is not None:
                file = self._write(made).file if made.file is None else made.file
                if isinstance(file, BaseException):
                    raise file
                self.report.lost |= {str(job.target): file} if file else {}
                self.report.done.append(str(job.target))
                return str(job.target)
            found = made.data_sample() if return_datasample else made.result().samples()
            self.report.done.append(str(job.source.name))
            return found
        return None

    def _skip(self, jobs: Sequence[Job], waiting: Sequence[Job]) -> dict[int, str]:
        """Reports the results that are there and not made again; their files by index."""
        again = {job.index for job in waiting if not job.made}
        skipped = [job for job in jobs if job.index not in again]
        self.report.skip(skipped)
        return {job.index: str(job.target) for job in skipped}

    def _inputs_to_list(self, inputs: Input | Sequence[Input], *, recursive: bool = True, out: Path | None = None,
                        explained: bool = False, overwrite: bool = False) -> list[Job]:
        """The job of every picture; errors as of `__call__`."""
        sources = gather(inputs, recursive=recursive, leave_out=out)
        return jobs_of(sources, out, explained=explained, overwrite=overwrite)

    @contextmanager
    def _attempt(self, job: Job, part: str = '') -> Iterator[None]:
        """Reports a file whose work raises; a wrong picture in memory is the caller's mistake and raises."""
        with self.report.attempt(job.name, part) if job.source.is_file else nullcontext():
            yield

    def _fail(self, job: Job, error: BaseException) -> None:
        """As `_attempt`, of what was raised before."""
        with self._attempt(job):
            raise error
