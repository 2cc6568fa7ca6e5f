"""Run `mlserver start MODELS` in a scratch folder, for the .envs and .metrics that it makes.

The folder lies beside MODELS: whoever removes those removes what a killed server has left. What
follows MODELS are settings, NAME=VALUE, which go before those of the environment.
"""

import os
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    models = Path(sys.argv[1]).resolve()
    os.environ.update(setting.split("=", 1) for setting in sys.argv[2:])
    with tempfile.TemporaryDirectory(prefix="mlserver-", dir=models.parent) as scratch:
        os.chdir(scratch)
        from mlserver.cli.main import main  # notes the working directory when imported

        sys.argv = ["mlserver", "start", str(models)]
        main()
