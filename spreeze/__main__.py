"""`python -m spreeze`."""

import sys

from spreeze.cli import main

if __name__ == "__main__":
    sys.exit(main())
