"""Packs of an index by their address, from a web server on loopback."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeclip.contract.pack import TENSORS_FILE
from edgeclip.errors import ConfigError, PackError
from edgeclip.registry.address import is_url, pack_at, packs_of
from edgeclip.registry.folder import add_pack
from edgeclip.registry.index import INDEX_FILE, write_index
from edgeclip.set_files import parts_of
from support.commands import Edit, Run

pytestmark = pytest.mark.filterwarnings("ignore")  # of fsspec's HTTP client


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


def test_a_path_of_this_machine_is_no_address() -> None:
    assert [is_url(text) for text in ("packs/leopard", "/packs#1", "C:/packs", "./a:/b")] == [
        False
    ] * 4
    assert is_url("s3://bucket/packs")
    assert is_url(Path("https://example.org/packs"))
