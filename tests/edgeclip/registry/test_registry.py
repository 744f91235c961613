from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edgeclip.contract.pack import TENSORS_FILE
from edgeclip.contract.signing import make_key
from edgeclip.errors import ConfigError, PackError, SignatureError
from edgeclip.registry.allocating import allocate
from edgeclip.registry.differing import pack_differences
from edgeclip.registry.folder import add_pack, find_pack, read_registry, remove_pack
from edgeclip.registry.index import INDEX_FILE, fetch_pack, read_index, write_index
from edgeclip.registry.signing import sign_pack, verify_pack
from edgeclip.set_files import parts_of
from support.commands import Run, WritePack


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _tensors_sha256(pack: Path) -> str:
    return hashlib.sha256((pack / TENSORS_FILE).read_bytes()).hexdigest()


def test_versions_are_sorted_as_versions_and_a_task_means_its_newest(
    write_pack: WritePack, tmp_path: Path
) -> None:
    for version in ("1.10.0", "1.9.0", "2.0.0"):
        write_pack("leopard", version)
    write_pack("civet")
    held = read_registry(tmp_path / "packs")
    assert [each.name for each in held] == [
        "civet@1.0.0", "leopard@1.9.0", "leopard@1.10.0", "leopard@2.0.0",
    ]  # fmt: skip
    assert find_pack(held, "leopard").name == "leopard@2.0.0"
    assert find_pack(held, "leopard@1.9.0").name == "leopard@1.9.0"
    with pytest.raises(ConfigError, match=r"no pack leopard@3\.0\.0; there are leopard@1\.9\.0"):
        find_pack(held, "leopard@3.0.0")


def test_list_shows_lineage_and_signer(
    run: Run, write_pack: WritePack, key: Path, tmp_path: Path
) -> None:
    first = write_pack("leopard")
    sign_pack(first, key)
    write_pack("leopard", "1.1.0", seed=2, on=_tensors_sha256(first))
    write_pack("civet", on="0" * 64)
    shown = run("pack", "list", tmp_path / "packs", "--json")
    rows = {f"{row['task']}@{row['version']}": row for row in json.loads(shown.out)}
    assert rows["leopard@1.1.0"]["parent"] == "leopard@1.0.0"
    assert rows["leopard@1.0.0"]["parent"] is None
    assert rows["civet@1.0.0"]["parent"] == "not here (000000000000)"
    assert rows["leopard@1.0.0"]["signed_by"]
    table = run("pack", "list", tmp_path / "packs").out
    assert "leopard@1.1.0" in table
    lineage = json.loads(run("pack", "show", tmp_path / "packs", "leopard", "--json").out)
    assert lineage["packs"][0]["lineage"]["parent"] == "leopard@1.0.0"


