from __future__ import annotations

from collections import Counter

import pytest

from config.errors import SettingsError
from service import errors


def every_fault(base: type[Exception]) -> set[type[Exception]]:
    below = {kind for kind in base.__subclasses__() if kind.__module__ == errors.__name__}
    return below.union(*(every_fault(kind) for kind in below))


def test_each_fault_of_the_module_is_listed() -> None:
    assert every_fault(errors.Fault) <= set(errors.TABLE)


def test_exit_codes_are_unique() -> None:
    codes = Counter(rendering.exit_code for rendering in errors.TABLE.values())
    assert [code for code, count in codes.items() if count > 1] == []
    reserved = {errors.EXIT_OK, errors.EXIT_FAULTS_FOUND, errors.EXIT_USAGE, 1}
    assert reserved.isdisjoint(codes)


@pytest.mark.parametrize("kind", [kind for kind in errors.TABLE if issubclass(kind, errors.Fault)])
def test_exit_codes_and_retries_tell_data_from_io(kind: type[errors.Fault]) -> None:
    told = errors.TABLE[kind]
    assert told.retryable is issubclass(kind, errors.IoFault)
    if kind not in (errors.DataFault, errors.IoFault):
        assert told.exit_code in (
            range(80, 100) if issubclass(kind, errors.DataFault) else range(100, 120)
        )


@pytest.mark.parametrize("kind", list(errors.TABLE))
def test_statuses_are_failures_that_fit_their_fields(kind: type[Exception]) -> None:
    told = errors.TABLE[kind]
    assert 0x0100 <= told.dimse <= 0xFFFF
    assert 400 <= told.http <= 599
    assert told.message


def test_an_unlisted_fault_is_told_as_its_nearest_ancestor() -> None:
    class FrameAltered(errors.Altered):
        pass

    assert errors.rendering(FrameAltered("frame 3")) is errors.TABLE[errors.Altered]
    assert errors.rendering(SettingsError("x")).exit_code == 78
    assert errors.rendering(FileNotFoundError("x")) is errors.TABLE[OSError]
    assert errors.rendering(KeyboardInterrupt()) is errors.TABLE[Exception]
