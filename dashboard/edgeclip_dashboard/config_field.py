"""Tables `[map]` and `[commands]`: what the map lies on, and what may be asked of devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from edgeclip.contract.settings import Settings

_PLACES: Final = ("{z}", "{x}", "{y}")


class MapSettings(Settings):
    """Table `[map]`: what deployments are drawn on; without tiles it is a plain grid."""

    tiles: str | None = Field(
        None,
        description="Address of map tiles with {z}, {x} and {y}; browsers load them from there.",
    )
    attribution: str = Field("", max_length=300, description="Whom the tiles' terms ask to name.")
    deepest_zoom: int = Field(19, ge=1, le=24, description="The largest {z} that there are.")

    @field_validator("tiles")
    @classmethod
    def _is_a_template(cls, value: str | None) -> str | None:
        if value is not None:
            tile_origin(value)
        return value


class CommandSettings(Settings):
    """Table `[commands]`: the key that devices obey, and where packs wait to be sent."""

    key_file: Annotated[Path, Field(strict=False)] | None = Field(
        None,
        description="Private key of `edgeclip-export keygen`; without it nothing can be asked.",
    )
    packs: Annotated[Path, Field(strict=False)] = Field(
        Path("edgeclip-dashboard/packs"), description="Folder of the packs that were uploaded."
    )
    pack_max_bytes: int = Field(
        500_000_000, ge=1_000_000, le=4_000_000_000, description="Larger packs are refused."
    )


def tile_origin(tiles: str) -> str:
    """Return where a browser loads tiles from, as a content security policy names it.

    Args:
        tiles: An address such as `https://{s}.tile.example.org/{z}/{x}/{y}.png`.

    Raises:
        ValueError: It is no address of tiles.
    """
    parts = urlsplit(tiles.replace("{s}.", "*."))
    host = parts.netloc
    is_plain = all(letter.isalnum() or letter in "*.-:" for letter in host)
    if parts.scheme not in ("http", "https") or not host or not is_plain or not host.isascii():
        raise ValueError("tiles are https://HOST/PATH, with {s}. at most at the beginning of HOST")
    if not all(place in tiles for place in _PLACES):
        raise ValueError("the address of tiles has {z}, {x} and {y}")
    return f"{parts.scheme}://{host}"