def test_list_cuts_no_name_however_narrow_the_terminal(
    run: Run, write_pack: WritePack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    write_pack("black-leopard-of-the-aberdares", "10.11.12")
    table = run("pack", "list", tmp_path / "packs").out
    rows = [line.strip("│ ").split("│") for line in table.splitlines() if line.startswith("│")]
    assert "".join(row[0].strip() for row in rows) == "black-leopard-of-the-aberdares@10.11.12"
    assert "…" not in table


def test_a_usual_name_stays_on_one_line(
    run: Run, write_pack: WritePack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    write_pack("black-leopard", "10.11.12")
    assert "black-leopard@10.11.12" in run("pack", "list", tmp_path / "packs").out


@pytest.mark.parametrize("what", ["nothing", "empty"])
def test_what_holds_no_pack_is_told(run: Run, tmp_path: Path, what: str) -> None:
    if what == "empty":
        (tmp_path / what).mkdir()
    ended = run("pack", "list", tmp_path / what)
    assert ended.code == 5
    assert "no pack" in ended.err or "no folder" in ended.err


def test_a_damaged_pack_is_named(run: Run, write_pack: WritePack, tmp_path: Path) -> None:
    pack = write_pack("leopard")
    (pack / TENSORS_FILE).write_bytes(b"other")
    assert "was altered" in run("pack", "list", tmp_path / "packs").err
    assert run("pack", "verify", pack).code == 5


def test_a_signature_is_of_this_pack_and_this_key(
    run: Run, write_pack: WritePack, key: Path, tmp_path: Path
) -> None:
    pack, public = write_pack("leopard"), Path(f"{key}.pub")
    assert "sign it with `edgeclip pack sign`" in run("pack", "verify", pack, "--key", public).err
    assert run("pack", "sign", pack, "--key", key).code == 0
    assert "whole, and signed by key" in run("pack", "verify", pack, "--key", public).out
    other = write_pack("civet", seed=2)
    shutil.copy(pack / "pack.sig", other / "pack.sig")
    with pytest.raises(SignatureError, match="signature of something else"):
        verify_pack(other, [public])
    make_key(tmp_path / "stranger.key")
    with pytest.raises(SignatureError, match="not believed here"):
        verify_pack(pack, [tmp_path / "stranger.key.pub"])


def test_nobody_signs_what_is_not_whole(write_pack: WritePack, key: Path) -> None:
    pack = write_pack("leopard")
    (pack / TENSORS_FILE).write_bytes(b"other")
    with pytest.raises(PackError, match="was altered"):
        sign_pack(pack, key)
    assert not (pack / "pack.sig").exists()


def test_differences_name_versions_and_tensors(run: Run, write_pack: WritePack) -> None:
    one, other = write_pack("leopard"), write_pack("leopard", "1.1.0", seed=2)
    rows = {row["what"]: row for row in pack_differences(one, other)}
    assert (rows["version"]["one"], rows["version"]["other"]) == ("1.0.0", "1.1.0")
    assert str(rows["tensor class_weights"]["other"]).startswith("differs by up to")
    assert "classes" not in rows
    assert pack_differences(one, one) == []
    assert "nothing differs" in run("pack", "diff", one, one).out


def test_a_difference_is_named_whole_however_long_its_name(
    run: Run, write_pack: WritePack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    one, other = write_pack("leopard"), write_pack("leopard", "1.1.0", seed=2)
    assert "\u2026" not in run("pack", "diff", one, other).out


def test_removing_a_pack_leaves_the_others_bit_for_bit(
    run: Run, write_pack: WritePack, tmp_path: Path
) -> None:
    write_pack("civet")
    write_pack("leopard")
    before = _hashes(tmp_path / "packs/leopard")
    ended = run("pack", "remove", tmp_path / "packs", "--part", "civet@1.0.0")
    assert ended.code == 0, ended.err
    assert _hashes(tmp_path / "packs") == {f"leopard/{name}": h for name, h in before.items()}


def test_a_pack_that_others_stand_on_is_kept(write_pack: WritePack, tmp_path: Path) -> None:
    first = write_pack("leopard")
    write_pack("leopard", "1.1.0", seed=2, on=_tensors_sha256(first))
    with pytest.raises(ConfigError, match=r"leopard@1\.1\.0 stand on leopard@1\.0\.0"):
        remove_pack(tmp_path / "packs", "leopard@1.0.0")
    with pytest.raises(ConfigError, match="name the version that is to go"):
        remove_pack(tmp_path / "packs", "leopard")
    assert len(read_registry(tmp_path / "packs")) == 2


def test_a_version_is_added_once(run: Run, write_pack: WritePack, tmp_path: Path) -> None:
    pack = write_pack("leopard")
    held = add_pack(tmp_path / "others", pack)
    assert _hashes(held.path) == _hashes(pack)
    ended = run("pack", "add", tmp_path / "others", pack)
    assert (ended.code, "a version is never replaced" in ended.err) == (2, True)
    assert "with a higher --version, or under another --task" in ended.err


def test_the_same_version_twice_is_refused(write_pack: WritePack, tmp_path: Path) -> None:
    pack = write_pack("leopard")
    shutil.copytree(pack, tmp_path / "packs" / "copy")
    with pytest.raises(PackError, match=r"leopard@1\.0\.0 is there twice"):
        read_registry(tmp_path / "packs")


@pytest.fixture
def server(write_pack: WritePack, key: Path, tmp_path: Path) -> Iterator[str]:
    """A web server on loopback with a registry of two packs, one of them signed."""
    sign_pack(write_pack("leopard"), key)
    write_pack("civet", seed=2)
    write_index(tmp_path / "packs")
    handler = partial(_Quiet, directory=str(tmp_path / "packs"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.filterwarnings("ignore")  # of fsspec's HTTP client
def test_a_pack_is_fetched_from_a_web_server(
    run: Run, server: str, key: Path, tmp_path: Path
) -> None:
    assert "leopard@1.0.0" in run("pack", "list", server).out
    ended = run("pack", "fetch", server, "leopard", "--into", tmp_path / "mine")
    assert ended.code == 0, ended.err
    mine = tmp_path / "mine/leopard/1.0.0"
    assert _hashes(mine) == _hashes(tmp_path / "packs/leopard/1.0.0")
    assert verify_pack(mine, [Path(f"{key}.pub")])
    again = run("pack", "fetch", server, "leopard", "--into", tmp_path / "mine")
    assert "a version is never replaced" in again.err


@pytest.mark.filterwarnings("ignore")
def test_a_pack_that_is_not_what_the_index_says_is_not_taken(server: str, tmp_path: Path) -> None:
    (tmp_path / "packs/civet/1.0.0" / TENSORS_FILE).write_bytes(b"other")
    with pytest.raises(PackError, match="was altered"):
        fetch_pack(server, "civet", tmp_path / "mine")
    (tmp_path / "packs/leopard/1.0.0/pack.json").write_text("{}")
    with pytest.raises(PackError, match="is not what the index says"):
        fetch_pack(server, "leopard", tmp_path / "mine")
    assert not [path for path in (tmp_path / "mine").rglob("*") if path.is_file()]


@pytest.mark.parametrize("content", ["", "{}", '{"schema": "edgeclip.index/2", "packs": []}'])
def test_a_damaged_index_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / INDEX_FILE).write_text(content)
    with pytest.raises(PackError, match=INDEX_FILE):
        read_index(tmp_path.as_uri())


def test_an_index_cannot_name_what_lies_outside(write_pack: WritePack, tmp_path: Path) -> None:
    write_pack("leopard")
    index = write_index(tmp_path / "packs")
    content = index.model_dump(mode="json", by_alias=True)
    content["packs"][0]["path"] = "../../secrets"
    (tmp_path / "packs" / INDEX_FILE).write_text(json.dumps(content))
    with pytest.raises(PackError, match="path"):
        read_index((tmp_path / "packs").as_uri())


def test_packs_are_composed_by_their_names(run: Run, pack: Path, tmp_path: Path) -> None:
    add_pack(tmp_path / "packs", pack)
    ended = run("pack", "compose", tmp_path / "packs", "leopard", "--out", tmp_path / "set")
    assert "alone is nothing to compose" in ended.err
    text = (pack / "pack.json").read_text().replace('"task": "leopard"', '"task": "hill"', 1)
    shutil.copytree(pack, tmp_path / "hill")
    (tmp_path / "hill/pack.json").write_text(text)
    add_pack(tmp_path / "packs", tmp_path / "hill")
    done = run("pack", "compose", tmp_path / "packs", "leopard", "hill", "--out", tmp_path / "set")
    assert done.code == 0, done.err
    assert [name for name, _, _ in parts_of(tmp_path / "set")] == ["leopard", "hill"]
    words = ("pack", "compose", tmp_path / "packs", "hill", "leopard", "--out", tmp_path / "set")
    assert "add --overwrite" in run(*words).err
    assert run(*words, "--overwrite").code == 0
    assert [name for name, _, _ in parts_of(tmp_path / "set")] == ["hill", "leopard"]


def test_a_task_is_new_or_goes_on(write_pack: WritePack, tmp_path: Path) -> None:
    registry = tmp_path / "packs"
    new = allocate(registry, "leopard")
    assert (new.version, new.on, new.out) == ("1.0.0", None, registry / "leopard/1.0.0")
    first = write_pack("leopard")
    known = allocate(registry, "leopard")
    assert (known.version, known.on) == ("1.1.0", first)
    other = allocate(registry, "civet")
    assert (other.version, other.on) == ("1.0.0", None)
    assert "new here, beside leopard" in other.said
    afresh = allocate(registry, "leopard", version="2.0.0")
    assert (afresh.on, afresh.said) == (None, "leopard is known; as asked")
    with pytest.raises(ConfigError, match=r"--version 1\.0\.0 is not above leopard@1\.0\.0"):
        allocate(registry, "leopard", version="1.0.0")


@pytest.mark.parametrize("task", ["Bad Name", "../outside", "", "a" * 33])
def test_a_task_that_is_no_name_is_refused_before_anything_is_said(
    run: Run, tmp_path: Path, task: str
) -> None:
    ended = run(
        "train", "--data", "none", "--backbone", "demo", "--packs", tmp_path / "p", "--task", task
    )
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "is no name: write up to 32 letters" in ended.err
    assert not (tmp_path / "p").exists()


@pytest.mark.filterwarnings("ignore")  # of fsspec's HTTP client
def test_an_address_where_nobody_answers_is_told(run: Run, tmp_path: Path) -> None:
    ended = run("pack", "fetch", "http://127.0.0.1:9", "leopard", "--into", tmp_path / "p")
    assert (ended.code, "is not there, or nobody answers" in ended.err) == (5, True)
