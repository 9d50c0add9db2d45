"""``python -m unrolled`` is the command ``unrolled``."""

import sys

from unrolled.cli import main

sys.exit(main())
