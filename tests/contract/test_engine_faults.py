from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from edgeclip.contract import engine_lock
from edgeclip.contract.bundle import read_bundle
from edgeclip.contract.engine_faults import keep_failure, keep_parity, set_aside
from edgeclip.contract.engine_key import Machine, checked_sidecar
from edgeclip.contract.engine_lock import LOCK_FILE, engines_held
from edgeclip.contract.engine_record import keep_benchmark, record_parity
from edgeclip.errors import EngineRefusedError
from support.engines import key_of, write_engine
from support.tiny_bundle import write_tiny_bundle


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    bundle = write_tiny_bundle(tmp_path / "bundle")
    key = key_of(read_bundle(bundle), Machine.of("tensorrt", "10.3.0", None))
    return write_engine(bundle, key, b"engine")


def test_of_engines_that_were_set_aside_the_last_two_are_kept(tmp_path: Path) -> None:
    for number in range(4):
        engine = tmp_path / f"{number}.engine"
        engine.write_bytes(b"engine")
        engine.with_suffix(".json").write_text("{}")
        set_aside(engine, f"reason {number}")
    left = sorted(path.name for path in (tmp_path / "aside").iterdir())
    assert left == [f"{number}.{kind}" for number in (2, 3) for kind in ("engine", "json", "txt")]
    assert (tmp_path / "aside/3.txt").read_text() == "reason 3\n"


def test_each_record_changes_its_own_fields_alone(engine: Path) -> None:
    first = checked_sidecar(engine)
    record_parity(engine, first, {"probability": 1e-4}, [])
    keep_benchmark(engine, first, {"b1_p50_ms": 3.5})  # of the sidecar as it was before
    known = checked_sidecar(engine)
    assert (known.parity, known.benchmark) == ({"probability": 1e-4}, {"b1_p50_ms": 3.5})


def test_an_engine_that_was_built_anew_meanwhile_keeps_its_sidecar(engine: Path) -> None:
    judged = checked_sidecar(engine)
    bundle = engine.parents[1]
    write_engine(bundle, judged.made_from, b"another engine", minutes=5)
    record_parity(engine, judged, {}, ["probability off by 0.3"])
    assert checked_sidecar(engine).problems == []


def test_an_engine_that_was_set_aside_meanwhile_gets_no_sidecar(engine: Path) -> None:
    judged = checked_sidecar(engine)
    set_aside(engine, "cut short")
    record_parity(engine, judged, {}, [])
    assert not engine.with_suffix(".json").exists()


def test_while_another_process_holds_the_folder_nothing_is_written_and_it_is_said(
    engine: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_lock, "WAIT_S", 0.1)
    sidecar = checked_sidecar(engine)
    descriptor = os.open(engine.parent / LOCK_FILE, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    keep_parity(engine, sidecar, {}, ["off"])
    keep_benchmark(engine, sidecar, {"b1_p50_ms": 3.5})
    keep_failure(engine, sidecar, EngineRefusedError("not taken"))
    os.close(descriptor)
    assert checked_sidecar(engine) == sidecar
    assert caplog.text.count("cannot be") == 3


def test_a_folder_is_free_again_after_an_error_and_goes_where_it_is_empty(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="half-way"), engines_held(tmp_path / "engines"):
        raise RuntimeError("half-way")
    assert not (tmp_path / "engines").exists()
    with engines_held(tmp_path / "engines"):
        pass
