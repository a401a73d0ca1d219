"""A table's file: evaluation sets and rows, read from mmengine's config language and checked before anything runs."""
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mmengine.config import Config
from peers.catalog import NAMES, PEERS

from isalux_mm.datasets.image_datasets import image_key, pair_key
from isalux_mm.functional.checks import check_choice, check_names
from isalux_mm.io.images import list_images

MEASURED, TRAINED, PUBLISHED = 'measured', 'trained here', 'published'
WAYS = ('peer', 'config', 'outputs')  # of which a row has one, or `published` alone


@dataclass(frozen=True)
class EvaluationSet:
    """Pictures that a table is scored on.

    Attributes:
        name: key in the table's file.
        low: folder of inputs.
        gt: folder of references; none for sets without.
        measures: names; of `scoring.MEASURES`.
        only: numbers or names of the pictures that count; none for all.
        title: for readers.
        note: what is to be known of it.
    """
    name: str
    low: Path
    gt: Path | None = None
    measures: tuple[str, ...] = ('PSNR', 'SSIM', 'PSNR_GTmean', 'SSIM_GTmean')
    only: tuple[str, ...] | None = None
    title: str = ''
    note: str = ''

    def inputs(self) -> dict[str, Path]:
        """The inputs that count, by `pair_key`.

        Raises:
            FileNotFoundError: if there are none, or none of a name in `only`.
            ValueError: if two differ in nothing but suffix or prefix.
        """
        return self._pictures(self.low)

    def references(self) -> dict[str, Path]:
        """The references, likewise; empty for sets without.

        Raises:
            FileNotFoundError: if there are none, none of a name in `only`, or fewer than inputs.
            ValueError: if two differ in nothing but suffix or prefix.
        """
        if self.gt is None:
            return {}
        found = self._pictures(self.gt)
        missing = sorted(self.inputs().keys() - found)
        if missing:
            raise FileNotFoundError(f'set {self.name}: {self.gt} has no reference of {missing[:3]}')
        return found

    def _pictures(self, folder: Path) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for path in list_images(folder):
            first = found.setdefault(pair_key(path.relative_to(folder)), path)
            if first != path:
                raise ValueError(f'set {self.name}: two pictures of one name, {first} and {path}')
        if self.only is not None:
            keys = {image_key(name) for name in self.only}
            kept = {key: path for key, path in found.items() if image_key(path.name) in keys}
            unknown = sorted(keys - {image_key(path.name) for path in kept.values()})
            if unknown:
                raise FileNotFoundError(f'set {self.name}: names in only have no picture in {folder}: {unknown}')
            found = kept
        if not found:
            raise FileNotFoundError(f'set {self.name}: no pictures in {folder}')
        return found


@dataclass(frozen=True)
class Row:
    """A method of a table: a peer, a config with a checkpoint or with training, somebody's folder, or figures alone.

    Attributes:
        name: unique in the table.
        peer: name of `tools/run_peer.py`.
        weights: files of the peer, below the folder of weights.
        config: of our model.
        checkpoint: its weights, a file or a packaged name; without one the config is trained.
        options: changes of the config, 'key.of.entry' to value, as `--cfg-options` takes them.
        amp: whether training runs in mixed precision.
        seeds: of the trainings; each is one model.
        outputs: folder of somebody's results; '{set}' stands for a set's name.
        parameters: of the method in that folder.
        published: figures that its authors or others state: by set, by measure.
        source: where the published figures stand.
        note: what is to be known of it.
        trained_on: data, in words.
    """
    name: str
    peer: str | None = None
    weights: tuple[str, ...] = ()
    config: str | None = None
    checkpoint: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    amp: bool = False
    seeds: tuple[int, ...] = (0, )
    outputs: str | None = None
    parameters: int | None = None
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    source: str = ''
    note: str = ''
    trained_on: str = ''

    @property
    def slug(self) -> str:
        """A folder's name."""
        return re.sub(r'[^a-z0-9]+', '_', self.name.lower()).strip('_')

    @property
    def runs(self) -> bool:
        """Whether anything is to be computed."""
        return any(getattr(self, way) for way in WAYS)

    @property
    def is_trained(self) -> bool:
        """Whether it is trained here."""
        return self.config is not None and self.checkpoint is None

    @property
    def how(self) -> str:
        """How its figures are obtained."""
        return TRAINED if self.is_trained else MEASURED if self.runs else PUBLISHED

    def check(self, sets: Mapping[str, EvaluationSet]) -> None:
        """Checks what does not need a file.

        Raises:
            ValueError: if it states no way or several, or what does not go together.
        """
        ways = [way for way in WAYS if getattr(self, way)]
        if len(ways) > 1 or (not ways and not self.published):
            raise ValueError(f'row {self.name!r} must state one of {", ".join(WAYS)}, or published figures alone, '
                             f'got {ways or "none"}')
        if self.peer:
            check_choice(self.peer, NAMES, f'peer of row {self.name!r}')
            wanted = len(PEERS[self.peer].files) if self.peer in PEERS else 0
            if len(self.weights) != wanted:
                raise ValueError(f'row {self.name!r} must name {wanted} files of weights, got {len(self.weights)}')
        if self.published and not self.source:
            raise ValueError(f'row {self.name!r} must state the source of its published figures')
        for name in self.published:
            check_choice(name, sets, f'published set of row {self.name!r}')
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f'row {self.name!r} must have different seeds, got {self.seeds}')


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: of the file.
        title: for readers.
        shows: what it shows and what it cannot.
        sets: by name.
        rows: in order.
    """
    name: str
    title: str
    shows: str
    sets: dict[str, EvaluationSet]
    rows: tuple[Row, ...]


def read_table(path: Path) -> Table:
    """Reads and checks a table's file.

    `row_defaults` goes ahead of every row that has a `config`; an option of the row itself wins.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it states what is unknown, or two rows of one name.
    """
    cfg = Config.fromfile(path).to_dict()
    sets = {name: EvaluationSet(**_known(EvaluationSet, dict(entry, name=name), f'set {name}'))
            for name, entry in cfg['sets'].items()}
    defaults = cfg.get('row_defaults', {})
    rows = []
    for entry in cfg['rows']:
        if 'config' in entry and 'checkpoint' not in entry:
            entry = {**defaults, **entry, 'options': {**defaults.get('options', {}), **entry.get('options', {})}}
        rows.append(Row(**_known(Row, entry, f'row {entry.get("name")}')))
    for row in rows:
        row.check(sets)
    slugs = [row.slug for row in rows]
    twice = sorted({slug for slug in slugs if slugs.count(slug) > 1})
    if twice:
        raise ValueError(f'rows must have names of their own, got {twice} twice')
    return Table(path.stem, cfg['title'], cfg['shows'], sets, tuple(rows))


def _known(kind: type, entry: Mapping[str, Any], what: str) -> dict[str, Any]:
    """An entry with lists as tuples and folders as paths.

    Raises:
        ValueError: if it has a key that `kind` has not, or an `only` that is no list of names.
    """
    names = {f.name for f in fields(kind)}
    unknown = sorted(set(entry) - names)
    if unknown:
        raise ValueError(f'{what} must state only {sorted(names)}, got {unknown}')
    converted: dict[str, Any] = {}
    for key, value in entry.items():
        if key == 'only' and value is not None:
            check_names(value, f'only of {what}', least=1)
            value = tuple(str(item) for item in value)
        elif key in ('low', 'gt') and value is not None:
            value = Path(value)
        elif isinstance(value, list):
            value = tuple(value)
        converted[key] = value
    return converted
