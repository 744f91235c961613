from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgeclip.contract.commands import Reply
from edgeclip.contract.hashing import sha256_file
from edgeclip.errors import BundleDamagedError
from edgeclip_device.backlog import Backlog
from edgeclip_device.cli import app
from edgeclip_device.clock import SystemClock
from edgeclip_device.command_book import CommandBook
from edgeclip_device.config import DeviceSettings
from edgeclip_device.events import Arrived
from edgeclip_device.mqtt import EventQueue
from edgeclip_device.rollout.shelf import INCOMING_FOLDER
from edgeclip_device.uplink_acts import command_desk
from edgeclip_device.uplink_thread import UplinkThread
from support.brokers import Broker
from support.commanders import Commander
from support.deliveries import Team
from support.fields import TOPICS
from support.receivers import eventually, receiving

Make = Callable[..., DeviceSettings]
StartUplink = Callable[..., UplinkThread]


@pytest.fixture
def admin(tmp_path: Path) -> Commander:
    return Commander(tmp_path / "admin")


@pytest.fixture
def obeying(make_settings: Make, broker: Broker, admin: Commander) -> DeviceSettings:
    return make_settings(mqtt={"url": broker.url}, commands={"admins": [admin.public]})


def _big(path: Path) -> Path:
    path.write_bytes(bytes(range(256)) * 500)
    return path


def _handed_over(settings: DeviceSettings) -> list[Path]:
    with closing(Backlog(settings.state)) as backlog:
        pending = CommandBook(backlog.connection, SystemClock(), TOPICS).pending("detect")
    return [Path(item.args["path"]) for item in pending]


@pytest.mark.broker
def test_a_delivery_arrives_in_chunks_and_is_left_to_detect(
    obeying: DeviceSettings, broker: Broker, admin: Commander, tmp_path: Path,
    start_uplink: StartUplink,
) -> None:  # fmt: skip
    delivery = Team(tmp_path / "team").delivery("1.1.0")
    with zipfile.ZipFile(delivery, "a") as file:
        file.writestr("more", bytes(range(256)) * 500)  # than one chunk
    with receiving(broker) as receiver:
        start_uplink(obeying)
        eventually(lambda: "online" in receiver.states, "the birth")
    arguments = ["pack", "send", str(delivery), "--device", "jetson-1", "--key", str(admin.key)]
    sending = threading.Thread(
        target=CliRunner().invoke, args=(app, [*arguments, "--broker", broker.url, "--wait-s", "9"])
    )
    sending.start()
    eventually(lambda: _handed_over(obeying), "the delivery")
    (path,) = _handed_over(obeying)
    assert path.read_bytes() == delivery.read_bytes()
    sending.join(30)


def test_a_file_that_is_no_delivery_is_not_sent(admin: Commander, tmp_path: Path) -> None:
    arguments = ["pack", "send", str(_big(tmp_path / "x.zip")), "--device", "jetson-1"]
    closed = ["--key", str(admin.key), "--broker", "mqtt://127.0.0.1:1"]
    done = CliRunner().invoke(app, [*arguments, *closed])
    assert isinstance(done.exception, BundleDamagedError)
    assert "make one with `edgeclip-device pack wrap`" in str(done.exception)


class _Chunks:
    """A desk that is given chunks one by one."""

    def __init__(self, settings: DeviceSettings, admin: Commander, delivery: Path) -> None:
        self.settings, self.data = settings, delivery.read_bytes()
        self.sha256 = sha256_file(delivery)
        self.backlog = Backlog(settings.state)
        self.desk = command_desk(settings, self.backlog, SystemClock(), EventQueue())
        self.command = admin.command(
            "pack_add", args={"sha256": self.sha256, "size_bytes": len(self.data)}
        )
        self.envelope = admin.seal(self.command)

    def ask(self) -> Reply:
        self.desk.on_message(Arrived(TOPICS.command("pack_add"), self.envelope))
        return self.last()

    def give(self, offset: int, size: int) -> Reply:
        data = self.data[offset : offset + size]
        self.desk.on_message(Arrived(TOPICS.chunk(self.sha256, str(offset)), data))
        if offset + size == len(self.data):
            eventually(self._is_checked, "the check")
        return self.last()

    def _is_checked(self) -> bool:
        before = self.last()
        self.desk.tick()
        return self.last() != before

    def last(self) -> Reply:
        query = "SELECT payload FROM letters ORDER BY id DESC LIMIT 1"
        return Reply.model_validate_json(self.backlog.connection.execute(query).fetchone()[0])


@pytest.fixture
def chunks(make_settings: Make, admin: Commander, tmp_path: Path) -> Iterator[_Chunks]:
    settings = make_settings(commands={"admins": [admin.public]})
    made = _Chunks(settings, admin, _big(tmp_path / "x.zip"))
    yield made
    made.backlog.close()


def test_chunks_out_of_order_twice_or_too_long_change_nothing(chunks: _Chunks) -> None:
    assert chunks.ask().data == {"received": 0}
    assert chunks.give(0, 50_000).data == {"received": 50_000}
    for offset in (0, 10, 60_000):
        assert chunks.give(offset, 50_000).data == {"received": 50_000}
    chunks.desk.on_message(Arrived(TOPICS.chunk(chunks.sha256, "50000"), b"x" * 10**6))
    assert chunks.last().data == {"received": 50_000}
    chunks.desk.on_message(Arrived(TOPICS.chunk(chunks.sha256, "rubbish"), b"x"))
    assert chunks.give(50_000, 78_000).data == {"received": 128_000}
    assert _handed_over(chunks.settings)[0].read_bytes() == chunks.data


