"""One tiny encoder, one pack and one bundle for all tests of the exporter; nobody changes them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from edgeclip.clip import Backbone
from edgeclip.combining import combine
from edgeclip.contract.bundle import BundleManifest, read_bundle
from edgeclip_export import cli
from edgeclip_export.bundle_writer import BundleResult, write_bundle
from edgeclip_export.checks import Check
from edgeclip_export.config import BundleConfig
from support.export_commands import Finished, Run
from support.routed_bundles import NIGHT, TASKS, ignored, routed_pack
from support.tiny_packs import TinyEncoder, random_tensors, write_encoder, write_tiny_pack

ADAPTER = ("va_down", "va_up", "va_ratio", "class_bias")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TinyEncoder:
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def backbone(encoder: TinyEncoder) -> Backbone:
    return encoder.load()


@pytest.fixture(scope="session")
def pack_folder(tmp_path_factory: pytest.TempPathFactory, backbone: Backbone) -> Path:
    folder = tmp_path_factory.mktemp("packs") / "pack"
    write_tiny_pack(folder, backbone, random_tensors(1, columns=3, names=ADAPTER))
    return folder


@pytest.fixture(scope="session")
def export(
    tmp_path_factory: pytest.TempPathFactory, encoder: TinyEncoder, pack_folder: Path
) -> BundleResult:
    out = tmp_path_factory.mktemp("bundles") / "bundle"
    shown: list[Check] = []
    result = write_bundle(config_for(pack_folder, out, encoder), shown.append)
    assert tuple(shown) == result.checks
    return result


@pytest.fixture
def bundle(export: BundleResult, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may damage, and build engines in."""
    return Path(shutil.copytree(export.folder, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def several_packs(tmp_path_factory: pytest.TempPathFactory, backbone: Backbone) -> list[Path]:
    root = tmp_path_factory.mktemp("several")
    return [routed_pack(root / task, backbone, task, seed) for seed, task in enumerate(TASKS, 1)]


@pytest.fixture(scope="session")
def several(
    tmp_path_factory: pytest.TempPathFactory, several_packs: list[Path], encoder: TinyEncoder
) -> Path:
    """A folder with a set of three packs, one of them for infrared, and the bundle of it."""
    root = tmp_path_factory.mktemp("made")
    combine(several_packs, root / "set", {"night": NIGHT})
    write_bundle(config_for(root / "set", root / "bundle", encoder), ignored)
    return root


@pytest.fixture
def routed(several: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(several / "bundle", tmp_path / "bundle"))


@pytest.fixture(scope="session")
def manifest(export: BundleResult) -> BundleManifest:
    return read_bundle(export.folder)


@pytest.fixture(scope="session")
def cpu_graph(export: BundleResult, manifest: BundleManifest) -> Path:
    return export.folder / manifest.graph_for("onnxruntime").file


@pytest.fixture(scope="session")
def tensorrt_graph(export: BundleResult, manifest: BundleManifest) -> Path:
    return export.folder / manifest.graph_for("tensorrt").file


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `edgeclip-export` in this process."""

    def command(*arguments: object) -> Finished:
        monkeypatch.setattr(sys, "argv", ["edgeclip-export", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        printed = capsys.readouterr()
        code = exit_.value.code
        return Finished(code if isinstance(code, int) else 0, printed.out, printed.err)

    return command


@pytest.fixture(scope="session")
def attn32_graph(export: BundleResult, manifest: BundleManifest) -> Path:
    files = {graph.rung: graph.file for graph in manifest.graphs}
    return export.folder / files["fp16-attn32"]


def config_for(
    pack: Path, out: Path, encoder: TinyEncoder, *, overwrite: bool = False
) -> BundleConfig:
    """Return what exports a pack of the tiny encoder, which is known by its files only."""
    return BundleConfig(pack, out, str(encoder.config), str(encoder.weights), overwrite)
