"""What is asked of a teaching, and what can be refused before anything is loaded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from edgeclip.contract.bundle import find_pack, read_bundle, tasks_of
from edgeclip.contract.files import refuse_filled
from edgeclip.contract.pack import PACK_FILE, PackManifest, TaskName, Version, read_pack_manifest
from edgeclip.contract.settings import Settings
from edgeclip.errors import ConfigError
from edgeclip.kinds import META
from edgeclip.labels.classes import is_blank_label, is_no_class, normal
from edgeclip.labels.species_names import common_name
from edgeclip.task_names import task_name

MOST_IMAGES = 5
"""More teach better by `edgeclip train`, which holds some of them out and measures itself."""
MOST_LETTERS = 64
_CARRIED = "demo"  # the name of the encoder that needs no weights
_NAME = re.compile(r"[^\W_][\w '\u2019().,/&-]*")


class TeachRequest(Settings):
    """All of one `edgeclip teach`."""

    images: tuple[Path, ...] = Field(strict=False, description="One to five frames that show it.")
    name: str = Field(description="Of the class.")
    on: Path | None = Field(None, strict=False, description="A pack that gets the class.")
    others: tuple[Path, ...] = Field((), strict=False, description="Frames without it.")
    boxes: Path | None = Field(None, strict=False, description="MegaDetector's JSON.")
    method: Literal["closed", "meta"] = Field("closed", description="What predicts the class.")
    bundle: Path | None = Field(None, strict=False, description="Has the encoder; no torch then.")
    backbone: str | None = Field(None, description="None: the pack's own.")
    pretrained: str | None = None
    meta_weights: Path | None = Field(None, strict=False, description="None: those carried.")
    strip_top_px: int | None = Field(None, ge=0, description="None: the pack's own, else 0.")
    strip_bottom_px: int | None = Field(None, ge=0, description="The same at the bottom.")
    task: TaskName | None = None
    version: Version | None = None
    out: Path = Field(strict=False)
    overwrite: bool = False

    @field_validator("name")
    @classmethod
    def _names_a_class(cls, name: str) -> str:
        plain = " ".join(name.split())
        if not plain or len(plain) > MOST_LETTERS:
            raise ValueError(f"a name has 1 to {MOST_LETTERS} letters")
        if not _NAME.fullmatch(plain):
            raise ValueError("a name is made of letters, digits, spaces and - ' ( ) . , / &")
        if is_blank_label(plain) or is_no_class(plain):
            raise ValueError(f"{plain!r} says that there is nothing to be taught: name a species")
        return plain

    @field_validator("out")
    @classmethod
    def _has_a_name(cls, out: Path) -> Path:
        if out.name in ("", ".."):
            raise ValueError("name a folder of its own, neither . nor / nor ..")
        return out


def check_teaching(request: TeachRequest) -> None:
    """Check what can be told of a teaching without its encoder and images.

    Raises:
        ConfigError: An option is missing, vain or wrong, or the pack knows the class already.
        PackError: `on` is no pack, or damaged.
    """
    _check_images(request.images)
    if request.meta_weights is not None and request.method != META:
        raise ConfigError(
            f"--meta-weights {request.meta_weights} is for --method meta: add that, or leave it out"
        )
    _check_bundle(request)
    on = pack_below(request)
    if on is None:
        if request.backbone is None:
            raise ConfigError(
                "edgeclip teach: name a --backbone, the pack to build --on, or a --bundle"
            )
    else:
        refuse_known_class(request.name, read_pack_manifest(on), on)
        if request.strip_top_px is not None or request.strip_bottom_px is not None:
            raise ConfigError(
                "--strip-top-px and --strip-bottom-px are those of the pack that gets the class:"
                " leave them out"
            )
        if request.out.resolve() == on.resolve():
            raise ConfigError(f"--out {request.out} is the pack of --on: choose another folder")
    refuse_filled(request.out, overwrite=request.overwrite, marker=PACK_FILE)
    out = request.out.resolve()
    for path in (*request.images, *request.others):
        if out in [path.resolve(), *path.resolve().parents]:
            raise ConfigError(f"--out {request.out} holds {path}: choose another folder")
    if request.on is not None and request.backbone is not None:
        arch = read_pack_manifest(request.on, check_hashes=False).base.arch
        if (arch == _CARRIED) != (request.backbone == _CARRIED):
            raise ConfigError(f"--on {request.on} stands on {arch}: leave --backbone out")


def taught_task(name: str) -> str:
    """Return what a pack without one below it is called: not as a training calls one.

    A bundle or a folder of packs would take it for another version of the trained pack.

    Args:
        name: Of the class.
    """
    return f"taught-{task_name([name])}"


def pack_below(request: TeachRequest) -> Path | None:
    """Return the pack that gets the class: that of --on, else the bundle's; None for words alone.

    Raises:
        ConfigError: The bundle has packs of several tasks.
        BundleMissingError: There is no bundle.
        BundleDamagedError: It cannot be read.
        BundleMismatchError: It is of another format.
    """
    if request.on is not None or request.bundle is None:
        return request.on
    manifest = read_bundle(request.bundle, check_hashes=False)
    tasks, first = tasks_of(manifest), request.bundle / find_pack(manifest, None).path
    if len(tasks) > 1:
        raise ConfigError(
            f"--bundle {request.bundle} has packs of several tasks ({', '.join(tasks)}): name the"
            f" one that gets the class, as --on {first}"
        )
    return first


def _check_bundle(request: TeachRequest) -> None:
    if request.bundle is None:
        return
    for option, given in (
        ("--backbone", request.backbone), ("--pretrained", request.pretrained)
    ):  # fmt: skip
        if given is not None:
            raise ConfigError(
                f"{option} and --bundle: a bundle has its encoder: leave one of them out"
            )
    if request.method == META:
        raise ConfigError(
            "--method meta reads the name's words, and a bundle has no text encoder: name a"
            " --backbone instead of --bundle, or leave the method out"
        )
    if read_bundle(request.bundle, check_hashes=False).baked:
        raise ConfigError(
            f"--bundle {request.bundle} has its pack baked in, so that no class can be added: name"
            " one that was exported without --bake"
        )
    if request.bundle.resolve() in request.out.resolve().parents:
        raise ConfigError(
            f"--out {request.out} lies in the bundle: choose another folder, and put the pack in by"
            " `edgeclip-export add-pack`"
        )


def _check_images(images: tuple[Path, ...]) -> None:
    if not images:
        raise ConfigError("--images: name an image or more")
    if len(images) > MOST_IMAGES:
        raise ConfigError(
            f"--images: {len(images)} images: from more than {MOST_IMAGES}, use `edgeclip train`,"
            " which measures what it learned"
        )


def refuse_known_class(name: str, manifest: PackManifest, pack: Path) -> None:
    """Refuse to teach what a pack knows.

    Raises:
        ConfigError: One of its classes has that name, or the scientific name of the same species.
    """
    known = {common_name(normal(own)): own for own in manifest.class_names}
    same = known.get(common_name(normal(name)))
    if same is not None:
        raise ConfigError(
            f"--name {name}: {pack} knows {same} already: sharpen it by `edgeclip train --on`, or"
            " teach what is special under a name of its own, such as 'black leopard'"
        )