def test_a_whole_delivery_is_checked_beside_the_uplinks_loop(chunks: _Chunks) -> None:
    chunks.ask()
    chunks.desk.on_message(Arrived(TOPICS.chunk(chunks.sha256, "0"), chunks.data))
    assert chunks.last().data == {"received": 0}, "gigabytes would starve the watchdog"
    again = Arrived(TOPICS.chunk(chunks.sha256, "0"), chunks.data)
    assert chunks.desk.on_message(again), "while it is checked"
    eventually(chunks._is_checked, "the check")
    assert len(_handed_over(chunks.settings)) == 1


def test_after_a_restart_it_goes_on_where_it_was(chunks: _Chunks) -> None:
    chunks.ask()
    chunks.give(0, 50_000)
    chunks.desk = command_desk(chunks.settings, chunks.backlog, SystemClock(), EventQueue())
    assert chunks.last().data == {"received": 50_000}
    chunks.give(50_000, 78_000)
    assert len(_handed_over(chunks.settings)) == 1


def test_chunks_that_are_another_file_are_refused_at_the_end(chunks: _Chunks) -> None:
    chunks.ask()
    chunks.data = bytes(128_000)
    reply = chunks.give(0, 128_000)
    assert (reply.state, "its SHA-256 is another" in reply.reason) == ("failed", True)
    assert list((chunks.settings.state / INCOMING_FOLDER).iterdir()) == []


def test_chunks_that_nobody_asked_for_are_not_kept(chunks: _Chunks) -> None:
    chunks.desk.on_message(Arrived(TOPICS.chunk("f" * 64, "0"), b"x" * 1000))
    chunks.desk.on_message(Arrived(TOPICS.chunk("../../x", "0"), b"x" * 1000))
    folder = chunks.settings.state / INCOMING_FOLDER
    assert not folder.exists() or list(folder.iterdir()) == []


def test_what_no_command_is_about_any_more_is_removed_at_the_next_start(chunks: _Chunks) -> None:
    chunks.ask()
    chunks.give(0, 50_000)
    folder = chunks.settings.state / INCOMING_FOLDER
    for name in ("a.part", "b.zip"):
        (folder / name).write_bytes(b"given up")
    chunks.desk = command_desk(chunks.settings, chunks.backlog, SystemClock(), EventQueue())
    assert [path.name for path in folder.iterdir()] == [f"{chunks.sha256}.part"]
    chunks.give(50_000, 78_000)
    command_desk(chunks.settings, chunks.backlog, SystemClock(), EventQueue())
    assert [path.suffix for path in folder.iterdir()] == [".zip"], "detect has yet to take it"


def test_who_asks_once_more_goes_on_and_the_first_question_is_over(
    chunks: _Chunks, admin: Commander
) -> None:
    chunks.ask()
    chunks.give(0, 50_000)
    first = chunks.command.command_id
    again = admin.command("pack_add", args=chunks.command.args)
    chunks.desk.on_message(Arrived(TOPICS.command("pack_add"), admin.seal(again)))
    assert (chunks.last().command_id, chunks.last().data) == (
        again.command_id,
        {"received": 50_000},
    )
    chunks.give(50_000, 78_000)
    with closing(Backlog(chunks.settings.state)) as backlog:
        rows = dict(backlog.connection.execute("SELECT command_id, verdict FROM commands"))
    assert (rows[first], len(_handed_over(chunks.settings))) == ("failed", 1)


def test_what_does_not_fit_on_the_disk_is_refused_at_once(
    chunks: _Chunks, admin: Commander
) -> None:
    command = admin.command("pack_add", args={"sha256": "a" * 64, "size_bytes": 4_000_000_000})
    chunks.envelope = admin.seal(command)
    with pytest.MonkeyPatch.context() as patch:
        usage = type("Usage", (), {"free": 10**9})
        patch.setattr("shutil.disk_usage", lambda _: usage)
        assert "do not fit" in chunks.ask().reason


def test_a_download_that_broke_off_becomes_whole_also_where_the_server_begins_anew(
    make_settings: Make, admin: Commander, tmp_path: Path
) -> None:
    delivery = _big(tmp_path / "x.zip")
    settings = make_settings(commands={"admins": [admin.public]})
    sha256 = sha256_file(delivery)
    begun = settings.state / INCOMING_FOLDER / f"{sha256}.part"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(delivery.read_bytes()[:40_000])
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/x.zip"
        args = {"sha256": sha256, "size_bytes": delivery.stat().st_size, "url": url}
        command = admin.command("pack_add", args=args)
        with closing(Backlog(settings.state)) as backlog:
            desk = command_desk(settings, backlog, SystemClock(), EventQueue())
            desk.on_message(Arrived(TOPICS.command("pack_add"), admin.seal(command)))

            def is_there() -> bool:
                desk.tick()
                return bool(_handed_over(settings))

            eventually(is_there, "the download")
    finally:
        server.shutdown()
        server.server_close()
    assert _handed_over(settings)[0].read_bytes() == delivery.read_bytes()
