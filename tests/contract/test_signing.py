from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from edgeclip.contract import signing
from edgeclip.errors import ConfigError, SignatureError

DATA = b'{"a": 1}\n'


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "keys/team"
    assert signing.make_key(path) == tmp_path / "keys/team.pub"
    return path


@pytest.fixture
def keys(key: Path) -> signing.PublicKeys:
    return signing.read_public_keys([key.with_name("team.pub")])


@pytest.fixture
def signature(key: Path, tmp_path: Path) -> Path:
    path = tmp_path / "manifest.sig"
    path.write_text(signing.sign(DATA, "bundle", signing.read_private_key(key)))
    return path


def test_what_was_signed_is_believed(signature: Path, keys: signing.PublicKeys) -> None:
    statement = signing.verified(signature, DATA, "bundle", keys)
    assert [statement.key_id] == list(keys)
    assert statement == signing.read_statement(signature)
    assert not statement.allow_downgrade


def test_the_signature_is_ed25519_over_prefix_and_statement(signature: Path, key: Path) -> None:
    """As another program would check it, from the documented form alone."""
    content = json.loads(signature.read_text())
    statement = base64.b64decode(content["statement"])
    public = signing.read_private_key(key).public_key()
    public.verify(
        base64.b64decode(content["signature"]), b"edgeclip bundle signature/1\n" + statement
    )
    assert set(content) == {"schema", "statement", "signature"}


def test_only_its_owner_reads_a_private_key(key: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("taken", ["team", "team.pub"])
def test_a_key_is_never_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    with pytest.raises(ConfigError, match=f"{taken} is there already"):
        signing.make_key(tmp_path / "team")
    assert [path.name for path in tmp_path.iterdir()] == [taken]


def test_one_changed_byte_is_found(signature: Path, keys: signing.PublicKeys) -> None:
    with pytest.raises(SignatureError, match="was altered after it was signed"):
        signing.verified(signature, DATA + b" ", "bundle", keys)


def test_a_key_that_is_not_believed_is_named(signature: Path, tmp_path: Path) -> None:
    other = signing.read_public_keys([signing.make_key(tmp_path / "other")])
    with pytest.raises(SignatureError, match=r"is not believed here \(known: [0-9a-f]{16}\)"):
        signing.verified(signature, DATA, "bundle", other)


def _with(content: dict[str, str], **changes: object) -> dict[str, str]:
    """Change the statement as a forger would, who has no key."""
    statement = json.loads(base64.b64decode(content["statement"])) | changes
    return content | {"statement": base64.b64encode(json.dumps(statement).encode()).decode()}


@pytest.mark.parametrize(
    "forge",
    [
        lambda c: _with(c, allow_downgrade=True),
        lambda c: _with(c, sha256="0" * 64),
        lambda c: c | {"signature": base64.b64encode(bytes(64)).decode()},
        lambda c: c | {"signature": ""},
    ],
)
def test_a_forged_statement_or_signature_is_found(
    signature: Path,
    keys: signing.PublicKeys,
    forge: Callable[[dict[str, str]], dict[str, str]],
) -> None:
    signature.write_text(json.dumps(forge(json.loads(signature.read_text()))))
    with pytest.raises(SignatureError, match="is forged or damaged"):
        signing.verified(signature, DATA, "bundle", keys)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff\xfe", b"[]", b'{"schema": "edgeclip.signature/2"}', b"x" * 20_000],
)
def test_what_is_no_signature_is_refused_in_one_line(
    signature: Path, keys: signing.PublicKeys, text: bytes
) -> None:
    signature.write_bytes(text)
    with pytest.raises(SignatureError, match=r"manifest\.sig") as error:
        signing.verified(signature, DATA, "bundle", keys)
    assert "\n" not in str(error.value)


def test_a_statement_that_is_not_base64_is_refused(
    signature: Path, keys: signing.PublicKeys
) -> None:
    content = json.loads(signature.read_text()) | {"statement": "!"}
    signature.write_text(json.dumps(content))
    with pytest.raises(SignatureError, match="not base64"):
        signing.verified(signature, DATA, "bundle", keys)


def test_without_a_signature_the_command_that_signs_is_named(
    tmp_path: Path, keys: signing.PublicKeys
) -> None:
    with pytest.raises(SignatureError, match="sign it with `edgeclip-export sign`"):
        signing.verified(tmp_path / "manifest.sig", DATA, "bundle", keys)


def _pem(kind: str) -> bytes:
    form = Encoding.PEM, PrivateFormat.PKCS8
    if kind == "rsa":
        return generate_private_key(65537, 2048).private_bytes(*form, NoEncryption())
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(*form, BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("rsa", "it is a .*RSA"),
        ("encrypted", "Password was not given but private key is encrypted"),
        ("text", "not PEM, or damaged"),
    ],
)
def test_only_an_open_ed25519_key_signs(tmp_path: Path, kind: str, why: str) -> None:
    (tmp_path / "key").write_bytes(b"secret" if kind == "text" else _pem(kind))
    with pytest.raises(ConfigError, match=rf"is no private Ed25519 key in PEM \({why}"):
        signing.read_private_key(tmp_path / "key")


def test_one_half_of_a_pair_in_place_of_the_other_is_told_by_name(key: Path) -> None:
    public = key.with_name("team.pub")
    with pytest.raises(ConfigError, match=rf"team\.pub is the public half .*: name {key}$"):
        signing.read_private_key(public)
    with pytest.raises(
        ConfigError, match=rf"is the private half .*: name the public one, {public}"
    ):
        signing.read_public_keys([key])


def test_a_key_that_is_not_there_or_is_a_folder_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no key .*nowhere: check the path"):
        signing.read_private_key(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"there is no key .*nowhere: check the path"):
        signing.read_public_keys([tmp_path / "nowhere"])
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\): name a key"):
        signing.read_public_keys([tmp_path])


def test_a_full_disk_leaves_no_half_of_a_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(ConfigError, match=r"\(No space left on device\): free some disk"):
        signing.make_key(tmp_path / "team")
    assert list(tmp_path.iterdir()) == []


def test_a_statement_that_lacks_a_field_is_explained_as_a_statement(
    signature: Path, keys: signing.PublicKeys
) -> None:
    content = json.loads(signature.read_text())
    signature.write_text(json.dumps(_with(content, allow_downgrad=True)))
    with pytest.raises(SignatureError, match=r"its statement: .* did you mean allow_downgrade"):
        signing.verified(signature, DATA, "bundle", keys)
