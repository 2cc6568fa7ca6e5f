"""`python -m servespec.suites.loadtests`: what `servespec load` runs, in a process of its own."""

import sys
from importlib.util import find_spec

USAGE = 2
NEEDED = ("locust", "geventhttpclient")


def main() -> int:
    """Load a server and judge it; returns the exit code."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"servespec: load: expected the package {missing[0]}, found none: "
            "pip install 'servespec[load]'\n"
        )
        return USAGE
    from .running import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
