"""A bundle that is written anew keeps the engines of the same graphs, which took minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.contract.bundle import read_bundle
from edgeclip.contract.engine_key import Machine, checked_sidecar, survey_engines
from edgeclip.contract.engine_lock import engines_held
from edgeclip.contract.engine_record import record_parity
from edgeclip.contract.gpu import Gpu
from edgeclip.errors import SetupError
from edgeclip_export.bundle_writer import write_bundle
from edgeclip_export.checks import Check
from edgeclip_export.config import BundleConfig
from edgeclip_export.kept_engines import keep_engines
from support.engines import key_of, write_engine
from support.tiny_bundle import write_tiny_bundle
from support.tiny_packs import TinyEncoder

NANO = Machine.of("tensorrt", "10.3.0", Gpu("Orin", "8.7", 8))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A bundle with two engines, one of them of another bundle's sizes, and measurements."""
    bundle = write_tiny_bundle(tmp_path / "old")
    own = key_of(read_bundle(bundle), NANO)
    write_engine(bundle, own, b"own engine")
    write_engine(bundle, own.model_copy(update={"graph_sha256": "a" * 64}), b"of another graph")
    (bundle / "engines/orin-8sm-10.3.0.timing").write_bytes(b"measured")
    return bundle


def _own(bundle: Path) -> Path:
    return bundle / "engines" / f"{key_of(read_bundle(bundle), NANO).digest()[:16]}.engine"


def test_engines_of_the_same_graphs_and_measurements_come_along(old: Path, tmp_path: Path) -> None:
    new = write_tiny_bundle(tmp_path / "new")
    record_parity(_own(old), checked_sidecar(_own(old)), {"probability": 1e-4}, [])
    told = keep_engines(old, new, read_bundle(new))
    assert [(check.passed, check.name.split()[-1]) for check in told if check.passed] == [
        (True, "kept")
    ]
    survey = survey_engines(new, read_bundle(new), NANO)
    ((engine, sidecar),) = survey.fitting
    assert engine.read_bytes() == b"own engine"
    assert sidecar.parity is None  # the golden frames may be others
    assert checked_sidecar(_own(old)).parity is not None
    assert (new / "engines/orin-8sm-10.3.0.timing").read_bytes() == b"measured"
    assert len(list((new / "engines").iterdir())) == 3


def test_one_that_is_not_of_its_graphs_or_damaged_is_dropped_with_the_reason(
    old: Path, tmp_path: Path
) -> None:
    _own(old).write_bytes(b"cut")
    new = write_tiny_bundle(tmp_path / "new")
    notes = " ".join(check.note for check in keep_engines(old, new, read_bundle(new)))
    assert "was altered or cut short" in notes
    assert "built from another graph" in notes
    assert not list((new / "engines").glob("*.engine"))


def test_an_engine_that_failed_stays_known_for_it(old: Path, tmp_path: Path) -> None:
    record_parity(_own(old), checked_sidecar(_own(old)), {}, ["probability off by 0.3"])
    new = write_tiny_bundle(tmp_path / "new")
    keep_engines(old, new, read_bundle(new))
    assert survey_engines(new, read_bundle(new), NANO).failed == {_own(new).name}


def test_a_bundle_without_engines_gets_none(tmp_path: Path) -> None:
    old, new = (write_tiny_bundle(tmp_path / name) for name in ("old", "new"))
    assert keep_engines(old, new, read_bundle(new)) == []
    assert not (new / "engines").exists()


def test_overwrite_keeps_an_engine_and_none_may_be_built_meanwhile(
    bundle: Path, pack_folder: Path, encoder: TinyEncoder
) -> None:
    engine = write_engine(bundle, key_of(read_bundle(bundle), NANO), b"engine")
    shown: list[Check] = []
    files = str(encoder.config), str(encoder.weights)
    config = BundleConfig(pack_folder, bundle, *files, overwrite=True)
    with engines_held(bundle / "engines"), pytest.raises(SetupError, match="is being built in"):
        write_bundle(config, shown.append)
    (bundle / "manifest.sig").write_text("of the bundle before")
    write_bundle(config, shown.append)
    assert engine.read_bytes() == b"engine"
    assert shown[-2].line() == f"✓ {engine.name} is kept  it is of the same graph"
    assert shown[-1].line().startswith("- the signature is gone  it was of the bundle before")
