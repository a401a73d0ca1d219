"""Computes a table: trains, runs and scores what is missing of its rows, and writes Markdown and CSV:
`python tools/run_table.py configs/tables/lol_v1.py --weights checkpoints`.

A table is a file of evaluation sets and rows (configs/tables/, docs/tables.md). What is there already is taken up, so
an interrupted table goes on. Rows run one after the other; `--print` prints a command for each that has still to run,
for a queue:

  python tools/run_table.py TABLE --print | while read -r line; do sbatch --wrap "$line"; done
  python tools/run_table.py TABLE --launcher 'torchrun --nproc_per_node=4'
"""
import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from tabling import report
from tabling.jobs import Job, Settings, jobs_of, run_all
from tabling.tables import Table, read_table

import isalux_mm  # noqa: F401  (registers)
from isalux_mm.cli.options import count, count_or_none, run_tool
from isalux_mm.functional.checks import check_choice
from isalux_mm.io.whole_file import write_text


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('table', type=Path, help='file of the table')
    parser.add_argument('--rows', nargs='+', metavar='NAME', help='rows to compute (default: all)')
    parser.add_argument('--seeds', nargs='+', type=count_or_none, metavar='N', help='of these only these seeds')
    parser.add_argument('--sets', nargs='+', metavar='NAME', help='sets to score (default: all)')
    parser.add_argument('--weights', type=Path, default=Path('checkpoints'), metavar='DIR',
                        help="folder of the peers' published weights (default: checkpoints)")
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/tables'), metavar='DIR',
                        help='folder of trainings, results and scores (default: work_dirs/tables)')
    parser.add_argument('--out', type=Path, metavar='DIR',
                        help='folder of the two CSVs (default: in the work folder, where the Markdown goes)')
    parser.add_argument('--launcher', default='', metavar='WORDS', help='ahead of the training script: torchrun ...')
    parser.add_argument('--device', default='cpu', help='that models run on when they are scored (default: cpu)')
    parser.add_argument('--threads', type=count, default=1, help='of torch when models are scored (default: 1)')
    parser.add_argument('--again', action='store_true', help='compute results anew (not trainings)')
    parser.add_argument('--print', action='store_true', dest='print_commands',
                        help='print a command for every row and seed that is not computed, and stop')
    parser.add_argument('--collect', action='store_true', help='write what is computed, and compute nothing')
    return parser.parse_args(argv)


def chosen_jobs(args: argparse.Namespace, table: Table) -> list[Job]:
    """The jobs that are asked for.

    Raises:
        ValueError: if a row or set is unknown.
    """
    for name in args.rows or ():
        check_choice(name, [row.name for row in table.rows], 'rows')
    for name in args.sets or ():
        check_choice(name, table.sets, 'sets')
    return [job for job in jobs_of(table, args.work_dir)
            if (not args.rows or job.row.name in args.rows)
            and (not args.seeds or job.seed is None or job.seed in args.seeds)]


def command_of(job: Job, args: argparse.Namespace) -> str:
    """The command that computes one job."""
    words = ['python', 'tools/run_table.py', str(args.table), '--rows', job.row.name]
    words += [] if job.seed is None else ['--seeds', str(job.seed)]
    words += ['--sets', *args.sets] if args.sets else []
    words += ['--weights', str(args.weights), '--work-dir', str(args.work_dir)]
    words += ['--launcher', args.launcher] if args.launcher else []
    words += ['--device', args.device] if args.device != 'cpu' else []
    words += ['--threads', str(args.threads)] if args.threads != 1 else []
    words += ['--out', str(args.out)] if args.out else []
    words += ['--again'] if args.again else []
    return shlex.join(words)


def say(text: str) -> None:
    """Progress, at once, beside the table."""
    print(text, file=sys.stderr, flush=True)


def write_report(table: Table, args: argparse.Namespace, missing: dict[str, str]) -> str:
    """Writes the CSVs and the Markdown of what has been computed, here or earlier by the CSVs that are there; returns
    the Markdown."""
    out = args.out or args.work_dir / table.name
    lines, pictures = report.with_earlier(table, *report.lines_of(table, args.work_dir), out)
    sets = {name: evaluation_set.title for name, evaluation_set in table.sets.items()}
    text = report.to_markdown(table.title, table.shows, sets, lines, missing)
    report.write_lines(out / f'{table.name}.csv', lines)
    report.write_csv(out / f'{table.name}_pictures.csv', report.PICTURES_HEAD, pictures, overwrite=True)
    write_text(args.work_dir / table.name / f'{table.name}.md', text, overwrite=True)
    say(f'written: {out}/{table.name}.csv, {table.name}_pictures.csv; {args.work_dir}/{table.name}/{table.name}.md')
    return text


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    torch.set_num_threads(args.threads)
    try:
        table = read_table(args.table)
        jobs = chosen_jobs(args, table)
    except (ValueError, FileNotFoundError) as error:
        print(f'run_table.py: {error}', file=sys.stderr)
        return 2
    sets = {name: s for name, s in table.sets.items() if not args.sets or name in args.sets}
    undone = [job for job in jobs if not all(job.record(name).is_file() for name in sets)]
    if args.print_commands:
        for job in undone:
            print(command_of(job, args))
        return 0
    if args.collect:
        print(write_report(table, args, {job.name: 'not computed' for job in undone}))
        return 0
    settings = Settings(args.table, args.work_dir, args.weights, launcher=tuple(shlex.split(args.launcher)),
                        device=args.device, again=args.again)
    try:
        missing = run_all(jobs, sets, settings, say)
    except KeyboardInterrupt:
        say('interrupted: the same command goes on')
        return 130
    print(write_report(table, args, missing))
    return 1 if missing else 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
