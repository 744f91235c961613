"""The packs of a bundle as a set that routes, as a device without a table `[router].fallback` does.

Of each task the pack that serves. Where none is for an image, the bundle's first answers, as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgeclip.contract.bundle import BundleManifest, find_pack, tasks_of
from edgeclip.contract.pack import PACK_FILE, ROUTER_FILE
from edgeclip.contract.pack_ref import PackRef
from edgeclip.contract.router_rows import read_row
from edgeclip.errors import ConfigError
from edgeclip.packs import Pack, load_pack
from edgeclip.routed_packs import Apart, RoutedPacks, banks_of, gate_of, why_apart
from edgeclip.tensor_file import read_tensors


def load_bundled(bundle: Path, manifest: BundleManifest) -> RoutedPacks:
    """Return the packs that serve, of two tasks or more, with who answers for what.

    Args:
        bundle: Its folder.
        manifest: What `read_bundle` gave.

    Raises:
        ConfigError: A pack does not say which images it is for, or they do not go together.
        PackError: A pack or the gate is damaged.
    """
    refs = [find_pack(manifest, task) for task in tasks_of(manifest)]
    packs = {ref.task: load_pack(bundle / ref.path) for ref in refs}
    _require_rows(bundle, refs, packs)
    first = next(iter(packs.values()))
    if apart := _first_apart(packs):
        raise ConfigError(f"{bundle}: {_way(refs)}: {apart.why}")
    rows = [
        read_row(r.task, bundle / r.path, packs[r.task].manifest, r.static, read_tensors)
        for r in refs
    ]
    banks = banks_of({ref.task: bundle / ref.path for ref in refs}, packs)
    routed = RoutedPacks(packs, rows, {}, fallback=0, banks=banks)
    if manifest.gate is None:
        return routed
    hashes = [manifest.files[f"{ref.path}/{PACK_FILE}"].sha256 for ref in refs]
    stored = gate_of(bundle / manifest.gate, first.manifest)
    return replace(routed, gate=stored.for_packs(rows, hashes, str(bundle)))


def needs_task(bundle: Path, manifest: BundleManifest) -> str | None:
    """Return why `predict` with all of a bundle's packs asks for `--task`; None where it does not.

    Args:
        bundle: Its folder.
        manifest: What `read_bundle` gave.

    Raises:
        PackError: A pack is damaged.
    """
    refs = [find_pack(manifest, task) for task in tasks_of(manifest)]
    if len(refs) == 1:
        return None  # whatever it is, it answers for all images
    packs = {ref.task: load_pack(bundle / ref.path) for ref in refs}
    if silent := _silent(refs, packs):
        return f"nothing says which images are for {', '.join(silent)}"
    apart = _first_apart(packs)
    if apart is None:
        return None
    on_device = "; a device still lets each answer for its images, by [router].packs"
    return apart.why + (on_device if apart.by_classes and manifest.gate is None else "")


def _first_apart(packs: dict[str, Pack]) -> Apart | None:
    """Return why the first of the packs that does not go with the first one does not."""
    first = next(iter(packs.values())).manifest
    found = (why_apart(first, name, pack) for name, pack in packs.items())
    return next((apart for apart in found if apart), None)


def _silent(refs: Sequence[PackRef], packs: dict[str, Pack]) -> list[str]:
    """Return the packs that nothing chooses; one with static keys needs no row."""
    return [
        ref.task
        for ref in refs
        if ROUTER_FILE not in packs[ref.task].manifest.files and not ref.static
    ]


def _require_rows(bundle: Path, refs: Sequence[PackRef], packs: dict[str, Pack]) -> None:
    """Refuse packs that nothing chooses."""
    if silent := _silent(refs, packs):
        named = ", ".join(ref.task for ref in refs)
        raise ConfigError(
            f"{bundle} has several packs ({named}), and nothing says which images are for"
            f" {', '.join(silent)}: {_way(refs)}, or train it again"
        )


def _way(refs: Sequence[PackRef]) -> str:
    return f"choose one pack with --task, as --task {refs[0].task}"
