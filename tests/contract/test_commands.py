from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edgeclip.contract.commands import (
    Command,
    claimed_id,
    may,
    next_counter,
    opened,
    roles_of,
    sealed,
)
from edgeclip.contract.signing import key_id_of, sign, sign_bytes
from edgeclip.errors import SignatureError

NOW = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
KEYS = {key_id_of(KEY.public_key()): KEY.public_key()}


def _command(**changes: Any) -> Command:
    document = {
        "command_id": "018bcfe5-6800-79d7-baa4-4201ea1b234f", "name": "ping", "project": "demo",
        "device_id": "jetson-1", "issued_at": NOW, "not_after": NOW + timedelta(hours=1),
        "counter": 7,
    }  # fmt: skip
    return Command.model_validate({**document, **changes})


def test_what_a_known_key_sealed_is_opened_again() -> None:
    assert opened(sealed(_command(), KEY).to_json(), "command", KEYS) == (
        _command(),
        next(iter(KEYS)),
    )


def test_an_unknown_key_is_named() -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    with pytest.raises(SignatureError, match="is not known here"):
        opened(sealed(_command(), stranger).to_json(), "command", KEYS)


def test_a_changed_byte_is_seen() -> None:
    document = json.loads(sealed(_command(), KEY).to_json())
    document["payload"] = base64.b64encode(_command(name="restart").to_json()).decode()
    with pytest.raises(SignatureError, match="forged or damaged"):
        opened(json.dumps(document).encode(), "command", KEYS)


def test_a_signature_of_one_kind_is_none_of_another() -> None:
    with pytest.raises(SignatureError, match="forged or damaged"):
        opened(sealed(_command(), KEY, "desired").to_json(), "command", KEYS)
    own = _command().to_json()
    envelope = json.loads(sealed(_command(), KEY).to_json())
    envelope["signature"] = json.loads(sign(own, "bundle", KEY))["signature"]
    with pytest.raises(SignatureError, match="forged or damaged"):
        opened(json.dumps(envelope).encode(), "command", KEYS)


def test_a_command_of_a_later_version_is_refused_by_its_field() -> None:
    own = json.loads(_command().to_json()) | {"schema": "edgeclip.command/9"}
    data = json.dumps(own).encode()
    envelope = {
        "payload": base64.b64encode(data).decode(),
        "key_id": next(iter(KEYS)),
        "signature": sign_bytes(data, "command", KEY),
    }
    with pytest.raises(SignatureError, match="no command of this version: schema"):
        opened(json.dumps(envelope).encode(), "command", KEYS)


def test_too_much_is_refused_before_it_is_read() -> None:
    with pytest.raises(SignatureError, match="allowed are 65536"):
        opened(b"{" * 70_000, "command", KEYS)


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    with pytest.raises(SignatureError):
        opened(data, "command", KEYS)
    assert claimed_id(data) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["payload", "key_id", "signature", "x"]), inner)
        ),
        max_leaves=8,
    )
)
def test_no_document_does_more_than_be_refused(document: object) -> None:
    with pytest.raises(SignatureError):
        opened(json.dumps(document).encode(), "command", KEYS)


@pytest.mark.parametrize(
    ("role", "name", "is_enough"),
    [
        ("viewer", "ping", False),
        ("operator", "ping", True),
        ("operator", "snapshot", True),
        ("operator", "thresholds", True),
        ("operator", "pack_add", False),
        ("operator", "restart", False),
        ("operator", "logs", False),
        ("admin", "pack_rollback", True),
    ],
)
def test_roles_end_where_they_should(role: Any, name: Any, is_enough: bool) -> None:
    assert may(role, name) is is_enough


def test_a_key_of_two_roles_has_the_higher_one() -> None:
    assert roles_of({"operator": KEYS, "admin": KEYS}) == {next(iter(KEYS)): "admin"}


def test_a_counter_grows_also_where_the_clock_went_back() -> None:
    first = next_counter(0, NOW)
    assert next_counter(first, NOW - timedelta(days=3650)) == first + 1
