"""`isalux evaluate`: scores any folder of results against references or without; `tools/evaluate.py` is the same.

What can be measured, and how, is in `isalux_mm.evaluation.measures`; docs/evaluation.md explains it.
"""
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from isalux_mm.cli import compare
from isalux_mm.cli.options import SOME_FAILED, WrongUseError, add_overwrite_option
from isalux_mm.io.names import check_products
from isalux_mm.io.places import check_writable, sentence
from isalux_mm.io.whole_file import check_free

if TYPE_CHECKING:
    from isalux_mm.apis.evaluating import Evaluation

SHOWN = 20  # pictures that a list shows


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the parser of the sub-command."""
    parser = subparsers.add_parser(
        'evaluate', help='score a folder of results, ours or anybody\'s', description='Scores a folder of pictures '
        'against references or without: means with confidence intervals, a row for a table, the values of every '
        'picture. Files are matched by name. Nothing is resized unless a protocol says so.')
    parser.add_argument('results', nargs='?', type=compare.named_folder, metavar='[NAME=]FOLDER',
                        help='results to score; the name stands in tables')
    parser.add_argument('--reference', type=compare.given_path, metavar='FOLDER',
                        help='normal-light references; without, only what needs none is measured')
    parser.add_argument('--low', type=compare.given_path, metavar='FOLDER',
                        help='dark inputs, which LOE is measured against')
    parser.add_argument('--against', type=compare.named_folder, metavar='[NAME=]FOLDER',
                        help="another method's results, to compare with picture by picture")
    parser.add_argument('--measures', nargs='+', default=['default'], metavar='NAME',
                        help="measures, or the groups 'default', 'gt-means', 'all' (%(default)s)")
    parser.add_argument('--protocol', metavar='NAME', help='check and treat pictures as a benchmark says')
    parser.add_argument('--list-measures', action='store_true', help='show every measure and protocol, and end')
    parser.add_argument('--csv', type=Path, metavar='FILE', help='write the values of every picture here')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the summary here')
    parser.add_argument('--resume', action='store_true', help='go on from what the CSV has, with the same settings')
    add_overwrite_option(parser)
    parser.add_argument('--workers', type=int, metavar='N', help='processes (by the number of pictures and processors)')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')


def run(args: argparse.Namespace) -> int:
    """Scores; prints tables in Markdown, and on standard error what was left out."""
    if args.list_measures:
        print(measures_text())
        return 0
    methods = check(args)
    from rich.console import Console
    from rich.progress import Progress

    from isalux_mm.apis.evaluating import evaluate_folders
    from isalux_mm.io.whole_file import write_json
    with Progress(console=Console(stderr=True), disable=args.quiet or not sys.stderr.isatty(),
                  transient=True) as progress:
        bar = progress.add_task('scoring', total=None)
        try:
            found = evaluate_folders(
                methods, reference=args.reference, low=args.low, measures=args.measures, protocol=args.protocol,
                csv_path=args.csv, go_on=args.resume, overwrite=args.overwrite, workers=args.workers,
                on_progress=lambda done, total: progress.update(bar, completed=done, total=total))
        except KeyboardInterrupt:
            if args.csv:
                print(f'finished pictures are in {args.csv}; --resume goes on from there', file=sys.stderr)
            raise
    print(report(args, methods, found))
    for line in complaints(found):
        print(line, file=sys.stderr)
    if args.json:
        write_json(args.json, as_json(args, methods, found), indent=1, overwrite=args.overwrite)
    return SOME_FAILED if found.failures or found.unmatched else 0


def check(args: argparse.Namespace) -> dict[str, Path]:
    """The folders of results by their names.

    Raises:
        WrongUseError: if options do not go together.
    """
    if args.results is None:
        raise WrongUseError('which folder of results is to be scored? isalux evaluate FOLDER --reference FOLDER')
    if args.resume and args.csv is None:
        raise WrongUseError('--resume goes on from a CSV: name it by --csv')
    if args.workers is not None and args.workers < 1:
        raise WrongUseError(f'--workers must be at least 1, got {args.workers}')
    named = [args.results, *([args.against] if args.against else [])]
    methods = dict(named)
    if len(methods) < len(named):
        raise WrongUseError(f'both folders are called {named[0][0]}: name one of them by NAME=FOLDER')
    for option, folder in (('--reference', args.reference), ('--low', args.low)):
        if folder is not None and not folder.is_dir():
            raise WrongUseError(f'{option} must be an existing folder, got {folder}')
    check_outputs(args, [*methods.values(), *(folder for folder in (args.reference, args.low) if folder)])
    return methods


def check_outputs(args: argparse.Namespace, folders: Sequence[Path]) -> None:
    """Checks, before any work, that the files of figures can be written and are none of the pictures.

    Raises:
        WrongUseError: if one cannot be, or is.
    """
    from isalux_mm.evaluation.score_table import stamps_path
    from isalux_mm.io.images import list_images
    tables = [args.csv, stamps_path(args.csv)] if args.csv else []
    try:
        check_products([*([args.json] if args.json else []), *tables],
                       [path for folder in folders if folder.is_dir() for path in list_images(folder)])
        if args.json:
            check_free(args.json, overwrite=args.overwrite)
        for path in [*([args.json] if args.json else []), *tables]:
            check_writable(path)
    except OSError as error:
        raise WrongUseError(sentence(error)) from error
    except ValueError as error:
        raise WrongUseError(str(error)) from error


def report(args: argparse.Namespace, methods: dict[str, Path], found: 'Evaluation') -> str:
    """What was measured and how, in Markdown."""
    from isalux_mm.evaluation.score_summary import comparison_table, interval_text, remarks, row_table, summary_table
    parts = []
    for method, summaries in found.summaries.items():
        count = len(found.table.values(method)[found.measures[0]])
        against = f' against {args.reference}' if args.reference else ''
        protocol = f', protocol {args.protocol}' if args.protocol else ''
        parts += [f'{method}: {count} pictures of {methods[method]}{against}{protocol}', summary_table(summaries),
                  *remarks(summaries)]
    if found.comparisons:
        first, second = methods
        parts += [f'{first} minus {second}, the same pictures, Wilcoxon signed-rank test (two-sided):',
                  comparison_table(found.comparisons)]
    parts += ['As rows of a table:', row_table(found.summaries), f'{interval_text()}.']
    return '\n\n'.join(parts)


def complaints(found: 'Evaluation') -> list[str]:
    """What was left out, and why."""
    lines = [f'note: {note}' for note in found.notes]
    for method, missing in found.missing.items():
        lines += shortened(f'{len(missing)} references have no result of {method}', missing)
    lines += shortened(f'{len(found.unmatched)} results were not scored', found.unmatched)
    return lines + shortened(f'{len(found.failures)} pictures could not be scored', list(found.failures.values()),
                             all_of_them=True)


def shortened(head: str, names: Sequence[str], *, all_of_them: bool = False) -> list[str]:
    """A headed list, of the first names at least; nothing where there is none."""
    if not names:
        return []
    shown = names if all_of_them else names[:SHOWN]
    more = [f'  ... and {len(names) - len(shown)} more'] if len(names) > len(shown) else []
    return [f'{head}:', *(f'  {name}' for name in shown), *more]


def as_json(args: argparse.Namespace, methods: dict[str, Path], found: 'Evaluation') -> dict[str, object]:
    """The same for programs."""
    import isalux_mm
    from isalux_mm.evaluation.score_summary import as_json as fields
    from isalux_mm.evaluation.score_summary import interval_text
    return dict(
        version=isalux_mm.__version__, reference=str(args.reference) if args.reference else None,
        low=str(args.low) if args.low else None, protocol=args.protocol, intervals=interval_text(),
        methods={method: dict(folder=str(methods[method]), measures=[fields(s) for s in summaries],
                              references_without_result=found.missing.get(method, []))
                 for method, summaries in found.summaries.items()},
        comparisons=[fields(c) for c in found.comparisons], failures=found.failures, unmatched=found.unmatched,
        notes=found.notes)


def measures_text() -> str:
    """Every measure, group and protocol, as lists in Markdown."""
    from isalux_mm.evaluation.measures import GROUPS, MEASURES
    from isalux_mm.evaluation.protocols import PROTOCOLS
    lines = ['| measure | better | needs | what | source |', '|---|---|---|---|---|']
    for name, measure in MEASURES.items():
        needs = [measure.needs or '-', *([f'weights of {measure.backbone}'] if measure.backbone else [])]
        lines.append(f'| {name} | {"higher" if measure.higher_is_better else "lower"} | {", ".join(needs)} | '
                     f'{measure.text} | {measure.source} |')
    lines += ['', f'default: {", ".join(GROUPS["default"])}, as far as their pictures are given', '']
    return '\n'.join(lines + [f'protocol {name}: {protocol.text}' for name, protocol in PROTOCOLS.items()])
