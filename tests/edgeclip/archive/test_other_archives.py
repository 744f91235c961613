"""Archives elsewhere: a bucket, a cluster, a process that is killed, and a set of packs."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edgeclip.archive.answering import Asked
from edgeclip.archive.cluster import Cluster, require_listener, run_on_cluster
from edgeclip.archive.journal import PARTS, Plan, open_journal
from edgeclip.archive.request import PredictRequest
from edgeclip.archive.results import Results
from edgeclip.archive.run_folder import RUN_FOLDER
from edgeclip.archive.stores import open_store
from edgeclip.combining import combine
from edgeclip.errors import ConfigError, DataError, PackError, SetupError
from support.brokers import free_port
from support.commands import Run
from support.drawn_images import draw, save
from support.tiny_packs import TinyEncoder

Predict = Callable[..., Results]
BUCKET = "traps"


def _table(out: Path) -> str:
    return (out / "predictions.csv").read_text()


@pytest.fixture
def bucket(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a real S3 server on loopback, with the archive in it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    import boto3

    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    for path in sorted(archive.rglob("*")):
        if path.is_file():
            client.upload_file(str(path), BUCKET, f"2024/{path.relative_to(archive)}")
    yield f"s3://{BUCKET}/2024"
    server.stop()


@pytest.mark.filterwarnings("ignore")  # of moto, boto and s3fs
def test_a_bucket_gives_the_same_answers_as_a_folder(
    predict: Predict, archive: Path, bucket: str, tmp_path: Path
) -> None:
    predict(archive, folder=tmp_path / "folder")
    predict(bucket, folder=tmp_path / "bucket")
    ours, theirs = (_by_file(tmp_path / name) for name in ("folder", "bucket"))
    assert ours == theirs


@pytest.mark.filterwarnings("ignore")
def test_a_bucket_that_is_not_there_says_so(predict: Predict, bucket: str) -> None:
    with pytest.raises(DataError, match=r"s3://gone.* cannot be listed|no image found"):
        predict(bucket.replace(BUCKET, "gone"))


def test_an_address_that_nobody_reads_is_refused(predict: Predict) -> None:
    with pytest.raises((DataError, SetupError), match="nosuch://here"):
        predict("nosuch://here")


def _by_file(out: Path) -> dict[str, list[str]]:
    with (out / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["file"]: [v for k, v in row.items() if k != "sequence"] for row in rows}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Ray
def test_a_cluster_of_two_writes_the_same_bytes_without_warnings_of_its_own(
    predict: Predict, archive: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    predict(archive, folder=tmp_path / "here")
    predict(archive, folder=tmp_path / "there", cluster=Cluster("local", 2))
    assert _table(tmp_path / "here") == _table(tmp_path / "there")
    said = capfd.readouterr().err.splitlines()
    assert [line for line in said if "Set ray log level" not in line] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_pack_that_a_worker_cannot_open_is_one_line(archive: Path, tmp_path: Path) -> None:
    at = datetime(2024, 6, 1, tzinfo=timezone.utc)
    plan = Plan(
        archive=str(archive), answerer="a", pack_sha256="b", options={}, images=0, begun_at=at
    )
    journal = open_journal(tmp_path / "run", open_store(str(archive)), plan)
    elsewhere = PredictRequest(str(archive), Asked(tmp_path / "not-on-this-machine"))
    with pytest.raises(PackError, match=r"a worker of --cluster says: .*the same path on each"):
        run_on_cluster(journal, elsewhere.work, Cluster("local", 1), lambda _: None)
    assert journal.missing() == [0]


def test_a_port_where_no_cluster_listens_is_named_before_the_archive_is_listed(
    predict: Predict, archive: Path, tmp_path: Path
) -> None:
    address = f"127.0.0.1:{free_port()}"
    said = f"--cluster {address}: no Ray cluster answers there"
    with pytest.raises(SetupError, match=said):
        predict(archive, cluster=Cluster(address))
    assert not (tmp_path / "out").exists()
    predict(archive)
    with pytest.raises(SetupError, match=said):
        predict(archive, cluster=Cluster(address), overwrite=True)
    assert predict(archive, cluster=Cluster(address)).already == 13  # a whole run needs none


def test_the_server_of_a_rays_client_is_looked_for_where_its_address_says() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"ray://127.0.0.1:{server.getsockname()[1]}"
        require_listener(address)
    with pytest.raises(SetupError, match=f"--cluster {address}: no Ray cluster answers there"):
        require_listener(address)


@pytest.mark.parametrize("host", ["ridge..local", f"{'a' * 70}.local"])
def test_a_host_that_no_name_can_be_is_named(host: str) -> None:
    with pytest.raises(SetupError, match=f"--cluster {host}:6379: no Ray cluster answers there"):
        require_listener(f"{host}:6379")


@pytest.mark.filterwarnings("ignore")  # of Ray
def test_a_cluster_that_is_not_there_is_named(predict: Predict, archive: Path) -> None:
    with pytest.raises(SetupError, match="no Ray cluster answers there"):
        predict(archive, cluster=Cluster("auto"))


def _command(encoder: TinyEncoder, archive: Path, pack: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "edgeclip.cli", *_words(encoder, archive, pack, out)]


def _words(encoder: TinyEncoder, archive: Path, pack: Path, out: Path) -> list[str]:
    return [
        "predict", str(archive), "--pack", str(pack),
        "--backbone", str(encoder.config), "--pretrained", str(encoder.weights),
        "--out", str(out), "--part-images", "8", "--workers", "1",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_to_the_same_table(
    run: Run, encoder: TinyEncoder, tiny_pack: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "many"
    for number in range(400):
        save(archive / f"{number:04d}.png", draw("leopard", number))
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = _command(encoder, archive, tiny_pack, killed)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=environment) as process:
        parts = killed / RUN_FOLDER / PARTS
        while len(list(parts.glob("*.jsonl"))) < 3:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (killed / "predictions.csv").exists()
    kept = len(list(parts.glob("*.jsonl")))
    assert 3 <= kept < 50
    for out in (killed, whole):
        assert run(*_words(encoder, archive, tiny_pack, out)).code == 0
    assert _table(killed) == _table(whole)


def test_a_set_says_which_pack_answered(
    predict: Predict, archive: Path, pack: Path, tmp_path: Path
) -> None:
    combine([("hill", pack)], tmp_path / "set", {"hill": {"place": "hill"}})
    predict(archive, pack=tmp_path / "set", facts={"place": "hill"}, folder=tmp_path / "hill")
    predict(archive, pack=tmp_path / "set", facts={"place": "lake"}, folder=tmp_path / "lake")
    assert "hill" in str(_by_file(tmp_path / "hill"))
    assert "prompts alone" in str(_by_file(tmp_path / "lake"))


@pytest.mark.parametrize("asked", [{"backend": "onnxruntime"}, {"task": "leopard"}])
def test_options_of_bundles_are_refused_for_a_pack(
    encoder: TinyEncoder, tiny_pack: Path, asked: dict[str, str]
) -> None:
    from edgeclip.archive.answering import open_answerer

    with pytest.raises(ConfigError, match="bundle"):
        open_answerer(Asked(tiny_pack, **asked, backbone=str(encoder.config)))
