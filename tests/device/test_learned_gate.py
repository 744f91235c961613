"""A bundle with a learned gate before one camera, on the tiny graph."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from edgeclip.contract.gate import GATE_FILE, GATE_TENSORS_FILE
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import ObservationType
from edgeclip.contract.routing import share_out
from edgeclip.errors import ConfigError, PackError
from edgeclip_device.backends.choosing import open_backend
from edgeclip_device.classifier import Classifier
from edgeclip_device.config import DeviceSettings
from edgeclip_device.heads import columns_from
from edgeclip_device.pack_router import load_router
from support.gates import add_router_row, gate_of, write_gate
from support.samples import HASH
from support.tiny_bundle import TinyPack, write_tiny_bundle

Make = Callable[..., DeviceSettings]
RED = np.full((240, 320, 3), (250, 110, 110), np.uint8)
CALM = TinyPack(task="calm", scale=5.0)
FOX = TinyPack(task="fox", classes=(("fox", "animal"), ("blank", "blank")), scale=15.0)
LIKE_RED, UNLIKE_RED = [1.0, 0.2, 0.2, 0.0], [-1.0, 0.3, 0.0, 0.1]
BOTH = [{"task": "leopard"}, {"task": "calm"}]


@pytest.fixture
def make(make_settings: Make, tmp_path: Path) -> Make:
    """Makes settings with a bundle of three packs; the gate prefers what prototypes do not."""

    def made(
        packs: list[dict[str, str]], *, k: int = 1, other: ObservationType = "blank", **router: Any
    ) -> DeviceSettings:
        kinds: list[tuple[str, ObservationType]] = [("leopard", "animal"), (other, other)]
        likes = [replace(pack, classes=kinds) for pack in (TinyPack(), CALM)]
        bundle = write_tiny_bundle(tmp_path / "bundle", [*likes, FOX])
        for task, key in (("leopard", LIKE_RED), ("calm", UNLIKE_RED), ("fox", UNLIKE_RED)):
            add_router_row(bundle, task, key, threshold=2.0)
        _write_gate(bundle, k)
        inference = {"bundle": bundle, "backend": "onnxruntime", "threads": 1}
        return make_settings(inference=inference, router={"packs": packs, **router})

    return made


def _write_gate(bundle: Path, k: int) -> None:
    """Give a bundle a gate of its packs but the fox, and mend its manifest."""
    tasks = ("leopard", "calm")
    rows = [(task, sha256_file(bundle / f"packs/{task}/1.0.0/pack.json")) for task in tasks]
    keys = gate_of([UNLIKE_RED, LIKE_RED], scale=2.0)
    write_gate(bundle / "gate/one", rows, keys, base_sha256=HASH, k=k)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["gate"] = "gate/one"
    for file in (GATE_FILE, GATE_TENSORS_FILE):
        path = bundle / "gate/one" / file
        record = {"sha256": sha256_file(path), "size_bytes": path.stat().st_size}
        manifest["files"][f"gate/one/{file}"] = record
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def _classifier(settings: DeviceSettings) -> Classifier:
    router = load_router(settings.inference, settings.router)
    backend = open_backend(router.packs[router.resident], settings.inference)
    return Classifier(backend, router)


@pytest.mark.parametrize(
    ("gate", "task"),
    [({}, "calm"), ({"gate": "learned"}, "calm"), ({"gate": "prototypes"}, "leopard")],
)
def test_the_bundle_s_gate_chooses_unless_prototypes_are_asked_for(
    make: Make, gate: dict[str, str], task: str
) -> None:
    (answer,) = _classifier(make(BOTH, **gate)).classify(RED, None)
    assert answer.task == task


def test_static_keys_go_before_the_gate(make: Make) -> None:
    packs = [{"task": "leopard", "light": "day"}, {"task": "calm"}]
    classifier = _classifier(make(packs))
    facts = [{"light": "day"}, {"light": "infrared"}]
    assert [classifier.classify(RED, None, own)[0].task for own in facts] == ["leopard", "calm"]


def test_two_packs_answer_as_one_from_one_pass(make: Make) -> None:
    settings = make(BOTH, k=2)
    classifier = _classifier(settings)
    (answer,) = classifier.classify(RED, (0.2, 0.2, 0.5, 0.5))
    assert classifier.counts.passes == 1
    router = load_router(settings.inference, settings.router)
    base = answer.scene_features
    ((first, large), (second, small)) = share_out(router.rows, base[None], [{}], router.gate)[0]
    assert answer.task == router.packs[first].manifest.task == "calm"
    assert 0 < small < large < 1
    columns = [columns_from(router.packs[p], base[None])[0] for p in (first, second)]
    np.testing.assert_allclose(
        answer.probabilities, large * columns[0] + small * columns[1], atol=1e-5
    )


def test_a_person_whom_one_of_two_packs_sees_is_not_averaged_away(make: Make) -> None:
    settings = make(BOTH, k=2, other="human")
    (answer,) = _classifier(settings).classify(RED, None)
    packs = load_router(settings.inference, settings.router).packs
    said = [float(columns_from(pack, answer.scene_features[None])[0, 1]) for pack in packs]
    assert answer.human == pytest.approx(max(said), abs=1e-5)
    assert answer.human > answer.probability("human") + 1e-4


def test_packs_of_other_classes_are_not_mixed(make: Make) -> None:
    settings = make([*BOTH, {"task": "fox"}], k=2)
    bundle = settings.inference.bundle
    assert bundle is not None
    _know_all(bundle, k=2)
    with pytest.raises(ConfigError, match=r"fox@1\.0\.0 has other classes than leopard@1\.0\.0"):
        load_router(settings.inference, settings.router)


def test_packs_of_other_classes_go_with_a_gate_that_chooses_one(make: Make) -> None:
    settings = make([*BOTH, {"task": "fox"}])
    assert settings.inference.bundle is not None
    _know_all(settings.inference.bundle, k=1)
    assert load_router(settings.inference, settings.router).gate is not None


def _know_all(bundle: Path, *, k: int) -> None:
    tasks = ("leopard", "calm", "fox")
    rows = [(task, sha256_file(bundle / f"packs/{task}/1.0.0/pack.json")) for task in tasks]
    keys = gate_of([UNLIKE_RED, LIKE_RED, [0, 0, 1, 0]])
    write_gate(bundle / "gate/one", rows, keys, base_sha256=HASH, k=k)
    manifest = json.loads((bundle / "manifest.json").read_text())
    for file in (GATE_FILE, GATE_TENSORS_FILE):
        path = bundle / "gate/one" / file
        record = {"sha256": sha256_file(path), "size_bytes": path.stat().st_size}
        manifest["files"][f"gate/one/{file}"] = record
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def test_a_pack_that_the_gate_does_not_know_is_refused_with_a_way_out(make: Make) -> None:
    packs = [*BOTH, {"task": "fox"}]
    settings = make(packs)
    with pytest.raises(PackError, match=r'no row for this fox|gate = "prototypes" does without'):
        load_router(settings.inference, settings.router)
    calmer = settings.router.model_copy(update={"gate": "prototypes"})
    assert load_router(settings.inference, calmer).gate is None


def test_a_learned_gate_that_the_bundle_lacks_is_refused(
    make_settings: Make, tmp_path: Path
) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle", [TinyPack(), CALM])
    settings = make_settings(
        inference={"bundle": bundle, "backend": "onnxruntime", "threads": 1},
        router={"packs": BOTH, "gate": "learned"},
    )
    with pytest.raises(ConfigError, match='is "learned", and the bundle has none: export a set'):
        load_router(settings.inference, settings.router)


def test_a_gate_that_was_altered_on_its_way_is_refused(make: Make) -> None:
    settings = make(BOTH)
    assert settings.inference.bundle is not None
    path = settings.inference.bundle / "gate/one" / GATE_TENSORS_FILE
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Exception, match="was altered or cut short"):
        load_router(settings.inference, settings.router)


class _CountedSession:
    """A real session of ONNX Runtime that counts how often it runs."""

    runs = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._session = _SESSION(*args, **kwargs)

    def run_with_iobinding(self, *args: Any, **kwargs: Any) -> Any:
        """Count, and run: the one way in which the backend runs a graph."""
        type(self).runs += 1
        return self._session.run_with_iobinding(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


_SESSION = onnxruntime.InferenceSession


@pytest.mark.parametrize("router", [{"ask": "all"}, {"gate": "prototypes"}, {}, {"k": 2}])
def test_the_session_runs_once_a_frame_for_all_packs_of_the_head(
    make: Make, monkeypatch: pytest.MonkeyPatch, router: dict[str, Any]
) -> None:
    packs = [{"task": "leopard"}, {"task": "fox"}] if "ask" in router else BOTH
    settings = make(packs, **router)
    monkeypatch.setattr(onnxruntime, "InferenceSession", _CountedSession)
    classifier = _classifier(settings)
    _CountedSession.runs = 0  # opening it warms it up
    for _ in range(5):
        answers = classifier.classify(RED, (0.2, 0.2, 0.5, 0.5))
    assert len(answers) == (2 if "ask" in router else 1)
    assert _CountedSession.runs == classifier.counts.passes == 5
