"""`docs/tutorial-leopard.md`, typed from its first command to its last, from an empty folder."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pytest

from support.brokers import free_port
from support.browsers import chromium
from support.dashboards import eventually
from support.sign_ins import ADMIN_PASSWORD, Visit
from support.terminals import Terminal, terminals
from support.tutorial_days import Day, reader
from support.tutorial_steps import missing_line, steps_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/tutorial-leopard.md"
STEPS = steps_of(PAGE)
NEEDED = (
    "edgeclip data check", "edgeclip train", "edgeclip evaluate", "edgeclip predict",
    "edgeclip-export bundle", "edgeclip-export verify", "edgeclip-device check-config",
    "edgeclip-device verify", "edgeclip-device doctor", "edgeclip-device detect",
    "edgeclip-device uplink", "edgeclip-device health", "edgeclip-dashboard serve",
    "edgeclip-dashboard export-labels", "edgeclip data join", "mosquitto",
)  # fmt: skip
Test = TypeVar("Test", bound=Callable[..., None])
AFTER_THE_CLIP = "11. Was it told, and is all well?"
AFTER_THE_VERDICT = "13. The next version"


def needs_all(test: Test) -> Test:
    """Mark a test that types the whole page."""
    marked: Test = pytest.mark.broker(pytest.mark.browser(pytest.mark.slow(test)))
    return marked


@dataclass
class Person:
    """Who sits at the browser.

    Attributes:
        url: The dashboard's.
        terminal: Where it was started, and says the one-time password.
        screens: Takes screenshots.
        arrived: What the page held before anything was judged.
        judged: The same after.
    """

    url: str
    terminal: Terminal
    screens: Path
    arrived: list[dict[str, Any]] = field(default_factory=list)
    judged: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def visit(self) -> Visit:
        """Signed in with the password that the terminal shows, and a new one chosen."""
        [given] = re.findall(r"one-time password (\S+)", self.terminal.shown)
        visit = Visit(self.url)
        assert visit.sign_in("admin", given).status == 303
        visit.change_password(given, ADMIN_PASSWORD)
        return visit

    def see_what_arrives(self) -> None:
        """Wait for the detection and its end."""
        self.arrived = eventually(self._ended, what="the leopard arrives", patience_s=120)

    def judge(self) -> None:
        """Press `r` on the review page."""
        with chromium(self.screens) as browser:
            browser.sign_in(self.url, self.visit.session_cookie)
            browser.open(f"{self.url}/review")
            eventually(lambda: browser.value("window.socket?.connected"), what="connected")
            eventually(lambda: browser.text(".species") == "leopard", what="it is at hand")
            browser.press("r")
            eventually(lambda: self._detections()[0]["verdict"], what="the verdict is stored")
        self.judged = self._detections()

    def _ended(self) -> list[dict[str, Any]]:
        found = self._detections()
        return found if found and all(row["phase"] == "end" for row in found) else []

    def _detections(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.visit.get("/api/detections").body)
        return rows


@dataclass(frozen=True)
class Lived:
    """A day that is over."""

    day: Day
    person: Person


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """The whole page, typed; a command that fails ends it."""
    base = tmp_path_factory.mktemp("tutorial")
    folder = base / "empty"
    folder.mkdir()
    ports = {"1884": free_port(), "8080": free_port()}
    with terminals(folder, reader(base, ROOT)) as terminal:
        person = Person(f"http://127.0.0.1:{ports['8080']}", terminal("third"), base / "screens")
        visits = {
            AFTER_THE_CLIP: person.see_what_arrives,
            AFTER_THE_VERDICT: person.judge,
        }
        day = Day(folder, terminal, ports, visits)
        for step in STEPS:
            day.type(step)
        yield Lived(day, person)


@needs_all
def test_every_command_of_the_page_is_typed_and_shows_what_the_page_says(lived: Lived) -> None:
    assert lived.day.typed == STEPS
    assert lived.day.unseen == []
    assert lived.day.visits == {}, "the page lacks a section in which a reader does something"


@needs_all
def test_the_leopard_is_on_the_open_page_as_an_alert_of_the_pack(lived: Lived) -> None:
    [row] = lived.person.arrived
    assert (row["class_name"], row["severity"]) == ("leopard", "alert")
    assert row["device_id"] == "ridge-north"
    assert row["media"]


@needs_all
def test_the_verdict_is_a_label_of_the_next_training(lived: Lived) -> None:
    assert [row["verdict"] for row in lived.person.judged] == ["right"]
    with (lived.day.folder / "corrected.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert row["label"] == "leopard"
    taught = (lived.day.folder / "pack-2/report/split.csv").read_text()
    assert Path(row["filepath"]).name in taught


@needs_all
def test_every_file_that_the_page_names_is_there(lived: Lived) -> None:
    made = re.findall(r"`((?:season|card|look|pack|report|bundle)/[\w./-]+)`", PAGE.read_text())
    assert made
    assert [name for name in made if not (lived.day.folder / name).exists()] == []


@needs_all
def test_the_report_has_the_headings_that_the_page_explains(lived: Lived) -> None:
    section = PAGE.read_text().split("## 5. Read the report")[1].split("\n## ")[0]
    named = re.findall(r"^\d\. \*\*(.+?)\*\*", section, re.MULTILINE)
    report = (lived.day.folder / "pack/report/index.html").read_text()
    assert len(named) == 5
    assert [heading for heading in named if f">{heading}</h" not in report] == []


def test_the_page_has_every_command_of_a_first_day_and_no_block_that_nobody_types() -> None:
    typed = "\n".join(step.commands for step in STEPS)
    assert [command for command in NEEDED if f"{command} " not in typed] == []
    assert {AFTER_THE_CLIP, AFTER_THE_VERDICT} <= {step.heading for step in STEPS}


def test_a_block_that_nobody_would_type_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n```toml\na = 1\n```\n")
    with pytest.raises(ValueError, match=r"page.md:3: a block of toml is typed by nobody"):
        steps_of(page)


def test_a_block_goes_to_the_terminal_that_the_sentence_before_names(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    blocks = (
        "# A\nHere:\n", "sh one", "## B\nIn a second terminal:\n\n", "sh two", "text seen",
        "\nPress Ctrl-C in the second terminal, and there\n\n", "sh three", "## C\n", "sh four",
    )  # fmt: skip
    page.write_text("".join(_fenced(text) for text in blocks))
    found = [(s.commands, s.heading, s.terminal, s.is_interrupting) for s in steps_of(page)]
    assert found == [
        ("one", "A", "first", False),
        ("two", "B", "second", False),
        ("three", "B", "second", True),
        ("four", "C", "first", False),
    ]
    assert steps_of(page)[1].seen == ["seen"]


def _fenced(text: str) -> str:
    kind, _, content = text.partition(" ")
    return f"```{kind}\n{content}\n```\n" if kind in ("sh", "text") else text


@pytest.mark.parametrize(
    ("seen", "missing"),
    [
        (["one  two", "...", "five"], ""),
        (["one ...", "t... four"], ""),
        (["five", "one two"], "one two"),
        (["one"], "one"),
    ],
)
def test_what_should_be_seen_is_looked_for_in_order(seen: list[str], missing: str) -> None:
    assert missing_line(seen, " one two\nthree  four\nfive\n") == missing


def test_a_command_that_fails_or_is_not_there_ends_the_day(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n```sh\ntrue\nedgeclip-none --help\ntrue\n```\n")
    folder = tmp_path / "empty"
    folder.mkdir()
    with terminals(folder, {"PATH": "/usr/bin:/bin"}) as terminal:
        day = Day(folder, terminal, {}, {})
        with pytest.raises(AssertionError, match=r"line 3 ended with 127"):
            day.type(steps_of(page)[0])


def test_a_closed_terminal_leaves_no_program_behind(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    with terminals(folder, {"PATH": "/usr/bin:/bin"}) as terminal:
        terminal("second").type("sleep 600 & echo $! > pid; wait")
        eventually((folder / "pid").exists, what="it runs")
        eventually((folder / "pid").read_text, what="it says its number")
        number = int((folder / "pid").read_text())
    assert not Path(f"/proc/{number}").exists()
