"""Scores a folder of pictures: the command `isalux evaluate`, for a checkout that is not installed."""
import sys

from isalux_mm import cli


def main() -> int:
    """Runs the command; returns the exit code."""
    return cli.main(['evaluate', *sys.argv[1:]])


if __name__ == '__main__':
    sys.exit(main())
