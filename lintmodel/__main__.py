"""``python -m lintmodel``: the command line."""

import sys

from .cli import program

sys.exit(program())
