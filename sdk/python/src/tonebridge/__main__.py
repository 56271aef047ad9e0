"""`python -m tonebridge`: the command line."""

import sys

from tonebridge.cli import main

sys.exit(main())
