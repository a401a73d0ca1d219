"""`EnhanceInferencer`: pictures in any form in, enhanced pictures or files out."""
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.infer import BaseInferencer
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn
from torch.nn import functional as F

from isalux_mm.apis.explaining import explain
from isalux_mm.apis.sources import SUFFIXES, Input, Source, gather
from isalux_mm.functional.checks import check_choice, check_image, check_range
from isalux_mm.functional.tone import blended, with_mean_luma, with_soft_highlights
from isalux_mm.inference.prepare import prepare_for_inference
from isalux_mm.inference.tiled import enhance_tiled
from isalux_mm.io.images import write_image
from isalux_mm.io.picture_file import ImageReadError, Picture, write_picture
from isalux_mm.model_zoo import DEFAULT_MODEL, find_model
from isalux_mm.models.pretrained import check_shapes, read_state_dict
from isalux_mm.registry import INFERENCERS, MODELS, SCOPE
from isalux_mm.structures import EnhanceDataSample
from isalux_mm.visualization.explanation import draw_explanation
from isalux_mm.visualization.panels import to_array

DTYPES = ('float32', 'float16', 'bfloat16')
HIGHLIGHTS = ('soft', 'clip')
PREFIX = 'network.'  # of the network's weights in the checkpoint of a `LowLightEnhancer`
EXPLAINED = '_explained.png'
READ_AHEAD = 2  # pictures decoded while the network works
EXPLAINED_PIXELS = 2_000_000  # ours: of the picture in an explanation; routing is read off at that size


@dataclass
class EnhanceReport:
    """What became of the inputs.

    Attributes:
        done: results that were written, or names of those returned.
        skipped: results that were there already, newer than their inputs.
        failed: reason by input, of those that could not be read, enhanced or written.
    """
    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """Counts in one line, then the failed inputs with their reasons, one a line."""
        counts = [f'{len(self.done)} enhanced']
        counts += [f'{len(self.skipped)} skipped, finished before'] if self.skipped else []
        counts += [f'{len(self.failed)} failed:'] if self.failed else []
        return '\n'.join([', '.join(counts), *(f'  {name}: {reason}' for name, reason in self.failed.items())])


@dataclass(frozen=True)
class Job:
    """One picture to be made.

    Attributes:
        index: place among the inputs.
        source: what is enhanced.
        target: file of the result; `None` to return it.
    """
    index: int
    source: Source
    target: Path | None


Loaded = tuple[Job, Picture | ImageReadError]


