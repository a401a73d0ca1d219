"""`python -m isalux_mm` is the command `isalux`."""
import sys

from isalux_mm.cli import main

if __name__ == '__main__':
    sys.exit(main())
