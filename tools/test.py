"""Tests a checkpoint: the command `isalux test`, under the name that OpenMMLab's users know."""
import sys

from isalux_mm import cli


def main() -> int:
    """Runs the command; returns the exit code."""
    return cli.main(['test', *sys.argv[1:]])


if __name__ == '__main__':
    sys.exit(main())
