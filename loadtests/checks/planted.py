"""An update that takes a fifth longer, compared with the model before it: is it noticed?

`python -m loadtests.checks.planted --target-url http://127.0.0.1:8000` asks both pieces of work of
one server, in turn, and prints what `servespec regression` would write, and to standard error what
it would tell.
"""

import argparse
import json
import sys
from dataclasses import replace
from functools import partial

from ..commands import Parser, add_plan_options, begin_patched, planned
from ..comparing.regression import Rule, rendered, report_of
from ..comparing.rounds import interleaved
from ..judging.gates import Run
from ..sending.plan import Plan

OLD, NEW = "work", "slower-work"
RULE = Rule(margin=1.05, alpha=0.01)


def main() -> int:
    """Compare and print; returns the exit code."""
    from ..comparing.blocks import calibrated, drive, endpoint_of, warm_up

    given = _parser().parse_args()
    plan = replace(planned(given), workload=OLD)
    place = f"{given.target}@{given.target_url}" if given.target else given.target_url
    endpoint = endpoint_of(place, plan.plane)
    warm_up(plan, endpoint)
    calibration = calibrated(plan, endpoint).to_dict()
    old = partial(drive, endpoint=endpoint)

    def new(block: Plan) -> Run:
        return drive(replace(block, workload=NEW), endpoint)

    rounds = interleaved(plan, given.rounds, [old, new])
    report = report_of((OLD, NEW), rounds, RULE, calibration)
    sys.stderr.write(rendered(report))
    sys.stdout.write(json.dumps(report.to_json()) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser("planted", description=__doc__)
    add_plan_options(parser, rate=40.0, seconds=1.5)
    parser.add_argument("--target", metavar="FILE")
    parser.add_argument("--target-url", required=True, metavar="URL")
    parser.add_argument("--target-grpc", metavar="HOST:PORT")
    parser.add_argument("--rounds", type=int, default=12, metavar="N")
    return parser


if __name__ == "__main__":
    assert __spec__ is not None
    begin_patched(__spec__.name)
    raise SystemExit(main())
