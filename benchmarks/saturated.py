"""Callers in a closed loop, who never pause: `python -m benchmarks.saturated HOST:PORT SECONDS`.

Prints the answers a second that they get from a text encoder, for sentences of real lengths.
"""

import sys

from loadtests.sending.dialects import OpenInference
from loadtests.sending.workloads import workload_of

from .callers import Ask, closed_loop

CALLERS = 8


def main() -> None:
    """Ask as long as the command line says."""
    address, seconds = sys.argv[1], float(sys.argv[2])
    questions = workload_of("sentences", 1).questions
    numbered = ((each.request, number) for number, each in enumerate(questions))
    messages = []
    for asked in (OpenInference(binary=False).encode(*each) for each in numbered):
        head = f"{asked.method} {asked.path} HTTP/1.1\r\nHost: {address}\r\n"
        head += f"Content-Length: {len(asked.body)}\r\nContent-Type: application/json\r\n\r\n"
        messages.append(head.encode() + asked.body)

    def ask(number: int) -> Ask:
        return Ask(messages[number % len(messages)], lambda data: len(data) > 0)

    sys.stdout.write(f"{closed_loop(address, ask, CALLERS, seconds).rate}\n")


if __name__ == "__main__":
    main()
