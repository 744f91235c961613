from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edgeclip.errors import SetupError
from edgeclip_device.clock import SystemClock
from edgeclip_device.config import DeviceSettings
from edgeclip_device.doctor.base import Finding, Patient
from edgeclip_device.doctor.board import check_clock, check_power
from edgeclip_device.doctor.camera import check_camera, judge_frame
from edgeclip_device.doctor.engine import check_bundle
from edgeclip_device.doctor.report import examine, require_all
from edgeclip_device.doctor.services import check_services
from edgeclip_device.doctor.storage import check_disk, check_outbox, judge_writes
from edgeclip_device.doctor.vision import check_opencv, numpy_pair
from edgeclip_device.machine.tree import Tree
from edgeclip_device.outbox import Outbox
from support.drawn_clips import ground, write_image
from support.machines import orin, put
from support.processes import complete
from support.samples import detection

Make = Callable[..., DeviceSettings]
EXPECTED = [
    "configuration", "command keys",
    "opencv", "gstreamer", "numpy", "gstreamer watchdog", "bundle", "tensorrt", "onnxruntime",
    "camera", "camera modes", "argus", "test frame", "clock", "rtc", "power mode", "over-current",
    "heat", "power rails", "disk", "file system", "card wear", "disk writes", "state folder",
    "outbox", "identity", "broker", "edgeclip-detect", "edgeclip-uplink", "journal",
]  # fmt: skip


def _by_name(findings: object) -> dict[str, Finding]:
    assert isinstance(findings, list)
    return {finding.check: finding for finding in findings}


def test_a_desk_without_gpu_gstreamer_and_jetson_is_examined_whole(
    make_settings: Make, tmp_path: Path
) -> None:
    image = write_image(tmp_path / "a.png", ground())
    settings = make_settings(camera={"source": str(image)})
    findings = examine(Patient(settings, Tree(tmp_path / "machine")))
    names = [finding.check for finding in findings if finding.check != "engine"]
    assert names == EXPECTED
    verdicts = _by_name(findings)
    assert verdicts["argus"].verdict == "absent"
    assert verdicts["power mode"].verdict == "absent"
    assert verdicts["bundle"].verdict == verdicts["test frame"].verdict == "ok"
    assert verdicts["broker"].verdict == "fail"


def test_whatever_is_not_right_says_what_to_do(tmp_path: Path) -> None:
    done = complete("doctor", "--root", tmp_path, "--json")
    assert done.returncode == 4
    document = json.loads(done.stdout)
    assert document["passed"] is False
    for check in document["checks"]:
        if check["verdict"] in ("warn", "fail"):
            assert check["next_step"], check["check"]
    assert "checks fail, first" in done.stderr


def test_root_sees_the_credentials_that_the_services_are_handed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    put(tmp_path, "etc/credentials/mqtt-username", "ridge-north\n")
    config = put(tmp_path, "etc/device.toml", "")
    options = ("--root", tmp_path, "--no-frame", "--no-broker", "--json")
    done = complete("doctor", "--config", config, *options)
    found = {check["check"]: check["found"] for check in json.loads(done.stdout)["checks"]}
    assert found["identity"] == "user name ridge-north; no certificate"


def test_the_table_has_a_line_for_each_check(tmp_path: Path) -> None:
    done = complete("doctor", "--root", tmp_path, "--no-frame", "--no-broker")
    assert "→ name it as [camera].source" in " ".join(done.stdout.split())


def test_a_check_is_one_line_with_its_whole_reason_in_a_pipe(tmp_path: Path) -> None:
    far = tmp_path / "a-folder-with-a-name-that-no-terminal-of-eighty-columns-holds" / "none"
    file = put(tmp_path, "etc/edgeclip/device.toml", f'[inference]\nbundle = "{far}"\n')
    done = complete("doctor", "--root", tmp_path, "--no-frame", "--no-broker")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["configuration:", str(file)]
    assert [line for line in lines if "✗" in line and "bundle" in line and f"{far}:" in line]


def _named(check: object, settings: DeviceSettings, tree: Tree) -> dict[str, Finding]:
    assert callable(check)
    return _by_name(list(check(Patient(settings, tree))))


def test_a_wheel_that_covers_jetpacks_opencv_is_a_fault_on_a_jetson(
    make_settings: Make, tmp_path: Path
) -> None:
    found = _named(check_opencv, make_settings(), orin(tmp_path))
    assert found["opencv"].verdict == "fail"
    assert "pip uninstall opencv-python" in found["opencv"].next_step


