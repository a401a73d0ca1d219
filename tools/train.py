"""Trains a model from a config: the command `isalux train`, under the name that OpenMMLab's users know."""
import sys

from isalux_mm.cli import main

if __name__ == '__main__':
    sys.exit(main(['train', *sys.argv[1:]]))
