"""`python -m reference_server`: read the flags, serve, exit."""

import gc
import sys

from .signals import Signals


def main() -> int:
    """Serve until told to stop; return the exit code."""
    signals = Signals()
    signals.install()  # before the imports, which take a second
    import logging
    import os

    from .descriptors import allow
    from .errors import StartupError
    from .runtime import check_distribution, installed
    from .settings import read_settings

    settings = read_settings()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its core logs what we say ourselves
    allow(settings.max_connections)
    try:
        check_distribution(installed())
        import uvloop

        from .app import serve

        return uvloop.run(serve(settings, signals))
    except StartupError as error:
        sys.stderr.write(f"reference_server: {error}\n")
        return 2
    finally:
        signals.ignore()
        # Or the interpreter searches all that the runtimes left behind for garbage, for half a
        # second in which the process is still there and nobody answers its probes.
        gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
