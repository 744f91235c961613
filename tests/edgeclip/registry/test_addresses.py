"""Packs of an index by their address, from a web server on loopback."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edgeclip.contract.pack import TENSORS_FILE
from edgeclip.contract.signing import make_key
from edgeclip.errors import ConfigError, PackError
from edgeclip.registry.address import is_url, pack_at, packs_of
from edgeclip.registry.folder import add_pack
from edgeclip.registry.index import INDEX_FILE, write_index
from edgeclip.registry.signing import sign_pack
from edgeclip.set_files import parts_of
from support.commands import Run, WritePack

pytestmark = pytest.mark.filterwarnings("ignore")  # of fsspec's HTTP client
Edit = Callable[[Callable[[dict[str, object]], object]], None]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serves folders; returns their addresses."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(folder: Path) -> str:
        serving = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        running.append((serving, thread))
        return f"http://127.0.0.1:{serving.server_address[1]}"

    yield start
    for serving, thread in running:
        serving.shutdown()
        thread.join()
        serving.server_close()


@pytest.fixture
def index(serve: Callable[[Path], str], write_pack: WritePack, key: Path, tmp_path: Path) -> str:
    """The address of an index of three packs, one of them signed."""
    sign_pack(write_pack("leopard"), key)
    write_pack("leopard", "1.1.0", seed=2)
    write_pack("civet", seed=3)
    write_index(tmp_path / "packs")
    return serve(tmp_path / "packs")


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    """Changes the first entry of the index that is served."""

    def change(how: Callable[[dict[str, object]], object]) -> None:
        path = tmp_path / "packs" / INDEX_FILE
        content = json.loads(path.read_text())
        how(content["packs"][0])
        path.write_text(json.dumps(content))

    return change


def test_a_pack_of_an_index_is_shown_with_its_lineage(run: Run, index: str) -> None:
    here = json.loads(run("pack", "show", f"{index}#leopard@1.0.0", "--json").out)["packs"][0]
    assert (here["task"], here["version"]) == ("leopard", "1.0.0")
    assert here["lineage"]["signed_by"]
    named = json.loads(run("pack", "show", index, "civet", "--json").out)["packs"][0]
    assert (named["task"], named["lineage"]["parent"]) == ("civet", None)


def test_two_packs_of_an_index_and_of_a_folder_are_compared(
    run: Run, index: str, tmp_path: Path
) -> None:
    one, other = f"{index}#leopard@1.0.0", f"{index}#leopard"
    rows = {row["what"]: row for row in json.loads(run("pack", "diff", one, other, "--json").out)}
    assert (rows["version"]["one"], rows["version"]["other"]) == ("1.0.0", "1.1.0")
    local = tmp_path / "packs/leopard/1.1.0"
    assert "nothing differs" in run("pack", "diff", other, local).out


def test_a_pack_of_an_index_is_verified(run: Run, index: str, key: Path) -> None:
    signed = run("pack", "verify", f"{index}#leopard@1.0.0", "--key", Path(f"{key}.pub"))
    assert "whole, and signed by key" in signed.out
    assert "civet@1.0.0 is whole; unsigned" in run("pack", "verify", f"{index}#civet").out


def test_packs_of_an_index_are_composed_as_those_of_a_folder(
    run: Run, serve: Callable[[Path], str], pack: Path, tmp_path: Path
) -> None:
    registry = tmp_path / "packs"
    add_pack(registry, pack)
    text = (pack / "pack.json").read_text().replace('"task": "leopard"', '"task": "hill"', 1)
    shutil.copytree(pack, tmp_path / "hill")
    (tmp_path / "hill/pack.json").write_text(text)
    add_pack(registry, tmp_path / "hill")
    write_index(registry)
    names = ("leopard", "hill@1.0.0")
    done = run("pack", "compose", serve(registry), *names, "--out", tmp_path / "far")
    assert done.code == 0, done.err
    run("pack", "compose", registry, *names, "--out", tmp_path / "near")
    for (name, far, _), (other, near, _) in zip(
        parts_of(tmp_path / "far"), parts_of(tmp_path / "near"), strict=True
    ):
        assert name == other
        assert (far / "pack.json").read_bytes() == (near / "pack.json").read_bytes()


def test_what_was_fetched_is_gone_afterwards(
    index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    with packs_of(index, ["leopard", "leopard@1.1.0", "civet"]) as found:
        assert [pack.name for pack, _ in found] == ["leopard@1.1.0", "leopard@1.1.0", "civet@1.0.0"]
        assert all((path / "pack.json").is_file() for _, path in found)
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sign", "URL#leopard", "--key", "k"), "pack sign writes into the pack: fetch it first"),
        (("remove", "URL", "--part", "leopard@1.0.0"), "pack remove works on a folder of this"),
        (("add", "URL", "some"), "pack add copies into a folder of this machine"),
        (("index", "URL"), "pack index writes into a folder of this machine"),
        (("fetch", "URL", "leopard", "--into", "URL"), "--into is a folder of this machine"),
        (("combine", "URL#leopard", "b", "--out", "set"), "pack combine takes folders"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_commands_that_write_refuse_an_address_and_say_what_to_do(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    url = "https://example.org/packs"
    ended = run("pack", *(each.replace("URL", url) for each in arguments))
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert f"{url}" in ended.err
    assert message in ended.err
    assert "`edgeclip pack fetch URL TASK --into packs/`" in ended.err


def test_training_into_an_address_is_refused(run: Run) -> None:
    url = "https://example.org/packs"
    given = ("--data", "none", "--backbone", "demo", "--task", "leopard")
    ended = run("train", "--packs", url, *given)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert f"{url} is an address, and train --packs writes" in ended.err


@pytest.mark.parametrize(
    "command", [("show",), ("verify",), ("diff", "packs")], ids=["show", "verify", "diff"]
)
def test_an_index_without_a_name_is_asked_for_one(run: Run, command: tuple[str, ...]) -> None:
    ended = run("pack", *command, "https://example.org/packs")
    assert ended.code == 2
    assert "name a pack of it, as https://example.org/packs#TASK@VERSION" in ended.err


def test_a_pack_that_is_not_in_the_index_is_told_with_those_that_are(index: str) -> None:
    with (
        pytest.raises(ConfigError, match=r"no pack wolf; there are civet@1\.0\.0, leopard@1\.0"),
        pack_at(f"{index}#wolf"),
    ):
        pass


@pytest.mark.parametrize("command", ["show", "verify"])
def test_an_address_where_nobody_answers_is_told(run: Run, command: str) -> None:
    ended = run("pack", command, "http://127.0.0.1:9#leopard")
    assert (ended.code, "is not there, or nobody answers" in ended.err) == (5, True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<html>", "Invalid JSON"),
        ("{}", "packs is missing"),
        ('{"schema": "edgeclip.index/2", "packs": []}', "format is edgeclip.index/2, .*: update"),
        (
            '{"schema": "edgeclip.index/0", "packs": []}',
            "write it again with `edgeclip pack index`",
        ),
    ],
    ids=["a page", "another document", "newer", "older"],
)
def test_what_is_no_index_is_refused(
    index: str, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "packs" / INDEX_FILE).write_text(content)
    with pytest.raises(PackError, match=message), pack_at(f"{index}#leopard"):
        pass


@pytest.mark.parametrize("path", ["../../secrets", "a/../../secrets", "a//b", "/etc", "a/./b"])
def test_an_index_that_leads_outside_is_refused(index: str, edit: Edit, path: str) -> None:
    edit(lambda entry: entry.update(path=path))
    with pytest.raises(PackError, match="path"), pack_at(f"{index}#leopard"):
        pass


def test_a_file_that_is_larger_than_its_pack_may_be_is_not_read_on(
    index: str, tmp_path: Path
) -> None:
    path = tmp_path / "packs/civet/1.0.0" / TENSORS_FILE
    path.write_bytes(path.read_bytes() + bytes(5_000_000))
    refused = pytest.raises(PackError, match=r"is larger than the .* MB that it may have")
    with refused, pack_at(f"{index}#civet"):
        pass


def test_a_pack_whose_hashes_are_others_is_refused(index: str, tmp_path: Path, edit: Edit) -> None:
    (tmp_path / "packs/leopard/1.1.0" / TENSORS_FILE).write_bytes(b"other")
    with pytest.raises(PackError, match="was altered"), pack_at(f"{index}#leopard"):
        pass
    edit(lambda entry: entry.update(sha256="0" * 64))
    with pytest.raises(PackError, match="is not what the index says"), pack_at(f"{index}#civet"):
        pass


@pytest.mark.parametrize(
    "command",
    [
        ("fetch", "URL", "leopard", "--into", "mine"),
        ("compose", "URL", "leopard", "civet", "--out", "set"),
        ("verify", "URL#leopard@9.0.0"),
    ],
    ids=lambda command: command[0],
)
def test_an_entry_that_leads_to_another_pack_is_refused_before_anything_is_placed(
    run: Run,
    index: str,
    edit: Edit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    edit(lambda entry: entry.update(task="leopard", version="9.0.0"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    names = [each.replace("civet", "leopard@1.1.0") for each in command]
    ended = run("pack", *(each.replace("URL", index) for each in names))
    assert ended.code == 5
    assert "is of civet@1.0.0, and the index says leopard@9.0.0" in ended.err
    assert not list((tmp_path / "here").iterdir())


def test_a_signature_of_which_the_index_is_silent_is_fetched_too(
    run: Run, index: str, key: Path, tmp_path: Path
) -> None:
    sign_pack(tmp_path / "packs/civet/1.0.0", key)
    assert run("pack", "fetch", index, "civet", "--into", tmp_path / "mine").code == 0
    public = Path(f"{key}.pub")
    signed = run("pack", "verify", tmp_path / "mine/civet/1.0.0", "--key", public)
    assert "whole, and signed by key" in signed.out


@pytest.mark.parametrize(
    "command",
    [
        ("fetch", "URL", "NAME", "--into", "OUT"),
        ("add", "OUT", "URL#NAME"),
        ("compose", "URL", "leopard@1.0.0", "NAME", "--out", "OUT"),
    ],
    ids=lambda command: command[0],
)
def test_with_a_key_an_unsigned_pack_is_not_taken(
    run: Run, index: str, key: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    given = {"URL": index, "NAME": "civet", "OUT": str(tmp_path / "out")}
    for word, value in given.items():
        command = tuple(each.replace(word, value) for each in command)
    ended = run("pack", *command, "--key", Path(f"{key}.pub"))
    assert ended.code != 0
    assert f"{index}/civet/1.0.0 is not signed, and --key asks for it" in ended.err
    assert not (tmp_path / "out").exists()


def test_with_a_key_what_it_signed_is_taken_and_what_a_stranger_did_is_not(
    run: Run, index: str, key: Path, tmp_path: Path
) -> None:
    into = ("pack", "fetch", index, "leopard@1.0.0", "--into", tmp_path / "mine")
    make_key(tmp_path / "stranger.key")
    refused = run(*into, "--key", tmp_path / "stranger.key.pub")
    assert f"{index}/leopard/1.0.0/pack.sig is by key" in refused.err
    assert not (tmp_path / "mine").exists()
    assert run(*into, "--key", Path(f"{key}.pub")).code == 0
    assert (tmp_path / "mine/leopard/1.0.0/pack.sig").is_file()


def test_a_key_for_packs_of_this_machine_is_refused(run: Run, pack: Path, tmp_path: Path) -> None:
    ended = run("pack", "add", tmp_path / "packs", pack, "--key", "ranger.key.pub")
    assert (ended.code, "--key is for packs from afar" in ended.err) == (2, True)


def test_the_files_of_a_pack_are_limited_together(index: str, edit: Edit, tmp_path: Path) -> None:
    files = [path.stat().st_size for path in (tmp_path / "packs/civet/1.0.0").iterdir()]
    edit(lambda entry: entry.update(size_bytes=max(files) + 1))
    refused = pytest.raises(PackError, match=r"is larger than the .* MB that it may have")
    with refused, pack_at(f"{index}#civet"):
        pass


def test_a_path_of_this_machine_is_no_address() -> None:
    assert [is_url(text) for text in ("packs/leopard", "/packs#1", "C:/packs", "./a:/b")] == [
        False
    ] * 4
    assert is_url("s3://bucket/packs")
    assert is_url(Path("https://example.org/packs"))
