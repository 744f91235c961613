"""`edgeclip-device unseal`: a picture that was kept encrypted, where the private key is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeclip.errors import DataError


def unseal(
    file: Annotated[Path, typer.Argument(help="A .sealed file of a device's folder `withheld`.")],
    key: Annotated[Path, typer.Option(help="The private key (X25519, PEM).")],
    out: Annotated[Path, typer.Option(help="The JPEG to be written.")],
) -> None:
    """Open a picture of a person that a device kept encrypted."""
    from edgeclip.contract.files import write_bytes
    from edgeclip_device.sealing import open_sealed

    try:
        sealed = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}): check the path") from error
    write_bytes(out, open_sealed(sealed, key))
    print(f"{out}")