@INFERENCERS.register_module()
class EnhanceInferencer(BaseInferencer):
    """Enhances pictures: `EnhanceInferencer()('dark.jpg')['predictions'][0]`.

    Args:
        model: name of a packaged model, config file, or config.
        weights: safetensors or a checkpoint of tensors (never unpickled); a packaged model brings its own.
        device: 'cpu', 'cuda:0'; the accelerator where there is one by default.
        scope: default scope of the config's types.
        show_progress: whether a bar is shown, on standard error.
        dtype: 'float32', 'float16' or 'bfloat16': the network computes in it.
        tile: side of the tiles that a large picture is worked in, pixels; `None` chooses by size, 0 never tiles.

    Raises:
        FileNotFoundError: if `weights` does not exist.
        ValueError: if the name or `dtype` is unknown, `tile` is negative, no weights are given for a config, or they
            do not fit.
    """
    preprocess_kwargs = {'array_order'}
    forward_kwargs = {'strength', 'reference_brightness', 'highlights'}
    visualize_kwargs = {'return_explanation'}
    postprocess_kwargs = {'return_datasamples'}

    def __init__(self,
                 model: str | Path | Config | ConfigDict | dict = DEFAULT_MODEL,
                 weights: str | Path | None = None,
                 device: str | None = None,
                 scope: str | None = SCOPE,
                 show_progress: bool = True,
                 *,
                 dtype: str = 'float32',
                 tile: int | None = None):
        check_choice(dtype, DTYPES, 'dtype')
        if tile is not None and tile < 0:
            raise ValueError(f'tile must be at least 0 pixels, or None, got {tile}')
        super().__init__(str(model) if isinstance(model, Path) else model, weights, device, scope, show_progress)
        self.tile = tile
        self.network = prepare_for_inference(self.model.network, dtype=dtype)
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
        is ever overwritten; a result newer than its input is not made again. Files that cannot be read, enhanced or
        written are left out and reported; a wrong array raises.

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
            redo: make results again that are there.
            array_order: channel order of arrays and `.npy` files, 'rgb' or 'bgr'.

        Returns:
            'predictions': one entry per picture: (H, W, C) array of its depth, RGB; or a data sample; or with `out`
            the path written; `None` for a failed one. 'visualization': explanations, likewise. 'report':
            `EnhanceReport`.

        Raises:
            TypeError: if an input is of another type.
            ValueError: if an option is out of range, there is no picture, an array is no picture, or a result would
                overwrite an input.
        """
        check_options(strength, reference_brightness, highlights, batch_size, array_order)
        self.report = EnhanceReport()
        sources = self._inputs_to_list(inputs, recursive, out)
        targets = [None] * len(sources) if out is None else target_paths(sources, Path(out))
        jobs = [Job(*parts) for parts in zip(range(len(sources)), sources, targets)]
        tone = dict(strength=strength, reference_brightness=reference_brightness, highlights=highlights)
        finished = [] if redo else [job for job in jobs if is_finished(job)]
        self.report.skipped += [str(job.target) for job in finished]
        predictions = {job.index: str(job.target) for job in finished}
        drawings: dict[int, np.ndarray | str] = {}
        waiting = [job for job in jobs if job.index not in predictions]
        with Progress(console=Console(stderr=True), disable=not self.show_progress, transient=True) as progress:
            bar = progress.add_task('enhancing', total=len(waiting))
            for batch in self.preprocess(waiting, batch_size, array_order=array_order):
                for job, picture, enhanced in self._run(batch, **tone):
                    if return_explanation:
                        drawings[job.index] = self.visualize(job, picture, enhanced)
                    predictions[job.index] = self.postprocess(job, picture, enhanced, return_datasamples)
                progress.advance(bar, len(batch))
        return dict(
            predictions=[predictions.get(job.index) for job in jobs], report=self.report,
            visualization=[drawings.get(job.index) for job in jobs] if return_explanation else [])

    def enhance(self, images: Tensor) -> Tensor:
        """Runs the network, in tiles where a picture is large.

        Args:
            images: (B, 3, H, W), floating point, RGB in [0, 1], on any device.

        Returns:
            (B, 3, H, W), float32, RGB, not clamped, on the inferencer's device.
        """
        check_image(images, 'B 3 H W', 'images')
        with torch.inference_mode():
            return enhance_tiled(self.network, images.to(self.device, torch.float32), tile=self.tile)

    def preprocess(self, inputs: Sequence[Job], batch_size: int = 1, *,
                   array_order: str = 'rgb') -> Iterator[list[Loaded]]:
        """Reads pictures ahead of the network, and yields them in batches; in the place of a broken one its error."""

        def read(job: Job) -> Picture | ImageReadError:
            try:
                return job.source.read(array_order)
            except ImageReadError as error:
                return error

        pairs = read_ahead(read, inputs, batch_size - 1 + READ_AHEAD)
        yield from self._get_chunk_data(pairs, batch_size)

    def forward(self, inputs: Tensor, *, strength: float = 1.0, reference_brightness: float | None = None,
                highlights: str = 'soft') -> Tensor:
        """Enhances images (B, 3, H, W), RGB in [0, 1], with the tone of `__call__`; same shape, float32, in [0, 1]."""
        inputs = inputs.to(self.device)
        enhanced = self.enhance(inputs)
        enhanced = with_soft_highlights(enhanced, inputs) if highlights == 'soft' else enhanced.clamp(0, 1)
        enhanced = blended(inputs, enhanced, strength)
        return enhanced if reference_brightness is None else with_mean_luma(enhanced, reference_brightness)

    def visualize(self, job: Job, picture: Picture, enhanced: Tensor) -> np.ndarray | str:
        """The explanation of a result as a picture (H, W, 3), uint8, RGB, or the file that it was written to."""
        low = to_tensor(picture.image)[None]
        seen = reduced(low, EXPLAINED_PIXELS)
        drawing = draw_explanation(to_array(seen[0]), to_array(reduced(enhanced[None], EXPLAINED_PIXELS)[0]),
                                   explain(self.model.network, seen.to(self.device)))
        if job.target is None:
            return drawing
        path = job.target.with_name(job.target.stem + EXPLAINED)
        write_image(path, drawing / np.float32(255))
        return str(path)

    def postprocess(self, job: Job, picture: Picture, enhanced: Tensor,
                    return_datasamples: bool = False) -> np.ndarray | str | EnhanceDataSample | None:
        """Writes or returns one result (3, H, W); `None` where writing failed."""
        result = picture.with_image(enhanced.permute(1, 2, 0).cpu().numpy())  # (3, H, W) -> (H, W, 3)
        if job.target is not None:
            try:
                write_picture(job.target, result)
            except (OSError, ValueError) as error:
                return self._fail(job, error)
        self.report.done.append(str(job.target or job.source.name))
        if job.target is not None:
            return str(job.target)
        return data_sample(job, picture, enhanced) if return_datasamples else result.samples()

    def _inputs_to_list(self, inputs: Input | Sequence[Input], recursive: bool, out: str | Path | None) -> list[Source]:
        return gather(inputs, recursive=recursive, leave_out=None if out is None else Path(out))

    def _run(self, batch: Sequence[Loaded], *, strength: float, reference_brightness: float | None,
             highlights: str) -> Iterator[tuple[Job, Picture, Tensor]]:
        """Results of a batch, pictures of one size together; failures go to the report."""
        tone = dict(strength=strength, reference_brightness=reference_brightness, highlights=highlights)
        groups: dict[tuple[int, ...], list[tuple[Job, Picture]]] = {}
        for job, picture in batch:
            if isinstance(picture, ImageReadError):
                self._fail(job, picture)
            else:
                groups.setdefault(picture.image.shape, []).append((job, picture))
        for group in groups.values():
            tensors = [to_tensor(picture.image) for _, picture in group]
            images = torch.stack(tensors) if len(tensors) > 1 else tensors[0][None]  # a large one is not copied
            try:
                enhanced = self.forward(images, **tone)
            except RuntimeError as error:  # out of memory, above all
                if len(group) == 1:
                    self._fail(group[0][0], error)
                for pair in group if len(group) > 1 else ():
                    yield from self._run([pair], **tone)
                continue
            for (job, picture), result in zip(group, enhanced):
                yield job, picture, result

    def _fail(self, job: Job, error: Exception) -> None:
        """Reports a file; a wrong picture in memory is the caller's mistake and raises."""
        if not job.source.is_file:
            raise error
        name = str(job.source.content)
        self.report.failed[name] = str(error).removeprefix(f'{name}: ')

    def _load_model_from_metafile(self, model: str) -> tuple[Config, str]:
        """A packaged model by name (BaseInferencer's hook for names)."""
        found = find_model(model)
        return Config.fromfile(found.config), str(found.weights)

    def _init_model(self, cfg: Config | ConfigDict, weights: str | None, device: str) -> nn.Module:
        """Builds the model of a config; reads weights without unpickling code, and wants all of the network's."""
        self.device = reachable_device(device)
        if 'model' not in cfg:
            raise ValueError(f"model must be a config with a 'model', got keys {list(cfg)[:5]}")
        model = MODELS.build(dict(cfg.model, _scope_=self.scope))
        if weights is not None:
            load_network(model.network, weights)
        elif next(model.network.parameters(), None) is not None:
            raise ValueError('weights must be given with a config of a network that has parameters, got None')
        return model.to(self.device).eval()

    def _init_pipeline(self, cfg: Config | ConfigDict) -> Callable[[Source], Picture]:
        return Source.read

    def _init_collate(self, cfg: Config | ConfigDict) -> None:
        """None: pictures of one size are stacked, whatever the config's loader does."""

    def _init_visualizer(self, cfg: Config | ConfigDict) -> None:
        """None: explanations are drawn without mmengine's visualizer."""


