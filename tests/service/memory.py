"""Take a large multi-frame instance through an archive, and tell how much memory each step took.

``python -m tests.service.memory SIZE FRAMES`` tells peaks of resident memory in MB, one process
doing all: after the libraries and models are loaded, and after each step. Every hundredth frame is
textured, the others are flat, so that gigabytes pass in minutes: memory is what is measured.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models import registry
from service.exchange.exporter import export
from service.home import Home, init
from service.processes.decode import decoder
from service.processes.decode_server import Place, Wanted
from service.processes.worker import drain, load_codec
from service.receive import Reception
from service.upkeep.jobs import reencrypt
from tests.service.made import dataset, only, origin

TEXTURED = 100
"""One frame in so many has a texture."""


def peak() -> float:
    """Largest resident memory of this program so far, in MB.

    ru_maxrss would not do: what the process was before exec counts there, a large pytest here.
    """
    status = Path("/proc/self/status").read_text()
    kibibytes = next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]
    return int(kibibytes) * 1024 / 1e6


def pieces(size: int, frames: int) -> Iterator[bytes]:
    """Give an encoded dataset of so many frames, frame by frame."""
    frame_bytes = size * size * 2
    whole = dataset(size=size, frames=2)
    head = whole[: len(whole) - 2 * frame_bytes]
    number = head.index(b"\x28\0\x08\0IS")
    many = b"IS" + (6).to_bytes(2, "little") + f"{frames:<6}".encode()
    yield head[: number + 4] + many + head[number + 10 : -4]
    yield (frames * frame_bytes).to_bytes(4, "little")
    textured, flat = whole[-frame_bytes:], bytes(frame_bytes)
    for each in range(frames):
        yield (
            np.roll(np.frombuffer(textured, "<u2"), each).tobytes() if not each % TEXTURED else flat
        )


def run(folder: Path, size: int, frames: int) -> dict[str, float]:
    """Receive, archive, decode for retrieval, export, re-encrypt: the peak after each."""
    init(folder)
    peaks = {}
    with Home.open(folder) as home:
        codec = load_codec()
        peaks["loaded"] = peak()
        reception = Reception(home, origin())
        for piece in pieces(size, frames):
            reception.write(piece)
        reception.take()
        peaks["received"] = peak()
        drain(home, codec)
        peaks["archived"] = peak()
        revision = only(home)
        peaks["object"] = (revision.size or 0) / 1e6
        wanted = Wanted(Place.OBJECT, revision.servable.object_id or b"")
        with os.fdopen(os.memfd_create("decoded"), "wb") as memory:
            decoder(home, codec)(wanted, memory)
            peaks["dataset"] = memory.tell() / 1e6
        peaks["decoded"] = peak()
        export(home, [revision], folder / "exported", registry.all_models())
        peaks["exported"] = peak()
        home.keys.rotate()
        reencrypt(home, codec)
        peaks["re-encrypted"] = peak()
    return peaks


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        told = run(Path(scratch, "home"), int(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write(json.dumps(told) + "\n")
