"""Multi-frame instances: key frames at a bounded distance, whatever happens to the object."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.encode import Codec
from service.home import Home
from service.processes.worker import drain
from service.sealing.reader import ObjectReader
from service.upkeep.jobs import reencrypt
from tests.service.made import dataset, only, take

FRAMES = 7
DATASET = dataset(size=48, frames=FRAMES, alike=60)


def dependent(home: Home, codec: Codec) -> list[bool]:
    """Tell of each frame of the archive's only object whether it needs the one before."""
    object_id = only(home).servable.object_id
    assert object_id is not None
    with home.store.open(object_id) as file:
        reader = ObjectReader(file, home.keys, object_id, codec.predictors)
        assert reader.dataset() == DATASET
        return [stream.is_dependent for stream in reader.streams()]


@pytest.mark.parametrize("distance", [1, 3, 16])
def test_key_frames_stand_at_most_so_far_apart(folder: Path, codec: Codec, distance: int) -> None:
    with Home.open(folder, {"codec": {"key_frame_distance": distance}}) as home:
        take(home, DATASET)
        drain(home, codec)
        assert dependent(home, codec) == [bool(number % distance) for number in range(FRAMES)]


def test_a_re_encrypted_object_has_the_same_key_frames(home: Home, codec: Codec) -> None:
    take(home, DATASET)
    drain(home, codec)
    before = dependent(home, codec)
    home.keys.rotate()
    assert reencrypt(home, codec).resealed == 1
    assert dependent(home, codec) == before
