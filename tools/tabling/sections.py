"""Sections of docs/benchmarks.md that compare lines of the tables: stated with measured, definitions, seeds, orders."""
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from isalux_mm.evaluation.measures import MEASURES
from tabling.report import Line, Picture
from tabling.tables import PUBLISHED, TRAINED

WITHOUT_TWIN = '179'  # of eval15: the one picture whose scene is not in the training set
TOLERANCE = 0.15  # dB between measured and stated above which a row must say the reason
FULL = 'full: top 2 of 4 depthwise experts, L2 + perceptual + MS-SSIM'
STEPS = (  # of the paper's ablation: without and with a part
    ('no priors', '+ illumination'), ('no priors', '+ semantic'), ('+ semantic', 'both, no LoRA'),
    ('both, no LoRA', FULL), ('loss L2', 'loss L2 + perceptual'), ('loss L2 + perceptual', FULL))
DEFINITIONS = {  # measures of the table of definitions by what the page calls them
    'raw PSNR': 'PSNR', 'GT-mean, grey': 'PSNR_GTmean', 'red and blue exchanged': 'PSNR_GTmean_bgr',
    'grey of 8 bits': 'PSNR_GTmean_8bit', 'all channels': 'PSNR_GTmean_channels',
    'grey, not clipped': 'PSNR_GTmean_unclipped', 'SSIM': 'SSIM', 'of 8 bits': 'SSIM_8bit', 'of grey': 'SSIM_gray',
    'uniform window': 'SSIM_uniform'}
GT_MEANS = ('PSNR_GTmean', 'PSNR_GTmean_bgr', 'PSNR_GTmean_8bit', 'PSNR_GTmean_channels')  # those that are published
SSIMS = ('SSIM', 'SSIM_8bit', 'SSIM_gray', 'SSIM_uniform')


class Step(NamedTuple):
    """What a part is worth: in the paper and here, in dB of GT-mean, and the spread of the latter over seeds."""
    before: str
    after: str
    paper: float
    ours: float
    spread: float

    @property
    def verdict(self) -> str:
        """Whether both agree in the sign, as far as the seeds tell."""
        if abs(self.ours) <= self.spread:
            return 'within the spread of the seeds'
        return 'as in the paper' if (self.ours > 0) == (self.paper > 0) else '**against the paper**'


def stated_section(lines: Sequence[Line]) -> str:
    """Measured rows beside what is stated of them; empty where nothing is."""
    measured = {line['row']: line for line in lines if line['how'] != PUBLISHED}
    table = []
    for line in lines:
        own = measured.get(line['row'])
        if line['how'] == PUBLISHED and own is not None and line.get('PSNR') and line.get('SSIM'):
            cells = [cell for name in ('PSNR', 'SSIM') for cell in (
                _value(name, own), _value(name, line),
                f'{float(own[name]) - float(line[name]):+.{MEASURES[name].digits}f}')]
            table.append(f'| {line["row"]} | {" | ".join(cells)} | {line["source"]} | {own.get("note", "")} |')
    if not table:
        return ''
    return '\n'.join([
        '### Peers: what is measured here, and what is stated\n',
        f'A difference of more than {TOLERANCE} dB has its reason in the last column.\n',
        '| method | PSNR | stated | difference | SSIM | stated | difference | source | to be known |',
        f'|---|{"--:|" * 6}---|---|', *table, ''])


def unexplained(lines: Sequence[Line]) -> list[str]:
    """Rows that lie further than `TOLERANCE` from what is stated, and give no reason."""
    stated = {line['row']: float(line['PSNR']) for line in lines if line['how'] == PUBLISHED and line.get('PSNR')}
    return [line['row'] for line in lines if line['how'] != PUBLISHED and line['row'] in stated
            and abs(float(line['PSNR']) - stated[line['row']]) > TOLERANCE and not line.get('note')]


def definitions_section(lines: Sequence[Line]) -> str:
    """Methods under every definition, and how far the definition alone moves them."""
    table, moved = [], {}
    for line in lines:
        cells = [_value(measure, line) for measure in DEFINITIONS.values()]
        table.append(f'| {line["row"]} | {" | ".join(cells)} |')
        moved[line['row']] = _width(line, GT_MEANS), _width(line, SSIMS)
    most = [max(moved, key=lambda row: moved[row][kind]) for kind in (0, 1)]
    return '\n'.join([
        f'| method | {" | ".join(DEFINITIONS)} |', f'|---|{"--:|" * len(DEFINITIONS)}', *table, '',
        f'Between the four published GT-means a row moves by up to {moved[most[0]][0]:.2f} dB ({most[0]}), between the '
        f'four SSIMs by up to {moved[most[1]][1]:.3f} ({most[1]}).\n'])


