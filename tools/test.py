"""Tests a checkpoint: the command `isalux test`, under the name that OpenMMLab's users know."""
import sys

from isalux_mm.cli import main

if __name__ == '__main__':
    sys.exit(main(['test', *sys.argv[1:]]))
