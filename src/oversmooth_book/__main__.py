"""``python -m oversmooth_book``."""

import sys

from oversmooth_book.cli import main

if __name__ == "__main__":
    sys.exit(main())
