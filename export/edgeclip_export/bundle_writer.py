"""Pack or set, and encoder -> bundle: graphs, gates, manifest last; written whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.changed_encoder import changed_encoder
from edgeclip.clip import Backbone
from edgeclip.contract.bundle import (
    MANIFEST_FILE,
    SIGNATURE_FILE,
    BundleManifest,
    FileRecord,
    Graph,
    Profile,
    Tolerance,
    read_bundle,
)
from edgeclip.contract.files import (
    new_folder,
    reason_of,
    refuse_filled,
    remedy_for,
    write_text,
)
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.pack import PACK_FILE, PackManifest, filled_for
from edgeclip.contract.pack_ref import PackRef
from edgeclip.contract.profiles import check_pack_fits, default_profiles
from edgeclip.contract.requires import RUNTIMES
from edgeclip.errors import ConfigError, GateError, ParityError, SetupError
from edgeclip.packs import Pack, load_pack
from edgeclip_export.add_set import SetSource, is_set, put_set
from edgeclip_export.bake import BakedModel, Slots, fold_projection
from edgeclip_export.checks import Check, Checklist
from edgeclip_export.config import BundleConfig
from edgeclip_export.encoder import load_encoder
from edgeclip_export.fuse import FusedModel, TorchPrecision
from edgeclip_export.gates import encoder_gates, graph_gates, storage_gate, weight_checks
from edgeclip_export.graph_files import GraphWriter, builder_check
from edgeclip_export.kept_engines import held_engines, keep_engines
from edgeclip_export.ort_graph import OrtGraph, load_onnxruntime
from edgeclip_export.real_frames import real_frames

_TOLERANCE = Tolerance(one_minus_cosine=1e-3, mean_one_minus_cosine=2e-4, probability=0.02)
_TOOLS = (
    "edgeclip",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxscript",
    "open_clip_torch",
    "torch",
)


@dataclass(frozen=True)
class BundleResult:
    """A bundle that was written.

    Attributes:
        folder: Where it lies.
        manifest: Its manifest.
        checks: All that were made.
    """

    folder: Path
    manifest: BundleManifest
    checks: tuple[Check, ...]


def write_bundle(config: BundleConfig, on_check: Callable[[Check], None]) -> BundleResult:
    """Export a pack; nothing is written unless every check passes.

    Args:
        config: The pack, the folder to make, the encoder.
        on_check: Called with each check as it is made.

    Raises:
        ConfigError: An option is wrong, or `out` is there and is not to be replaced.
        PackError: The pack is damaged, too large, or for another encoder.
        SetupError: ONNX Runtime or the encoder's weights are missing, the bundle cannot be
            written, or an engine is being built in the one that it replaces.
        GateError: A graph is not as it must be.
        ParityError: A computation differs beyond tolerance.
    """
    load_onnxruntime()  # asked first: without it the work would be for nothing
    default_profiles(config.max_batch)  # asked first, like the options below
    _refuse_to_replace(config)
    whole = _set_of(config)
    if whole:
        config = replace(config, pack=whole.held.parts[0][1])
    source = _Source.load(config)
    checklist = Checklist(on_check)
    try:
        with held_engines(config.out), new_folder(config.out, overwrite=config.overwrite) as folder:
            manifest = _fill(folder, config, source, checklist)
            if whole and (whole.gate or len(whole.held.parts) > 1):
                put_set(folder, whole, checklist)
                manifest = read_bundle(folder)
            checklist.add(*keep_engines(config.out, folder, manifest), *_void(config.out))
    except BlockingIOError as error:
        raise SetupError(
            f"an engine is being built in {config.out}: wait for it, or stop it"
        ) from error
    except OSError as error:
        raise SetupError(
            f"{config.out} cannot be written ({reason_of(error)}): {remedy_for(error)}; nothing was"
            " left there"
        ) from error
    return BundleResult(config.out, manifest, tuple(checklist.checks))


@dataclass(frozen=True)
class _Source:
    """What a bundle is made of.

    Attributes:
        pack: The adapter pack.
        backbone: Its encoder, changed where the pack changes its weights; a baked one projects as
            the pack does.
        slots: The pack's tensors, and neutral ones for the slots that it lacks.
        profiles: Sizes of the free dimensions.
        baked: Whether the pack becomes part of the graphs.
        frames: `(n, S, S, 3)` uint8, compared beside the golden ones; None for none.
    """

    pack: Pack
    backbone: Backbone
    slots: Slots
    profiles: dict[str, Profile]
    baked: bool
    frames: NDArray[np.uint8] | None

    @staticmethod
    def load(config: BundleConfig) -> _Source:
        """Return it after checking that its parts belong together."""
        pack = load_pack(config.pack)
        if pack.manifest.is_bake_only and not config.bake:
            raise ConfigError(
                f"{config.pack} changes the encoder's own weights ({pack.manifest.method}), which"
                " no graph with slots can take: add --bake, which makes a graph for this pack alone"
            )
        backbone, tensors = changed_encoder(load_encoder(pack.manifest, config), pack.tensors)
        profiles = default_profiles(config.max_batch, pack.manifest.graph)
        slots: Slots = filled_for(pack.manifest.graph, backbone.base, tensors)
        if config.bake:
            profiles = {"B": profiles["B"]}  # no other size is free
            backbone, slots = fold_projection(backbone, slots)
        check_pack_fits(slots, profiles)
        folder, spec = config.verify_images, pack.manifest.preprocess
        frames = real_frames(folder, spec) if folder else None
        return _Source(pack, backbone, slots, profiles, config.bake, frames)

    def fused(self, precision: TorchPrecision) -> FusedModel:
        """Return what becomes a graph."""
        kind = self.pack.manifest.graph
        if self.baked:
            return BakedModel(self.backbone, precision, kind, self.slots).eval()
        return FusedModel(self.backbone, precision, kind).eval()


def _fill(
    folder: Path, config: BundleConfig, source: _Source, checklist: Checklist
) -> BundleManifest:
    """Fill the bundle's folder, the manifest last."""
    pack, backbone, slots = source.pack, source.backbone, source.slots
    checklist.add(*weight_checks(backbone))
    checklist.require(GateError, "nothing was written; name sound weights with --pretrained")
    # Each fused module is a copy of the encoder, so none outlives what it is made for.
    reference = encoder_gates(backbone, slots, source.fused("fp16"), pack, source.frames, checklist)
    checklist.require(ParityError, "nothing was written; train the pack again")
    sha256 = pack.manifest.base.weights_sha256
    writer = GraphWriter(folder, sha256, source.fused("fp64"), checklist)
    with TemporaryDirectory(dir=folder, prefix=".scratch.") as scratch:
        graphs, exact = writer.write(Path(scratch))
        parity = graph_gates(backbone, slots, reference, OrtGraph(exact), checklist)
    parity |= storage_gate(slots, reference, OrtGraph(folder / graphs[-1].file), checklist)
    checklist.add(builder_check(folder / graphs[0].file, source.profiles))
    checklist.require(ParityError, "nothing was written; choose another --backbone")
    _copy_pack(config.pack, pack, folder)
    manifest = _manifest(source, graphs, parity, folder)
    write_text(folder / MANIFEST_FILE, manifest.to_json())
    read_bundle(folder)
    return manifest


