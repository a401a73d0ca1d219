"""Writes pip's report of what it would install as a requirements file with hashes; `make lock` runs it."""
import argparse
import json
import platform
import sys
from pathlib import Path

from isalux_mm.cli.options import demand_files, demand_free, run_tool
from isalux_mm.io.whole_file import write_text

HEAD = '# Written by make lock on {system} {machine}, Python {python}: pip install --require-hashes -r {name}\n'


def locked(report: dict) -> str:
    """The lines of a requirements file.

    Args:
        report: of `pip install --report`, version 1.

    Raises:
        ValueError: if a file has no SHA-256.
    """
    lines = []
    for entry in sorted(report['install'], key=lambda e: e['metadata']['name'].lower()):
        name, version = entry['metadata']['name'], entry['metadata']['version']
        digest = entry['download_info'].get('archive_info', {}).get('hashes', {}).get('sha256')
        if digest is None:
            raise ValueError(f'{name} {version} must come from a file with a SHA-256')
        lines.append(f'{name}=={version} --hash=sha256:{digest}\n')
    return ''.join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Writes the file; 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('report', type=Path, help="pip's JSON")
    parser.add_argument('lock', type=Path, help='file to write, made anew')
    options = parser.parse_args(arguments)
    demand_files(parser, 'report', options.report)
    demand_free(parser, options.lock, overwrite=True, read=[options.report])
    head = HEAD.format(system=platform.system(), machine=platform.machine(), python=platform.python_version(),
                       name=options.lock.name)
    write_text(options.lock, head + locked(json.loads(options.report.read_text(encoding='utf-8'))), overwrite=True)
    return 0


if __name__ == '__main__':
    sys.exit(run_tool(main))