@pytest.mark.parametrize(
    ("numpy", "folder", "verdict"),
    [
        ("2.1.0", "/usr/lib/python3/dist-packages/cv2/__init__.py", "warn"),
        ("1.26.4", "/usr/lib/python3/dist-packages/cv2/__init__.py", "ok"),
        ("2.1.0", "/opt/venv/site-packages/cv2/__init__.py", "ok"),
    ],
)
def test_numpy_2_beside_jetpacks_opencv_is_doubtful(
    make_settings: Make, tmp_path: Path, numpy: str, folder: str, verdict: str
) -> None:
    patient = Patient(make_settings(), orin(tmp_path))
    assert numpy_pair(patient, Path(folder), numpy).verdict == verdict


def test_a_bundle_that_is_not_whole_is_a_fault(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(inference={"bundle": tmp_path / "none"})
    assert _named(check_bundle, settings, Tree(tmp_path))["bundle"].verdict == "fail"


def test_tensorrt_that_was_named_and_is_missing_is_a_fault(
    make_settings: Make, tmp_path: Path
) -> None:
    settings = make_settings(inference={"backend": "tensorrt"})
    found = _named(check_bundle, settings, Tree(tmp_path))["tensorrt"]
    assert found.verdict in ("fail", "ok")  # ok where it is installed
    usual = _named(check_bundle, make_settings(), Tree(tmp_path))["tensorrt"]
    assert usual.verdict in ("absent", "ok")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("/dev/video9", "there is no /dev/video9; there are"),
        ("/dev/plain", "is no device"),
    ],
)
def test_a_camera_that_is_not_there_is_named_with_those_that_are(
    make_settings: Make, tmp_path: Path, source: str, words: str
) -> None:
    put(tmp_path, "/dev/v4l/by-id/usb-Trail_Camera-index0", "")
    put(tmp_path, "/dev/plain", "")
    patient = Patient(make_settings(camera={"source": source}), Tree(tmp_path), False)
    found = _by_name(list(check_camera(patient)))
    assert (found["camera"].verdict, found["test frame"].verdict) == ("fail", "absent")
    assert words in found["camera"].found


def test_argus_without_its_socket_is_a_fault(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(camera={"source": "nvarguscamerasrc sensor-id=0 ! appsink"})
    patient = Patient(settings, Tree(tmp_path), False)
    assert _by_name(list(check_camera(patient)))["argus"].verdict == "fail"
    put(tmp_path, "/tmp/argus_socket", "")
    assert _by_name(list(check_camera(patient)))["argus"].verdict == "ok"


def test_a_camera_that_cannot_be_opened_fails_in_a_process_of_its_own(
    make_settings: Make, tmp_path: Path
) -> None:
    settings = make_settings(camera={"source": str(tmp_path / "none.mp4")})
    found = _named(check_camera, settings, Tree(tmp_path))["test frame"]
    assert found.verdict == "fail"
    assert "there is no" in found.found


def test_an_empty_folder_that_is_watched_is_no_fault(make_settings: Make, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none of a camera's files")
    camera = {"source": str(tmp_path), "watch": True, "time_zone": "UTC"}
    found = _named(check_camera, make_settings(camera=camera), Tree(tmp_path))["test frame"]
    assert (found.verdict, found.found) == ("absent", "nothing has come into the folder yet")


def test_a_watched_folder_that_is_not_there_is_a_fault(make_settings: Make, tmp_path: Path) -> None:
    camera = {"source": str(tmp_path / "none"), "watch": True, "time_zone": "UTC"}
    found = _named(check_camera, make_settings(camera=camera), Tree(tmp_path))["test frame"]
    assert found.verdict == "fail"
    assert "is the card in" in found.found


def test_a_black_frame_is_doubtful() -> None:
    facts = {"width": 64.0, "height": 48.0, "mean": 1.0, "deviation": 0.5}
    assert judge_frame(facts).verdict == "warn"
    assert judge_frame({**facts, "mean": 90.0}).verdict == "ok"


def test_the_power_mode_is_compared_with_the_wish(make_settings: Make, tmp_path: Path) -> None:
    tree = orin(tmp_path)
    verdict = {
        wish: _named(check_power, make_settings(power={"nvpmodel": wish}), tree)["power mode"]
        for wish in ("15W", "25W", "99W")
    }
    assert [verdict[wish].verdict for wish in verdict] == ["ok", "fail", "fail"]
    assert "name one of MAXN_SUPER, 15W, 25W" in verdict["99W"].next_step


def test_throttling_is_doubtful(make_settings: Make, tmp_path: Path) -> None:
    tree = orin(tmp_path)
    calm = _named(check_power, make_settings(), tree)
    assert (calm["over-current"].verdict, calm["heat"].verdict) == ("ok", "ok")
    put(tmp_path, "/sys/class/hwmon/hwmon2/oc1_event_cnt", "4\n")
    put(tmp_path, "/sys/class/thermal/cooling_device1/cur_state", "2\n")
    hot = _named(check_power, make_settings(), tree)
    assert (hot["over-current"].verdict, hot["heat"].verdict) == ("warn", "warn")


@pytest.mark.parametrize(
    ("since", "vouched", "verdict"),
    [(1_800_000_000, True, "ok"), (100, True, "fail"), (100, False, "ok")],
)
def test_a_vouched_hardware_clock_must_have_kept_its_time(
    make_settings: Make, tmp_path: Path, since: int, vouched: bool, verdict: str
) -> None:
    put(tmp_path, "/sys/class/rtc/rtc0/name", "tegra-rtc\n")
    put(tmp_path, "/sys/class/rtc/rtc0/since_epoch", f"{since}\n")
    settings = make_settings(clock={"rtc_has_battery": vouched})
    assert _named(check_clock, settings, Tree(tmp_path))["rtc"].verdict == verdict


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("ext4", "ok"), ("tmpfs", "fail"), ("vfat", "fail"), ("overlay", "warn")],
)
def test_a_file_system_that_forgets_or_has_no_rights_is_a_fault(
    make_settings: Make, tmp_path: Path, kind: str, verdict: str
) -> None:
    mounts = f"1 0 0:1 / / rw - btrfs none rw\n2 1 0:2 / {tmp_path} rw - {kind} none rw\n"
    put(tmp_path / "machine", "/proc/self/mountinfo", mounts)
    found = _named(check_disk, make_settings(), Tree(tmp_path / "machine"))
    assert found["file system"].verdict == verdict