def _manifest(
    source: _Source, graphs: list[Graph], parity: dict[str, float], folder: Path
) -> BundleManifest:
    pack = source.pack.manifest
    return BundleManifest(
        created_at=datetime.now(timezone.utc),
        tool=_tools(),
        base=pack.base,
        preprocess=pack.preprocess,
        graphs=graphs,
        profiles=source.profiles,
        baked=source.baked,
        packs=[PackRef(task=pack.task, version=pack.version, path=_pack_path(pack))],
        tolerance=_TOLERANCE,
        parity=parity,
        requires=dict(RUNTIMES),
        files=_files(folder),
    )


def _set_of(config: BundleConfig) -> SetSource | None:
    """Return the set that is to be exported; None where it is one pack."""
    if not is_set(config.pack):
        return None
    if config.bake:
        raise ConfigError(f"{config.pack} is a set, and --bake makes graphs of one pack: leave it")
    return SetSource.load(config.pack)


def _refuse_to_replace(config: BundleConfig) -> None:
    """`--overwrite` replaces a bundle, and never a folder that holds something else."""
    out = config.out
    refuse_filled(out, overwrite=config.overwrite, marker=MANIFEST_FILE)
    if out.resolve() in [config.pack.resolve(), *config.pack.resolve().parents]:
        raise ConfigError(f"--out {out} holds the pack: choose another folder")


def _void(out: Path) -> list[Check]:
    """Return the line for a signature that is not the new bundle's."""
    note = "it was of the bundle before: `edgeclip-export sign` signs this one"
    return [Check("the signature is gone", None, note=note)] * (out / SIGNATURE_FILE).is_file()


def _pack_path(pack: PackManifest) -> str:
    return f"packs/{pack.task}/{pack.version}"


def _copy_pack(source: Path, pack: Pack, folder: Path) -> None:
    """Copy what the device needs of a pack; its report stays with the trainer."""
    target = folder / _pack_path(pack.manifest)
    target.mkdir(parents=True)
    for name in (PACK_FILE, *pack.manifest.files):
        shutil.copyfile(source / name, target / name)


def _tools() -> dict[str, str]:
    """Return the versions of what took part; one of the two ONNX Runtimes is not installed."""
    versions = {}
    for name in _TOOLS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _files(folder: Path) -> dict[str, FileRecord]:
    return {
        path.relative_to(folder).as_posix(): FileRecord(
            sha256=sha256_file(path), size_bytes=path.stat().st_size
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