def reachable_device(name: str) -> torch.device:
    """The device of a name.

    Raises:
        ValueError: if it is no name of a device or PyTorch does not reach it.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"device must be one that this PyTorch reaches, such as 'cpu', got {name!r} "
                         f'({str(error).splitlines()[0]})') from error
    return device


def check_options(strength: float, reference_brightness: float | None, highlights: str, batch_size: int,
                  array_order: str) -> None:
    """Raises a `ValueError` that names the first option out of its range."""
    check_range(strength, 0, 1, 'strength')
    if reference_brightness is not None and not 0 < reference_brightness < 1:
        raise ValueError(f'reference_brightness must be in (0, 1), got {reference_brightness}')
    check_choice(highlights, HIGHLIGHTS, 'highlights')
    if batch_size < 1:
        raise ValueError(f'batch_size must be at least 1, got {batch_size}')
    check_choice(array_order, ('rgb', 'bgr'), 'array_order')


def load_network(network: nn.Module, path: str | Path) -> None:
    """Loads a network's weights from a checkpoint of its `LowLightEnhancer` or of itself.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a tensor of the network is missing in it or has another shape.
    """
    state = {key.removeprefix(PREFIX): value for key, value in read_state_dict(path).items()}
    own = network.state_dict()
    missing = [key for key in own if key not in state]
    if missing:
        raise ValueError(f'{path} must hold all tensors of the network, {len(missing)} of {len(own)} are missing, '
                         f'such as {missing[:3]}: is it of another model?')
    check_shapes(own, state, name=str(path))
    network.load_state_dict({key: state[key] for key in own})


def target_paths(sources: Sequence[Source], out: Path) -> list[Path]:
    """Where every result goes.

    Args:
        sources: pictures.
        out: folder, or for one source a file with a picture's suffix.

    Raises:
        ValueError: if a result would overwrite an input.
    """
    is_name = len(sources) == 1 and out.suffix.lower() in SUFFIXES and not out.is_dir()
    targets = [out] if is_name else [out / source.name for source in sources]
    inputs = {source.content.resolve() for source in sources if source.is_file}
    for target in targets:
        if target.resolve() in inputs:
            raise ValueError(f'out must lead to other files than the inputs, got {target}')
    return targets


def is_finished(job: Job) -> bool:
    """Whether the result is there and no older than its input."""
    source, target = job.source, job.target
    if target is None or not source.is_file or not source.content.is_file() or not target.is_file():
        return False
    return target.stat().st_mtime_ns >= source.content.stat().st_mtime_ns


def read_ahead(read: Callable[[Job], Picture | ImageReadError], jobs: Iterable[Job],
               ahead: int) -> Iterator[tuple[Job, Picture | ImageReadError]]:
    """Jobs and their pictures in order, at most `ahead` of them decoded in advance by a thread."""
    pool, pending = ThreadPoolExecutor(1), deque()
    try:
        for job in jobs:
            pending.append((job, pool.submit(read, job)))
            if len(pending) > ahead:
                first, future = pending.popleft()
                yield first, future.result()
        while pending:
            first, future = pending.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def reduced(image: Tensor, pixels: int) -> Tensor:
    """An image (1, 3, H, W) brought down to at most this many pixels; smaller ones as they are."""
    scale = (pixels / image[0, 0].numel())**0.5
    if scale >= 1:
        return image
    size = [max(int(side * scale), 1) for side in image.shape[-2:]]
    return F.interpolate(image, size=size, mode='bilinear', antialias=True)


def data_sample(job: Job, picture: Picture, enhanced: Tensor) -> EnhanceDataSample:
    """Input and result, (3, H, W) each, and where the input came from."""
    shape = picture.image.shape[:2]
    sample = EnhanceDataSample(metainfo=dict(low_path=str(job.source.content) if job.source.is_file else None,
                                             ori_shape=shape, img_shape=shape))
    sample.low_img, sample.pred_img = to_tensor(picture.image), enhanced.cpu()
    return sample


def to_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) to (3, H, W), float32, in the same memory."""
    return torch.from_numpy(image).permute(2, 0, 1)
