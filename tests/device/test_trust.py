from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edgeclip.contract.bundle import MANIFEST_FILE, SIGNATURE_FILE
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.signing import make_key
from edgeclip.errors import BundleDamagedError, OutboxError, SignatureError, SourceError
from edgeclip_device.alarms import opened_alarms
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings, InferenceSettings
from edgeclip_device.detect import opened_detector
from edgeclip_device.detector import DetectOptions
from edgeclip_device.notify import Notifier
from edgeclip_device.trust import ACCEPTED_FILE, Trust
from edgeclip_export.sign import sign_bundle
from support.altered_bundles import PACK, change_json, hash_again

NOW = datetime(2026, 5, 1, tzinfo=timezone.utc)


class Team:
    """People with a key, and what they make."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.key, self._source, self._folder = folder / "team", bundle, folder
        self.public = make_key(self.key)

    def bundle(
        self,
        name: str,
        version: str = "1.0.0",
        made: datetime = NOW,
        *,
        downgrade: bool = False,
        signed: bool = True,
    ) -> Path:
        """Return a signed bundle whose pack `leopard` has a version."""
        folder = Path(shutil.copytree(self._source, self._folder / name))
        path = folder / MANIFEST_FILE
        manifest = json.loads(path.read_text()) | {"created_at": made.isoformat()}
        manifest["packs"][0]["version"] = version
        path.write_text(json.dumps(manifest))
        change_json(folder / PACK / "pack.json", version=version)
        hash_again(folder)
        if signed:
            sign_bundle(folder, self.key, allow_downgrade=downgrade)
        return folder


@pytest.fixture
def team(tmp_path: Path, bundle: Path) -> Team:
    return Team(tmp_path, bundle)


@pytest.fixture
def trust(team: Team, tmp_path: Path) -> Trust:
    state = tmp_path / "state"
    state.mkdir()
    return Trust(InferenceSettings(public_keys=[team.public]), state)


def test_a_signed_bundle_is_believed(team: Team, trust: Trust) -> None:
    assert trust.read(team.bundle("one")).created_at == NOW


def test_without_keys_an_unsigned_bundle_runs_and_nothing_is_remembered(
    team: Team, tmp_path: Path
) -> None:
    trust = Trust(InferenceSettings(), tmp_path)
    trust.accept(trust.read(team.bundle("one", signed=False)))
    assert not (tmp_path / ACCEPTED_FILE).exists()


def test_an_unsigned_bundle_is_refused(team: Team, trust: Trust) -> None:
    with pytest.raises(SignatureError, match="it is not signed, and a key is configured"):
        trust.read(team.bundle("one", signed=False))


def test_a_bundle_of_other_people_is_refused(trust: Trust, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    with pytest.raises(SignatureError, match="which is not believed here"):
        trust.read(Team(tmp_path / "others", bundle).bundle("one"))


def test_an_altered_manifest_is_refused_though_all_hashes_fit(team: Team, trust: Trust) -> None:
    folder = team.bundle("one")
    path = folder / MANIFEST_FILE
    manifest = json.loads(path.read_text())
    manifest["tolerance"]["probability"] = 1.0
    path.write_text(json.dumps(manifest))
    with pytest.raises(SignatureError, match="altered after it was signed"):
        trust.read(folder)


def test_an_altered_file_of_a_signed_bundle_is_refused(team: Team, trust: Trust) -> None:
    folder = team.bundle("one")
    victim = next(folder.rglob("*.onnx"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    with pytest.raises(BundleDamagedError, match="was altered or cut short"):
        trust.read(folder)


@pytest.mark.parametrize("newer", ["1.0.1", "1.10.0", "2.0.0"])
def test_a_lower_version_than_ran_is_refused(team: Team, trust: Trust, newer: str) -> None:
    trust.accept(trust.read(team.bundle("new", newer)))
    later = NOW + timedelta(days=1)
    with pytest.raises(SignatureError, match=rf"has leopard 1\.0\.0, and leopard {newer} ran"):
        trust.read(team.bundle("old", "1.0.0", later))


def test_an_older_bundle_of_the_same_versions_is_refused(team: Team, trust: Trust) -> None:
    trust.accept(trust.read(team.bundle("new")))
    trust.read(team.bundle("same"))
    with pytest.raises(SignatureError, match="was made at 2026-04-30 00:00:00 UTC"):
        trust.read(team.bundle("old", made=NOW - timedelta(days=1)))


def test_its_signer_may_allow_a_downgrade_and_that_counts_from_then_on(
    team: Team, trust: Trust
) -> None:
    trust.accept(trust.read(team.bundle("new", "2.0.0")))
    yesterday = NOW - timedelta(days=1)
    trust.accept(trust.read(team.bundle("back", "1.5.0", yesterday, downgrade=True)))
    trust.read(team.bundle("again", "1.5.0", yesterday))
    with pytest.raises(SignatureError, match=r"has leopard 1\.4\.0, and leopard 1\.5\.0 ran"):
        trust.read(team.bundle("older", "1.4.0"))


def test_a_permission_to_go_back_ends_with_the_next_bundle(team: Team, trust: Trust) -> None:
    """Whoever kept the bundle could bring its faults back for ever."""
    yesterday = NOW - timedelta(days=1)
    trust.accept(trust.read(team.bundle("new", "2.0.0")))
    back = team.bundle("back", "1.5.0", yesterday, downgrade=True)
    trust.accept(trust.read(back))
    trust.read(back)  # a device starts again
    trust.accept(trust.read(team.bundle("mended", "3.0.0", NOW + timedelta(days=1))))
    with pytest.raises(SignatureError, match=r"has leopard 1\.5\.0, .* sign it anew with"):
        trust.read(back)
    sign_bundle(back, team.key, allow_downgrade=True)
    trust.read(back)


def test_a_memory_of_before_signing_times_were_kept_is_read(
    team: Team, trust: Trust, tmp_path: Path
) -> None:
    known = {"created_at": NOW.isoformat(), "packs": {"leopard": "2.0.0"}}
    (tmp_path / "state" / ACCEPTED_FILE).write_text(json.dumps(known))
    with pytest.raises(SignatureError, match=r"leopard 2\.0\.0 ran here before"):
        trust.read(team.bundle("old"))
    back = team.bundle("back", downgrade=True)
    trust.accept(trust.read(back))
    assert "signed_at" in json.loads((tmp_path / "state" / ACCEPTED_FILE).read_text())
    trust.read(back)


def test_a_task_that_a_newer_bundle_lacks_is_still_remembered(team: Team, trust: Trust) -> None:
    trust.accept(trust.read(team.bundle("new", "2.0.0")))
    without = team.bundle("without", made=NOW + timedelta(days=1), signed=False)
    path = without / MANIFEST_FILE
    manifest = json.loads(path.read_text())
    manifest["packs"] = manifest["packs"][1:]
    path.write_text(json.dumps(manifest))
    sign_bundle(without, team.key)
    trust.accept(trust.read(without))
    with pytest.raises(SignatureError, match="has leopard 1"):
        trust.read(team.bundle("old", "1.0.0", NOW + timedelta(days=2)))


def test_a_memory_that_cannot_be_read_is_no_way_back(
    team: Team, trust: Trust, tmp_path: Path
) -> None:
    (tmp_path / "state" / ACCEPTED_FILE).write_text("{")
    with pytest.raises(SignatureError, match="delete it to accept any signed bundle once"):
        trust.read(team.bundle("one"))


def test_a_memory_that_cannot_be_written_is_said(team: Team, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    trust = Trust(InferenceSettings(public_keys=[team.public]), tmp_path / "other")
    manifest = trust.read(team.bundle("one"))
    (tmp_path / "other").write_text("a file where the folder should be")
    with pytest.raises(OutboxError, match="cannot be"):
        trust.accept(manifest)


def test_detect_remembers_what_ran_and_refuses_what_is_older(
    team: Team, make_settings: Callable[..., DeviceSettings], still_clip: Path
) -> None:
    def settings(bundle: Path) -> DeviceSettings:
        return make_settings(
            camera={"source": str(still_clip)},
            inference={"bundle": bundle, "public_keys": [team.public]},
        )

    with opened_detector(settings(team.bundle("new", "1.2.0")), Notifier(), DetectOptions()) as own:
        own.run(threading.Event())
        assert own.counts.classified
    old = settings(team.bundle("old", "1.1.0"))
    with (
        pytest.raises(SignatureError, match=r"leopard 1\.2\.0 ran here before"),
        opened_detector(old, Notifier(), DetectOptions()),
    ):
        pass


def test_the_signature_is_no_file_of_the_manifest(team: Team) -> None:
    folder = team.bundle("one")
    files = json.loads((folder / MANIFEST_FILE).read_text())["files"]
    assert SIGNATURE_FILE not in files
    assert all(sha256_file(folder / name) == record["sha256"] for name, record in files.items())


def test_a_bundle_that_may_not_decide_is_an_alarm_until_one_may(
    team: Team, make_settings: Callable[..., DeviceSettings]
) -> None:
    for name, signed, expected in (("bad", False, ["pack_rejected"]), ("good", True, [])):
        bundle = team.bundle(name, signed=signed)
        settings = make_settings(
            inference={"bundle": bundle, "public_keys": [team.public]}, camera={"source": "0.jpg"}
        )
        ended = pytest.raises((SignatureError, SourceError))
        with ended, opened_detector(settings, Notifier(), DetectOptions()):
            pass
        with opened_alarms(settings.state, SystemClock()) as alarms:
            assert list(alarms.standing()) == expected
