"""Load tests whose tail can be trusted: open loop, in Locust, judged with intervals."""

import os

# Before gRPC is imported, which reads it once: where its threads run, a process that gevent forks
# only to become another one would begin them anew, and abort now and then.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
