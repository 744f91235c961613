"""`edgeclip-export keygen`, `sign` and `add-pack`: what changes who a bundle is believed by."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Optional

import typer

from edgeclip.contract.plurals import megabytes
from edgeclip_export.showing import AsJson, Bundle, print_json, show_check

Key = Annotated[
    Optional[Path],  # noqa: UP045  # typer evaluates it on Python 3.10 too
    typer.Option(help="Private key's file; signs the bundle anew."),
]
AllowDowngrade = Annotated[
    bool,
    typer.Option(
        "--allow-downgrade/--no-allow-downgrade",
        help="Let devices take it although they ran something newer.",
    ),
]


def keygen(
    key: Annotated[Path, typer.Argument(help="The private key's file, to be made.")],
) -> None:
    """Make a pair of keys: one signs bundles, the other lets devices know them."""
    from edgeclip.contract.signing import make_key

    public = make_key(key)
    print(f"wrote {key}: it signs; keep it to yourself, and off the devices")
    print(
        f"wrote {public}: copy it to the devices and name it in device.toml: for bundles in"
        " [inference].public_keys, for commands in [commands].operators or .admins"
    )


def sign(
    bundle: Bundle,
    key: Annotated[Path, typer.Option(help="Private key's file.", show_default=False)],
    allow_downgrade: AllowDowngrade = False,
    as_json: AsJson = False,
) -> None:
    """Sign a bundle, so that devices know that it is yours and unaltered."""
    from edgeclip_export.sign import sign_bundle

    statement = sign_bundle(bundle, key, allow_downgrade=allow_downgrade)
    if as_json:
        print_json({"bundle": str(bundle), **statement.model_dump(mode="json")})
        return
    print(f"signed {bundle} with key {statement.key_id}")


def add_pack(
    bundle: Bundle,
    pack: Annotated[
        Path, typer.Argument(help="The adapter pack's folder, or a set's.", show_default=False)
    ],
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Put a further pack into a bundle, without touching graph, weights or engine."""
    from edgeclip.contract.signing import read_private_key
    from edgeclip_export.add_pack import add_pack as add
    from edgeclip_export.add_set import is_set
    from edgeclip_export.sign import sign_bundle

    if key:
        read_private_key(key)  # asked first: a wrong name would leave the bundle unsigned
    if is_set(pack):
        _add_set(bundle, pack, key, as_json=as_json)
        return
    added = add(bundle, pack, show_check(as_json))
    if key:
        sign_bundle(bundle, key)
    own = added.reference
    if as_json:
        facts = {"task": own.task, "version": own.version, "size_bytes": added.size_bytes}
        more = {"replaces": added.replaces, "signed": key is not None}
        checks = [check.to_dict() for check in added.checks]
        more["predict_needs_task"] = _why_task(bundle)
        print_json({"bundle": str(bundle), **facts, **more, "checks": checks})
        return
    instead = f", in place of {added.replaces}," if added.replaces else ""
    print(f"added {own.task} {own.version}{instead} to {bundle} ({megabytes(added.size_bytes)})")
    _say_what_is_next(bundle, own.task, was_signed=added.was_signed and not key)


def _add_set(bundle: Path, folder: Path, key: Path | None, *, as_json: bool) -> None:
    from edgeclip.contract.bundle import read_bundle
    from edgeclip_export.add_set import add_set
    from edgeclip_export.sign import sign_bundle

    added = add_set(bundle, folder, show_check(as_json))
    if key:
        sign_bundle(bundle, key)
    names = [f"{own.reference.task} {own.reference.version}" for own in added.packs]
    if as_json:
        checks = [check.to_dict() for check in added.checks]
        facts = {"packs": names, "gate": added.gate, "signed": key is not None}
        facts["predict_needs_task"] = _why_task(bundle)
        print_json({"bundle": str(bundle), **facts, "checks": checks})
        return
    gate = ["its learned gate"] if added.gate else []
    print(f"added {', '.join(names + gate) or 'static keys'} to {bundle}")
    show_router(folder)
    task = read_bundle(bundle, check_hashes=False).packs[0].task
    _say_what_is_next(bundle, task, was_signed=added.was_signed and not key)


def _why_task(bundle: Path) -> str | None:
    from edgeclip.bundled_packs import needs_task
    from edgeclip.contract.bundle import read_bundle

    return needs_task(bundle, read_bundle(bundle, check_hashes=False))


def _say_what_is_next(bundle: Path, task: str, *, was_signed: bool) -> None:
    if why := _why_task(bundle):
        print(f"`edgeclip predict --pack {bundle}` now needs --task, as --task {task}: {why}")
    if was_signed:
        print("the signature was of the bundle before, and is gone")
        print(
            f"next: edgeclip-export sign {shlex.quote(str(bundle))} --key FILE, your private key's"
        )


def show_router(folder: Path) -> None:
    """Print what device.toml says where a set went into a bundle; nothing of one pack."""
    from edgeclip_export.add_set import SetSource, is_set

    if is_set(folder):
        print(*SetSource.load(folder).router_lines(), sep="\n")
