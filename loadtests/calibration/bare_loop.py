"""A bare pacing loop: how late this machine lets anybody be who only sleeps.

`python -m loadtests.calibration.bare_loop RATE SECONDS SEED` prints the lateness of each
moment of a Poisson schedule, in seconds, as one JSON array.
"""

import json
import sys
import time

from servespec.target.schedules import poisson

__all__ = ["main"]


def main() -> None:
    """Sleep until each moment, and note how late it had become."""
    rate, seconds, seed = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    late, begun = [], time.monotonic()
    for offset in poisson(rate, seconds, seed).tolist():
        left = begun + offset - time.monotonic()
        if left > 0:
            time.sleep(left)
        late.append(time.monotonic() - begun - offset)
    sys.stdout.write(json.dumps(late))


if __name__ == "__main__":
    main()