def test_a_worn_card_is_doubtful(make_settings: Make, tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    name = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/device/life_time"
    put(tmp_path, name, "0x09 0x01\n")
    found = _named(check_disk, make_settings(), Tree(tmp_path))
    assert (found["card wear"].verdict, found["card wear"].next_step) == (
        "warn", "replace the card",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("up_s", "gigabytes", "verdict"), [(86_400.0, 1, "ok"), (86_400.0, 50, "warn"), (60.0, 1, "ok")]
)
def test_a_disk_that_is_written_to_too_much_is_doubtful(
    make_settings: Make, tmp_path: Path, up_s: float, gigabytes: int, verdict: str
) -> None:
    device = tmp_path.stat().st_dev
    name = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat"
    put(tmp_path, name, f"0 0 0 0 0 0 {gigabytes * 10**9 // 512} 0 0 0 0\n")
    patient = Patient(make_settings(), Tree(tmp_path))
    assert judge_writes(patient, tmp_path, up_s).verdict == verdict


def test_what_waits_in_the_outbox_is_told(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings()
    assert _named(check_outbox, settings, Tree(tmp_path))["outbox"].verdict == "absent"
    with closing(Outbox(settings.state, settings.outbox, SystemClock())) as outbox:
        outbox.emit(detection())
    found = _named(check_outbox, settings, Tree(tmp_path))["outbox"]
    assert (found.verdict, found.found) == ("ok", "1 detections and 0 snapshots wait")


def test_a_damaged_outbox_is_a_fault(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings()
    put(settings.state, "outbox.sqlite", b"junk" * 1000)
    assert _named(check_outbox, settings, Tree(tmp_path))["outbox"].verdict == "fail"


def test_units_that_are_not_installed_are_absent(make_settings: Make, tmp_path: Path) -> None:
    found = _named(check_services, make_settings(), Tree(tmp_path))
    assert found["edgeclip-detect"].verdict == "absent"
    assert found["journal"].verdict == "warn"
    put(tmp_path, "/etc/systemd/journald.conf.d/edgeclip.conf", "[Journal]\n")
    assert _named(check_services, make_settings(), Tree(tmp_path))["journal"].verdict == "ok"


def test_only_faults_end_with_an_error() -> None:
    require_all([Finding("a", "warn", "found", "do"), Finding("b", "absent", "found")])
    with pytest.raises(SetupError, match="1 of 2 checks fail, first b: broken: mend it"):
        require_all([Finding("a", "ok", "fine"), Finding("b", "fail", "broken", "mend it")])
