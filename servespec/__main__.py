"""`python -m servespec`."""

from .cli import main

raise SystemExit(main())
