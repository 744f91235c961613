from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from edgeclip.errors import ConfigError, SetupError
from edgeclip_device.field.provisioning import provision
from support.processes import complete


def _common_name(request: Path) -> str:
    read = x509.load_pem_x509_csr(request.read_bytes())
    assert read.is_signature_valid
    return str(read.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_a_request_names_the_device_and_fits_its_key(tmp_path: Path) -> None:
    made = provision("ridge-north", tmp_path / "keys")
    assert made.is_new
    assert _common_name(made.request) == "ridge-north"
    key = load_pem_private_key(made.key.read_bytes(), None)
    read = x509.load_pem_x509_csr(made.request.read_bytes())
    assert key.public_key() == read.public_key()


def test_the_key_is_its_owners_alone(tmp_path: Path) -> None:
    assert stat.S_IMODE(provision("ridge", tmp_path).key.stat().st_mode) == 0o600


def test_a_second_time_the_key_stays_and_the_request_may_change(tmp_path: Path) -> None:
    key = provision("ridge", tmp_path).key.read_bytes()
    again = provision("valley", tmp_path)
    assert (again.is_new, again.key.read_bytes()) == (False, key)
    assert _common_name(again.request) == "valley"


@pytest.mark.parametrize("text", ["", "junk", "-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_that_is_no_key_is_never_overwritten(tmp_path: Path, text: str) -> None:
    (tmp_path / "device.key").write_text(text)
    with pytest.raises(SetupError, match="no private key"):
        provision("ridge", tmp_path)
    assert (tmp_path / "device.key").read_text() == text


def test_a_device_without_an_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no device_id"):
        provision("Ridge North", tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot be written"):
        provision("ridge", tmp_path / "file")


def test_the_command_tells_of_a_request_that_it_replaces(tmp_path: Path) -> None:
    complete("provision", "--device-id", "ridge", "--out", tmp_path)
    again = complete("provision", "--device-id", "ridge", "--out", tmp_path)
    assert "replaces" not in again.stdout
    other = complete("provision", "--device-id", "valley", "--out", tmp_path)
    assert "it replaces one of CN = ridge" in other.stdout


def test_the_command_takes_no_hosts_name_for_the_devices(tmp_path: Path) -> None:
    config = tmp_path / "device.toml"
    config.write_text("")
    done = complete("provision", "--config", config, "--out", tmp_path / "keys")
    assert (done.returncode, "give --device-id" in done.stderr) == (2, True)
    assert not (tmp_path / "keys").exists()


def test_the_command_says_what_to_do_with_the_request(tmp_path: Path) -> None:
    done = complete("provision", "--device-id", "ridge", "--out", tmp_path)
    assert done.returncode == 0
    assert "CN = ridge" in done.stdout
    assert "let your authority sign" in done.stdout
