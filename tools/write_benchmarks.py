"""Writes docs/benchmarks.md, its pictures, configs/metafile.yml and model-index.yml from the CSVs in docs/tables, and
brings the figures that README and docs quote from them up to date: `python tools/write_benchmarks.py`.

With --check nothing is written; exit code 1 says that something is not what would be written.
"""
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tabling.drawing import SHOWN, draw
from tabling.page import metafile_of, model_index, page_of, read_results
from tabling.quotes import quoted

from isalux_mm.cli.options import run_tool
from isalux_mm.io.whole_file import write_text

ROOT = Path(__file__).resolve().parents[1]
PAGE = 'docs/benchmarks.md'


def texts(root: Path = ROOT) -> dict[Path, str]:
    """Every file that is written, and its text."""
    results = read_results(root / 'configs/tables', root / 'docs/tables')
    found = {root / PAGE: page_of(results, SHOWN if 'lol_v1' in results else {}),
             root / 'configs/metafile.yml': metafile_of(results), root / 'model-index.yml': model_index()}
    for page in (root / 'README.md', *sorted((root / 'docs').glob('*.md'))):
        if page not in found:
            found[page] = quoted(page.read_text(encoding='utf-8'), results)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true', help='write nothing, say what differs')
    args = parser.parse_args(argv)
    written = texts()
    changed = [path for path, text in written.items()
               if not path.is_file() or path.read_text(encoding='utf-8') != text]
    for path in changed:
        print(('differs: ' if args.check else 'written: ') + path.relative_to(ROOT).as_posix())
        if not args.check:
            write_text(path, written[path], overwrite=True)
    if args.check:
        return 1 if changed else 0
    results = read_results(ROOT / 'configs/tables', ROOT / 'docs/tables')
    if 'lol_v1' in results:
        draw(results['lol_v1'], ROOT / 'docs/images')
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
