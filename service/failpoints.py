"""Named steps of the flow, at which a test may end or fail a process. Here they do nothing.

Production code says ``failpoint("object.renamed")`` where that has just been done. It costs one
call, some 40 ns between steps that take a disk's time. Nothing in this package arms a step: no
setting, no environment variable, no command. A test does, by :func:`arm` in its own process or, in
those of a service, from a module that only tests put on Python's path (``tests/fault/armed``).

A new step is named in :data:`Step`; the tests kill at every one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, get_args

Step = Literal[
    # receive: a journal entry, its row, Success
    "entry.written",
    "entry.synced",
    "entry.renamed",
    "entry.durable",
    "entry.indexed",
    # encode and re-encrypt: an object, its row, what it replaces
    "draft.written",
    "draft.verified",
    "draft.synced",
    "object.marked",
    "object.renamed",
    "object.durable",
    "object.indexed",
    "object.settled",
    "object.removed",
    "entry.removed",
    # any small file that is replaced as a whole: keyring, notes, settings
    "file.written",
    "file.synced",
    "file.renamed",
    "file.durable",
    # a decision, a deletion among them: its note, its row; then files of what is purged
    "decision.noted",
    "decision.entered",
    "purge.entered",
    "purge.objects",
    "purge.done",
    # rotate and retire
    "key.added",
    "key.proven",
    "key.activated",
    "key.retired",
    # the index: migrate and rebuild
    "schema.upgraded",
    "index.rebuilt",
    "index.kept",
    "index.replaced",
]
"""Each is named after what has just been done."""

STEPS: Final[tuple[Step, ...]] = get_args(Step)

Hook = Callable[[Step], None]


def _pass(_: Step) -> None:
    """Go on."""


_hook: Hook = _pass


def failpoint(step: Step) -> None:
    """Say that a step is done."""
    _hook(step)


def arm(hook: Hook = _pass) -> None:
    """Call ``hook`` at each step of this process from now on, by default nothing: for tests."""
    global _hook
    _hook = hook
