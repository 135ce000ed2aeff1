"""The process of a worker: ``python -m service.processes.work``, started by the supervisor.

It follows its lifeline before it loads anything large, which takes seconds, on a busy machine more
than the grace of a shutdown: a worker whose supervisor was killed meanwhile must not be there when
the next one recovers the archive, and one that is asked to stop meanwhile ends at once.
"""

from __future__ import annotations

import json
import sys
from threading import Event

from service.processes.lifeline import follow


def main(given: str) -> None:
    """Work until the lifeline says to stop; ``given`` is what the supervisor says, as JSON."""
    options = json.loads(given)
    begun = Event()
    stop = follow(options["lifeline"], begun)
    from service.processes.worker import work

    work(options, stop, begun)


if __name__ == "__main__":
    main(sys.stdin.read())
