"""The process of a worker: ``python -m service.processes.work``, started by the supervisor.

It follows its lifeline before it loads anything large, which takes seconds: a worker whose
supervisor was killed meanwhile must not be there when the next one recovers the archive.
"""

from __future__ import annotations

import json
import sys

from service.processes.lifeline import follow


def main(given: str) -> None:
    """Work until the lifeline says to stop; ``given`` is what the supervisor says, as JSON."""
    options = json.loads(given)
    stop = follow(options["lifeline"])
    from service.processes.worker import work

    work(options, stop)


if __name__ == "__main__":
    main(sys.stdin.read())
