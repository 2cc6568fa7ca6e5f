"""`python -m reference_server`: read the flags, serve, exit."""

import logging
import os
import sys

from .errors import StartupError
from .runtime import check_distribution, installed
from .settings import read_settings


def main() -> int:
    """Serve until told to stop; return the exit code."""
    settings = read_settings()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its core logs what we say ourselves
    try:
        check_distribution(installed())
        import uvloop

        from .app import serve

        return uvloop.run(serve(settings))
    except StartupError as error:
        sys.stderr.write(f"reference_server: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