def twins_section(pictures: Sequence[Picture]) -> str:
    """What the means of eval15 hang on: the 14 pictures whose scenes the training set shows, and the one other."""
    measures = ('PSNR', 'PSNR_GTmean')
    values: dict[str, dict[str, dict[str, list[float]]]] = {}
    for p in pictures:
        if p.set == 'eval15' and p.measure in measures:
            values.setdefault(p.row, {}).setdefault(p.measure, {}).setdefault(p.picture, []).append(p.value)
    lines = []
    for row, of_row in values.items():
        cells = []
        for measure in measures:
            means = {picture: sum(v) / len(v) for picture, v in of_row[measure].items()}
            twins = [value for picture, value in means.items() if picture != WITHOUT_TWIN]
            if WITHOUT_TWIN not in means or not twins:
                return ''
            mean, of_twins = sum(means.values()) / len(means), sum(twins) / len(twins)
            cells += [f'{mean:.2f}', f'{of_twins:.2f}', f'{means[WITHOUT_TWIN]:.2f}', f'{of_twins - mean:+.2f}']
        lines.append(f'| {row} | {" | ".join(cells)} |')
    head = ' | '.join(f'{m} of 15 | of 14 | of {WITHOUT_TWIN} | 14 - 15' for m in measures)
    return '\n'.join([
        '### The 14 pictures with a twin, and the one without\n',
        'Of eval15\'s 15 scenes 14 occur in the training set, by another exposure or another moment: all but that of '
        f'{WITHOUT_TWIN}. One picture says little about a method; the columns show how far its absence moves a mean. '
        'What a training loses that goes without those scenes is another question: '
        '[results](results.md#what-eval15s-scenes-are-worth-in-a-training).\n',
        f'| method | {head} |', f'|---|{"--:|" * 8}', *lines, ''])


def seeds_section(lines: Iterable[Line]) -> str:
    """How far the seed alone moves a mean, beside how far the choice of pictures does; empty without seeds."""
    trained = [line for line in lines if line['how'] == TRAINED and line.get('PSNR_spread')]
    if not trained:
        return ''
    spreads = [float(line['PSNR_spread']) for line in trained]
    halves = [(float(line['PSNR_high']) - float(line['PSNR_low'])) / 2 for line in trained]
    seeds = {len(line['seeds'].split()) for line in trained}
    many = '/'.join(str(number) for number in sorted(seeds))
    return '\n'.join([
        '### Seeds\n',
        f'The same training with {many} seeds, in the small ablation above: the raw PSNR of its '
        f'{trained[0]["pictures"]} pictures has a standard deviation over seeds of {statistics.median(spreads):.2f} dB '
        f'(median of {len(trained)} rows; {min(spreads):.2f} to {max(spreads):.2f}), while the choice of pictures '
        f'alone makes the mean uncertain by ±{statistics.median(halves):.2f} dB. Most published tables have one '
        'seed.\n'])


def steps_of(ours: Iterable[Line], paper: Iterable[Line]) -> list[Step]:
    """The paper's steps that are trained here with several seeds."""
    here = {line['row']: line for line in ours if line.get('PSNR_GTmean_spread')}
    there = {line['row']: float(line['PSNR_GTmean']) for line in paper if line.get('PSNR_GTmean')}
    found = []
    for before, after in STEPS:
        if {before, after} <= here.keys() and {before, after} <= there.keys():
            first, second = here[before], here[after]
            spread = (float(first['PSNR_GTmean_spread'])**2 + float(second['PSNR_GTmean_spread'])**2)**0.5
            found.append(Step(before, after, there[after] - there[before],
                              float(second['PSNR_GTmean']) - float(first['PSNR_GTmean']), spread))
    return found


def order_section(ours: Iterable[Line], paper: Iterable[Line]) -> str:
    """The paper's order beside the one found here; empty where no step can be compared."""
    steps = steps_of(ours, paper)
    if not steps:
        return ''
    against = [step for step in steps if step.verdict.startswith('**')]
    told = [step for step in steps if abs(step.ours) > step.spread]
    words = (f'Of the paper\'s {len(steps)} steps {len(told)} are larger here than the spread of the seeds; '
             + (f'{len(against)} of them go the other way: '
                + '; '.join(f'{_short(s.before)} to {_short(s.after)}' for s in against) + '.'
                if against else 'none of them goes the other way.'))
    table = [f'| {_short(s.before)} | {_short(s.after)} | {s.paper:+.2f} | {s.ours:+.2f} ± {s.spread:.2f} | '
             f'{s.verdict} |' for s in steps]
    return '\n'.join([
        '### The paper\'s order and this one\n',
        f'{words} Behind ±: the root of both rows\' squared deviations over seeds. A training so short says which part '
        'helps a small network at the start; it cannot confirm or refute what the paper found after a full training.\n',
        '| from | to | paper, dB of GT-mean | here | |', '|---|---|--:|--:|---|', *table, ''])


def _short(row: str) -> str:
    return row.partition(':')[0]


def _value(measure: str, line: Mapping[str, str]) -> str:
    return f'{float(line[measure]):.{MEASURES[measure].digits}f}' if line.get(measure) else ''


def _width(line: Mapping[str, str], measures: Iterable[str]) -> float:
    values = [float(line[name]) for name in measures if line.get(name)]
    return max(values) - min(values)
