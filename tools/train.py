"""Trains a model from a config: the command `isalux train`, under the name that OpenMMLab's users know."""
import sys

from isalux_mm import cli


def main() -> int:
    """Runs the command; returns the exit code."""
    return cli.main(['train', *sys.argv[1:]])


if __name__ == '__main__':
    sys.exit(main())
