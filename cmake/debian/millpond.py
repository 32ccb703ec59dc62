#!/usr/bin/python3
"""The command millpond."""

import sys

from millpond.cli import main

if __name__ == "__main__":
    sys.exit(main())
