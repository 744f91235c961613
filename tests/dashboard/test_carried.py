"""Deliveries of a bundle with two tasks: named, kept, wished and taught on by what they carry."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from edgeclip.contract.signing import make_key
from edgeclip_dashboard.field.carried import packs_to_build_on
from edgeclip_dashboard.field.deliveries import look_into
from edgeclip_dashboard.field.desired import Matter, read_desired
from edgeclip_dashboard.field.reports import read_reports
from edgeclip_dashboard.ledger import Ledger
from edgeclip_dashboard.messages import InfoMessage
from edgeclip_dashboard.pages.pack_labels import Choice, labels
from edgeclip_device.rollout.delivery import wrap
from edgeclip_export.sign import sign_bundle
from support.reports_of_a_device import DEVICE, info
from support.shelves import Shelved, shelve
from support.tiny_bundle import TinyPack, write_tiny_bundle

if TYPE_CHECKING:
    from dashboard.conftest import Desk

A, B = "leopard-a@1.0.0", "leopard-b@1.0.0"


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Deliveries of either task of one bundle, and of the whole of it."""
    folder = tmp_path_factory.mktemp("work")
    packs = [TinyPack(task=task) for task in ("leopard-a", "leopard-b")]
    bundle = write_tiny_bundle(folder / "bundle", packs)
    make_key(folder / "key")
    sign_bundle(bundle, folder / "key")
    for task in ("leopard-a", "leopard-b"):
        wrap(bundle, folder / f"{task}.zip", task=task)
    wrap(bundle, folder / "whole.zip", whole=True)
    return {name: folder / f"{name}.zip" for name in ("leopard-a", "leopard-b", "whole")}


@pytest.fixture
def shelved(desk: Desk, tmp_path: Path, delivered: dict[str, Path]) -> Shelved:
    return shelve(desk, tmp_path, delivered)


def _wish(shelved: Shelved) -> Matter:
    engine = shelved.desk.engine
    with Session(engine) as session:
        reports = read_reports(session, Ledger.from_database(engine))
        now = datetime.now(timezone.utc)
        return read_desired(session, reports, shelved.shelf.packs_of, now)[0].pack


def test_a_delivery_is_named_by_the_packs_whose_files_it_has(
    shelved: Shelved, delivered: dict[str, Path]
) -> None:
    wanted = {"leopard-a": (A,), "leopard-b": (B,), "whole": (A, B)}
    for name, packs in wanted.items():
        assert look_into(delivered[name]).packs == packs
        assert shelved.shelf.packs_of(shelved.packs[name].sha256) == packs
        assert tuple(f"{r.task}@{r.version}" for r in packs_to_build_on(delivered[name])) == packs
    assert {kept.name for kept in shelved.shelf.kept()} == {A, B, f"{A}, {B}"}


def test_a_delivery_stays_for_devices_that_run_what_it_carries_alone(shelved: Shelved) -> None:
    shelved.desk.commit(InfoMessage(info(pack=A)))
    reasons = {one.kept.name: one.reason for one in shelved.found_all()}
    assert reasons == {A: f"runs on {DEVICE}", B: "", f"{A}, {B}": f"runs on {DEVICE}"}
    shelved.remove("leopard-b")
    assert not shelved.is_here("leopard-b")


@pytest.mark.parametrize(
    ("sent", "runs"),
    [
        pytest.param("leopard-a", A, id="one task, no router"),
        pytest.param("leopard-a", f"{A} + {B}", id="one task, and a router"),
        pytest.param("whole", A, id="both tasks, no router"),
        pytest.param("whole", f"{A} + {B}", id="both tasks, and a router"),
        pytest.param("leopard-a", B, id="a device that runs the other task"),
    ],
)
def test_a_device_is_as_desired_when_it_runs_what_the_delivery_is_there(
    shelved: Shelved, sent: str, runs: str
) -> None:
    shelved.send(sent, "done", packs=runs, stage="shadow")
    shelved.desk.commit(InfoMessage(info(pack="leopard-a@0.9.0")))
    assert _wish(shelved).standing == "differs"
    shelved.desk.commit(InfoMessage(info(pack=runs)))
    assert _wish(shelved).standing == "as desired"


def test_a_promoted_pack_is_said_to_run_in_shadow_no_more(shelved: Shelved) -> None:
    shelved.send("leopard-a", "done", packs=A, stage="shadow")
    shelved.desk.commit(InfoMessage(info(pack="leopard-a@0.9.0")))
    assert _wish(shelved).why.startswith("taken, and runs beside")
    shelved.ask("pack_promote", "done")
    assert _wish(shelved).why == "promoted by ana, yet it reports another pack since"


def test_a_promotion_before_a_pack_was_sent_is_none_of_it(shelved: Shelved) -> None:
    shelved.ask("pack_promote", "done")
    shelved.send("leopard-a", "done", packs=A, stage="shadow")
    shelved.desk.commit(InfoMessage(info(pack="leopard-a@0.9.0")))
    assert _wish(shelved).why.startswith("taken, and runs beside")


def test_packs_of_one_name_are_told_apart_by_when_they_came_and_their_hash() -> None:
    came = datetime(2026, 5, 1, 7, tzinfo=timezone.utc)
    choices = [Choice(f"key {n}", name, str(n) * 64, came) for n, name in enumerate((A, B, A))]
    assert labels(choices, None) == {
        "key 0": f"{A}, here since 2026-05-01 07:00:00 UTC, 000000000000",
        "key 1": B,
        "key 2": f"{A}, here since 2026-05-01 07:00:00 UTC, 222222222222",
    }
