"""A device with keys loads engines that it saw built, and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from edgeclip.contract.bundle import read_bundle
from edgeclip.contract.engine_key import EngineSidecar, Machine, checked_sidecar
from edgeclip.contract.gpu import Gpu
from edgeclip.contract.signing import make_key
from edgeclip.contract.tensorrt_api import TensorRtApi
from edgeclip.errors import BackendError, BundleMismatchError, OutboxError, SignatureError
from edgeclip_device.backends.base import Backend
from edgeclip_device.backends.choosing import Chosen, choose_backend
from edgeclip_device.backends.ladder import Ladder
from edgeclip_device.backends.tensorrt_backend import TensorRtBackend
from edgeclip_device.config import InferenceSettings
from edgeclip_device.own_engines import ENGINES_FILE, MOST_KNOWN, OwnEngines
from edgeclip_device.packs import load_pack
from support.cuda_stand_in import memory
from support.engines import key_of, write_engine
from support.tensorrt_stand_in import ENGINE, StandIn
from support.tiny_bundle import GRAPH_FILE

NANO = Machine.of("tensorrt", "10.3.0", Gpu("Orin", "8.7", 8))


@pytest.fixture
def built(bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle with an engine, which anyone may have put there."""
    folder = Path(copytree(bundle, tmp_path / "bundle"))
    write_engine(folder, key_of(read_bundle(folder), NANO), ENGINE)
    return folder


@pytest.fixture
def settings(built: Path, tmp_path: Path) -> InferenceSettings:
    public = make_key(tmp_path / "team")
    return InferenceSettings(bundle=built, public_keys=[public], threads=1)


def _sidecar(bundle: Path) -> EngineSidecar:
    (engine,) = (bundle / "engines").glob("*.engine")
    return checked_sidecar(engine)


def _choose(settings: InferenceSettings, own: OwnEngines | None) -> Chosen:
    pack = load_pack(settings)

    def open_engine(engine: Path, precision: str) -> Backend:
        api = TensorRtApi(StandIn(pack.bundle / GRAPH_FILE).module)
        return TensorRtBackend(engine, precision, api=api, memory=memory())

    believes = own.believes if own else None
    return choose_backend(pack, settings, Ladder(lambda: NANO, open_engine, believes))


def test_an_engine_that_was_put_there_is_not_loaded_and_that_is_an_alarm(
    settings: InferenceSettings, tmp_path: Path
) -> None:
    chosen = _choose(settings, OwnEngines(settings, tmp_path / "state"))
    assert chosen.backend.name == "onnxruntime"
    assert "this device did not see it built: run `edgeclip-device prepare`" in chosen.alarm


def test_whoever_asks_nobody_believes_no_engine(settings: InferenceSettings) -> None:
    assert _choose(settings, None).backend.name == "onnxruntime"


def test_an_engine_that_was_seen_built_serves(
    settings: InferenceSettings, built: Path, tmp_path: Path
) -> None:
    OwnEngines(settings, tmp_path / "state").remember(_sidecar(built))
    chosen = _choose(settings, OwnEngines(settings, tmp_path / "state"))
    assert (chosen.backend.name, chosen.alarm) == ("tensorrt", "")


def test_an_engine_of_ours_with_anothers_sidecar_is_not_believed(
    settings: InferenceSettings, built: Path, tmp_path: Path
) -> None:
    """Its bytes are known, but what the sidecar says that they are of was never true."""
    own = OwnEngines(settings, tmp_path / "state")
    own.remember(_sidecar(built))
    foreign = key_of(read_bundle(built), NANO, "fp16-attn32")
    assert not own.believes(checked_sidecar(write_engine(built, foreign, ENGINE)))


def test_where_tensorrt_is_asked_for_it_stops(settings: InferenceSettings, tmp_path: Path) -> None:
    asked = settings.model_copy(update={"backend": "tensorrt"})
    with pytest.raises(BundleMismatchError, match="did not see it built"):
        _choose(asked, OwnEngines(asked, tmp_path / "state"))


def test_without_keys_any_engine_serves_and_nothing_is_remembered(
    built: Path, tmp_path: Path
) -> None:
    settings = InferenceSettings(bundle=built)
    own = OwnEngines(settings, tmp_path / "state")
    own.remember(_sidecar(built))
    assert not (tmp_path / "state").exists()
    assert _choose(settings, own).backend.name == "tensorrt"
    assert _choose(settings, None).backend.name == "tensorrt"


def test_bytes_that_changed_after_they_were_checked_are_not_loaded(built: Path) -> None:
    (engine,) = (built / "engines").glob("*.engine")
    api = TensorRtApi(StandIn(built / GRAPH_FILE).module)
    with pytest.raises(BackendError, match="was altered after it was checked"):
        TensorRtBackend(engine, "fp16", api=api, memory=memory(), sha256="0" * 64)
    TensorRtBackend(
        engine, "fp16", api=api, memory=memory(), sha256=_sidecar(built).engine_sha256
    ).close()


def test_the_last_ones_are_remembered(
    settings: InferenceSettings, built: Path, tmp_path: Path
) -> None:
    own, first = OwnEngines(settings, tmp_path / "state"), _sidecar(built)
    own.remember(first)
    for number in range(MOST_KNOWN):
        own.remember(first.model_copy(update={"engine_sha256": f"{number:064x}"}))
    assert not own.believes(first)
    assert own.believes(first.model_copy(update={"engine_sha256": f"{0:064x}"}))


def test_a_memory_that_cannot_be_read_believes_nothing(
    settings: InferenceSettings, built: Path, tmp_path: Path
) -> None:
    (tmp_path / ENGINES_FILE).write_text("{")
    with pytest.raises(SignatureError, match="delete it, and run `edgeclip-device prepare`"):
        OwnEngines(settings, tmp_path).believes(_sidecar(built))


def test_a_memory_that_cannot_be_written_is_one_line(
    settings: InferenceSettings, built: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    own = OwnEngines(settings, tmp_path / "file")
    with pytest.raises((OutboxError, SignatureError), match=r"\(Not a directory\)"):
        own.remember(_sidecar(built))


def test_a_pack_of_the_same_bundle_needs_no_other_engine(
    settings: InferenceSettings, built: Path, tmp_path: Path
) -> None:
    own = OwnEngines(settings, tmp_path / "state")
    own.remember(_sidecar(built))
    other = settings.model_copy(update={"task": "trio"})
    assert _choose(other, own).backend.name == "tensorrt"
    assert replace(load_pack(other)).manifest.task == "trio"
