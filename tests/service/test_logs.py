"""Logs carry no patient data while log.phi is off."""

import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest
import structlog

from dicom.archive import ArchiveFault
from service import logs

NAME = "Sommer^Sonja"
HOOKS = ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook"))


@pytest.fixture(autouse=True)
def _logging_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module, hook in HOOKS:
        monkeypatch.setattr(module, hook, getattr(module, hook))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _speak() -> None:
    log = structlog.get_logger()
    log.info("instance stored", patient_name=NAME, revision=7)
    logging.getLogger("pynetdicom").warning("dataset of %s", NAME)
    logging.getLogger("pydicom").warning(f"odd value {NAME}")
    warnings.warn(f"odd value {NAME}", stacklevel=1)
    for error in (ValueError(NAME), ArchiveFault(0xA700, "journal full")):
        try:
            raise error
        except (ValueError, ArchiveFault):
            log.warning("failed", exc_info=True)
            logging.getLogger("library").warning("failed", exc_info=True)


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_name_gets_out_by_any_way(capsys: pytest.CaptureFixture[str], form: str) -> None:
    logs.configure("debug", form)  # type: ignore[arg-type]
    _speak()
    written = capsys.readouterr().err
    assert "instance stored" in written
    assert "Sonja" not in written


def test_harmless_fields_and_our_own_messages_pass(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    _speak()
    records = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert records[0]["revision"] == 7
    assert records[0]["patient_name"] == "[withheld]"
    assert any(record.get("error") == "0xA700: journal full" for record in records)
    assert any(record.get("error_type") == "builtins.ValueError" for record in records)


def test_with_phi_on_everything_passes(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(phi=True)
    _speak()
    assert capsys.readouterr().err.count("Sonja") >= 5


def test_levels_below_the_set_one_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("error")
    _speak()
    assert capsys.readouterr().err == ""


class _Careless:
    def __del__(self) -> None:
        raise ValueError(NAME)


def _fail() -> None:
    raise ValueError(NAME)


def _fail_uncaught() -> None:
    thread = threading.Thread(target=_fail)
    thread.start()
    thread.join()
    _Careless()


def test_uncaught_exceptions_are_logged_by_type_and_place_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure()
    _fail_uncaught()
    written = capsys.readouterr().err
    assert "Sonja" not in written
    in_thread, in_finalizer = map(json.loads, written.splitlines())
    for record, function in ((in_thread, "_fail"), (in_finalizer, "__del__")):
        assert (record["level"], record["error_type"]) == ("critical", "builtins.ValueError")
        assert record["trace"][-1].startswith(__file__)
        assert record["trace"][-1].endswith(f" {function}")


def test_uncaught_exceptions_are_logged_whole_with_phi_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure(phi=True)
    _fail_uncaught()
    assert capsys.readouterr().err.count(f"ValueError: {NAME}") == 2


def test_a_process_that_fails_says_where_and_not_over_what() -> None:
    code = f"from service import logs; logs.configure(); raise ValueError({NAME!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Sonja" not in done.stderr
    assert json.loads(done.stderr)["trace"] == ["<string>:1 <module>"]
