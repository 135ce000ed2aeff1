"""What a training leaves in its folder: what it was made of, a log, the model and its entry."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from models.network import FORMAT_VERSION
from models.training.errors import TrainingError
from models.training.fit import Measured, Schedule
from models.training.images import TrainingImage, set_digest

_LOG = "log.jsonl"
_MANIFEST = "training.json"


@dataclass(frozen=True, slots=True)
class Epoch:
    """A line of the log.

    Attributes:
        phase: whose network.
        epoch: from 0 on.
        bits: bits per sample, of training samples while they were learnt from.
        held_back: bits per sample, of held-back ones afterwards.
        mse: the mean squared error of training samples, in units of their normalisation.
        held_back_mse: of held-back ones.
    """

    phase: int
    epoch: int
    bits: float
    held_back: float
    mse: float
    held_back_mse: float


class Record:
    """The folder; rank 0's alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def begin(self, schedule: Schedule, images: Sequence[TrainingImage], processes: int) -> None:
        """Note what is trained, or see that it is what was begun here.

        Raises:
            TrainingError: another training was begun here.
        """
        manifest = {
            "schedule": asdict(schedule),
            "processes": processes,
            "images": [{"name": image.name, "sha256": image.sha256} for image in images],
        }
        path = self._folder / _MANIFEST
        if path.exists() and json.loads(path.read_text()) != manifest:
            raise TrainingError(f"{self._folder} holds another training: choose another folder")
        _write(path, json.dumps(manifest, indent=1).encode())

    def log(self, phase: int, epoch: int, learnt: Measured, held_back: Measured) -> str:
        """Add a line to the log, and give it for people."""
        line = Epoch(phase, epoch, learnt.bits, held_back.bits, learnt.mse, held_back.mse)
        self._append(asdict(line))
        return " ".join(f"{name} {value:g}" for name, value in asdict(line).items())

    def _append(self, line: Mapping[str, float]) -> None:
        with (self._folder / _LOG).open("a") as log:
            log.write(json.dumps(line) + "\n")

    def log_result(self, bits_per_pixel: float) -> None:
        """Note what the held-back frames take with the model."""
        self._append({"bits_per_pixel": bits_per_pixel})

    def store(self, name: str, data: bytes, images: Sequence[TrainingImage]) -> tuple[Path, str]:
        """Write the model and its lines for ``models/MANIFEST.toml``; give where, and those."""
        weights = self._folder / f"{name}.safetensors"
        entry = (
            "[[model]]\n"
            f'id = "{name}"\n'
            f'file = "{weights.name}"\n'
            f'sha256 = "{sha256(data).hexdigest()}"\n'
            f"format = {FORMAT_VERSION}\n"
            f'training_set = "{set_digest(images)}"\n'
        )
        _write(weights, data)
        _write(self._folder / "entry.toml", entry.encode())
        return weights, entry


@dataclass(frozen=True, slots=True)
class Log:
    """A training's log.

    Attributes:
        epochs: by phase and epoch, named as in :class:`Epoch`; errors may be missing.
        bits_per_pixel: what the held-back frames take with the model, if it is made and measured.
    """

    epochs: Sequence[Mapping[str, float]]
    bits_per_pixel: float | None


def read_log(path: Path) -> Log:
    """Read a ``log.jsonl``; of an epoch that was run again, the last counts.

    Raises:
        TrainingError: it is none.
    """
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        epochs = {(line["phase"], line["epoch"]): line for line in lines if "phase" in line}
    except (ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"{path} is not the log of a training") from error
    if not epochs:
        raise TrainingError(f"{path} has no epochs of a training")
    results = [line["bits_per_pixel"] for line in lines if "bits_per_pixel" in line]
    return Log([epochs[key] for key in sorted(epochs)], results[-1] if results else None)


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(data)
    os.replace(temporary, path)
