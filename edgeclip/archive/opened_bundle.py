"""A bundle as who answers for an archive: one of its packs, or all of them by what they are for."""

from __future__ import annotations

from edgeclip.archive.answering import Answerer, Asked
from edgeclip.archive.beside import Beside
from edgeclip.archive.bundle_answers import BundleAnswers, open_runner
from edgeclip.archive.routed_bundle import RoutedBundle, room_for, slots_of_all
from edgeclip.bundled_packs import load_bundled
from edgeclip.contract.binding import slots_to_bind
from edgeclip.contract.bundle import (
    BundleManifest,
    find_pack,
    read_bundle,
    read_bundled_pack,
    tasks_of,
)
from edgeclip.contract.pack import TENSORS_FILE
from edgeclip.errors import ConfigError
from edgeclip.tensor_file import read_tensors


def open_bundle(asked: Asked) -> Answerer:
    """Return a bundle on its runtime; see `open_answerer`."""
    if asked.backend == "torch":
        raise ConfigError(f"--backend torch runs packs, and {asked.path} is a bundle")
    if asked.backbone or asked.pretrained:
        raise ConfigError("--backbone and --pretrained belong to a pack; a bundle has its encoder")
    manifest = read_bundle(asked.path)
    if asked.task is None and len(tasks_of(manifest)) > 1:
        return _all_packs(asked, manifest)
    pack = read_bundled_pack(asked.path, manifest, asked.task)
    folder = asked.path / find_pack(manifest, asked.task).path
    slots = slots_to_bind(manifest, read_tensors(folder / TENSORS_FILE))
    beside = Beside.read(folder, pack, baked=manifest.baked)
    answers = BundleAnswers(pack, open_runner(asked, manifest, slots), beside)
    answers.check(folder, manifest)
    return answers


def _all_packs(asked: Asked, manifest: BundleManifest) -> Answerer:
    packs = load_bundled(asked.path, manifest)
    runner = open_runner(asked, manifest, slots_of_all(packs, manifest))
    answers = RoutedBundle(packs, runner, room_for(packs, manifest))
    answers.check(manifest)
    return answers
