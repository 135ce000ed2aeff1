"""The receive sequence grows across processes, threads and clocks that are set back."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service import sequence
from service.sequence import ReceiveSequence


def _take(path: Path, count: int) -> list[int]:
    numbers = ReceiveSequence(path)
    taken = [numbers.next() for _ in range(count)]
    numbers.close()
    return taken


def test_numbers_of_several_processes_are_all_different_and_each_process_sees_them_grow(
    tmp_path: Path,
) -> None:
    path = tmp_path / "sequence"
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        runs = pool.starmap(_take, [(path, 500)] * 3)
    assert all(run == sorted(run) for run in runs)
    assert len({number for run in runs for number in run}) == 1500


def test_threads_of_one_process_share_it(tmp_path: Path) -> None:
    numbers = ReceiveSequence(tmp_path / "sequence")
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: numbers.next(), range(2000)))
    assert len(set(taken)) == 2000


def test_a_clock_set_back_does_not_turn_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = ReceiveSequence(tmp_path / "sequence")
    before = numbers.next()
    monkeypatch.setattr(sequence, "utc_now", lambda: before - 10**9)
    assert numbers.next() == before + 1


def test_seeding_moves_it_forward_only(tmp_path: Path) -> None:
    numbers = ReceiveSequence(tmp_path / "sequence")
    last = numbers.next()
    numbers.seed(last - 5)
    assert numbers.next() > last
    far = last + 10**15
    numbers.seed(far)
    assert numbers.next() == far + 1
