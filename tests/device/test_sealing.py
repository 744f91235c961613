from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from typer.testing import CliRunner

from edgeclip.errors import ConfigError, DataError
from edgeclip_device.cli import app
from edgeclip_device.sealing import open_sealed, read_public_key, seal
from support.sealing_keys import write_sealing_keys

PICTURE = b"\xff\xd8 a picture of a person \xff\xd9"


def test_only_the_private_key_opens_what_was_sealed(tmp_path: Path) -> None:
    private, public = write_sealing_keys(tmp_path)
    sealed = seal(PICTURE, read_public_key(public))
    assert PICTURE not in sealed
    assert open_sealed(sealed, private) == PICTURE
    other, _ = write_sealing_keys(tmp_path / "other")
    with pytest.raises(DataError, match="another key, or altered"):
        open_sealed(sealed, other)


@pytest.mark.parametrize("cut", [0, 20, 40, 50])
def test_what_was_altered_or_cut_is_refused(tmp_path: Path, cut: int) -> None:
    private, public = write_sealing_keys(tmp_path)
    sealed = seal(PICTURE, read_public_key(public))
    with pytest.raises(DataError, match="another key, or altered"):
        open_sealed(sealed[:cut], private)
    with pytest.raises(DataError, match="another key, or altered"):
        open_sealed(sealed[:cut] + bytes([sealed[cut] ^ 1]) + sealed[cut + 1 :], private)


def test_the_same_picture_is_never_sealed_alike(tmp_path: Path) -> None:
    key = read_public_key(write_sealing_keys(tmp_path)[1])
    assert seal(PICTURE, key) != seal(PICTURE, key)


def test_a_key_of_another_kind_or_none_says_what_to_do(tmp_path: Path) -> None:
    other = Ed25519PrivateKey.generate()
    (tmp_path / "pub").write_bytes(
        other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "key").write_bytes(
        other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with pytest.raises(ConfigError, match="another kind than X25519: make one with `openssl"):
        read_public_key(tmp_path / "pub")
    with pytest.raises(ConfigError, match="another kind than X25519: take the private key of"):
        open_sealed(b"", tmp_path / "key")
    with pytest.raises(ConfigError, match=r"key holds no public key .*: make one with"):
        read_public_key(tmp_path / "key")
    with pytest.raises(ConfigError, match=r"none cannot be read \(No such .*\): copy it there"):
        read_public_key(tmp_path / "none")
    with pytest.raises(ConfigError, match=r"none cannot be read \(No such .*\): copy it there"):
        open_sealed(b"", tmp_path / "none")


def test_the_command_opens_a_picture_where_the_private_key_is(tmp_path: Path) -> None:
    private, public = write_sealing_keys(tmp_path)
    sealed = tmp_path / "1.sealed"
    sealed.write_bytes(seal(PICTURE, read_public_key(public)))
    arguments = ["unseal", str(sealed), "--key", str(private), "--out", str(tmp_path / "1.jpg")]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert (tmp_path / "1.jpg").read_bytes() == PICTURE
