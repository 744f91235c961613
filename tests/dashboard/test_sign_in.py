"""Signing in and out of a running dashboard, and the accounts of its command line."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.brokers import free_port
from support.dashboards import PROJECT, Dashboard, eventually, running_dashboard
from support.sign_ins import ADMIN_PASSWORD, Visit

PASSWORD = "every waterhole at dusk"


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    broker = f"mqtt://127.0.0.1:{free_port()}"
    with running_dashboard(tmp_path_factory.mktemp("dashboard"), broker) as running:
        assert running.cookie  # the first admin has chosen a password then
        yield running


def _database(dashboard: Dashboard) -> Path:
    return dashboard.folder / "detections.sqlite"


def _command(dashboard: Dashboard, *words: str) -> subprocess.CompletedProcess[str]:
    where = ("--database", str(_database(dashboard)), "--project", PROJECT)
    command = [sys.executable, "-m", "edgeclip_dashboard.cli", *words, *where]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _one_time_password(dashboard: Dashboard, name: str, role: str = "viewer") -> str:
    done = _command(dashboard, "account", "add", name, "--role", role)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("one-time password ")[1].split()[0]


def _visit(dashboard: Dashboard, name: str, role: str = "viewer") -> Visit:
    """Return somebody who has signed in and chosen a password."""
    visit, once = Visit(dashboard.url), _one_time_password(dashboard, name, role)
    assert visit.sign_in(name, once).status == 303
    assert visit.change_password(once, PASSWORD).status == 303
    return visit


def test_the_first_password_is_printed_once_and_nowhere_logged(dashboard: Dashboard) -> None:
    assert dashboard.one_time_password
    assert dashboard.one_time_password not in "".join(dashboard.errors)
    with closing(sqlite3.connect(_database(dashboard))) as connection:
        dump = "\n".join(connection.iterdump())
    assert dashboard.one_time_password not in dump


def test_a_one_time_password_opens_nothing_but_its_change(dashboard: Dashboard) -> None:
    visit, once = Visit(dashboard.url), _one_time_password(dashboard, "nina")
    assert visit.sign_in("Nina", once, "/?x=1").location == "/?x=1"
    assert visit.get("/").location == "/password"
    refused = visit.get("/api/devices")
    assert (refused.status, "Change the one-time password" in refused.body) == (403, True)
    first = dict(visit.cookies)
    assert "at least 12 characters" in visit.change_password(once, "short").body
    assert "is the old one" in visit.change_password(once, once).body
    assert "password is wrong" in visit.change_password("not it at all", PASSWORD).body
    assert visit.change_password(once, PASSWORD).location == "/"
    assert visit.get("/api/devices").status == 200
    assert Visit(dashboard.url, first).get("/api/devices").status == 401
    assert Visit(dashboard.url).sign_in("nina", once).status == 403


def test_a_sign_in_gives_a_new_token_whatever_the_browser_sent(dashboard: Dashboard) -> None:
    _visit(dashboard, "omar")
    planted = "planted-by-somebody-else"
    visit = Visit(dashboard.url, {"edgeclip_demo": planted})
    visit.sign_in("omar", PASSWORD)
    assert visit.cookies["edgeclip_demo"] != planted
    before = dict(visit.cookies)
    visit.sign_in("omar", PASSWORD)
    assert visit.cookies["edgeclip_demo"] != before["edgeclip_demo"]
    assert Visit(dashboard.url, before).get("/api/devices").status == 401


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(dashboard: Dashboard) -> None:
    visit = Visit(dashboard.url)
    csrf = visit.csrf("/sign-in")
    fields = {"name": "admin", "password": "", "csrf": csrf}
    plain = visit.post("/sign-in", fields | {"password": ADMIN_PASSWORD})
    proxied = visit.post(
        "/sign-in",
        fields | {"password": ADMIN_PASSWORD},
        **{"X-Forwarded-Proto": "https"},
    )
    [sent] = [line for line in plain.headers.get_all("set-cookie") or () if "_form" not in line]
    assert sent.startswith("edgeclip_demo=")
    assert "; HttpOnly; Path=/; SameSite=lax" in sent
    [sent] = [line for line in proxied.headers.get_all("set-cookie") or () if "_form" not in line]
    assert sent.startswith("__Host-edgeclip_demo=")
    assert sent.endswith("; HttpOnly; Path=/; SameSite=lax; Secure")


@pytest.mark.parametrize(
    "wanted",
    ["//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example", "javascript:1",
     "/\t/elsewhere.example", "\\\\elsewhere.example", "elsewhere", "/ä"],
)  # fmt: skip
def test_a_sign_in_leads_to_no_other_server(dashboard: Dashboard, wanted: str) -> None:
    assert Visit(dashboard.url).sign_in("admin", ADMIN_PASSWORD, wanted).location == "/"


def test_the_sign_in_page_is_whole_and_runs_no_script(dashboard: Dashboard) -> None:
    answer = Visit(dashboard.url).get("/sign-in?next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert answer.status == 200
    assert "<script" not in answer.body
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


def test_a_name_that_was_refused_is_shown_again_as_text(dashboard: Dashboard) -> None:
    answer = Visit(dashboard.url).sign_in('"><script>alert(1)</script>', "x")
    assert "<script" not in answer.body
    assert 'value="&quot;&gt;&lt;script&gt;alert(1)' in answer.body


def test_guessing_is_slowed_and_says_how_long(dashboard: Dashboard) -> None:
    _one_time_password(dashboard, "petra")
    visit = Visit(dashboard.url)
    answers = [visit.sign_in("petra", f"guess number {number}") for number in range(6)]
    assert [answer.status for answer in answers[:3]] == [403, 403, 403]
    told = next(answer for answer in answers[3:] if answer.status == 429)
    assert int(told.headers["retry-after"]) >= 1
    assert "Too many wrong tries: wait" in told.body


def test_one_address_is_slowed_whatever_the_names(dashboard: Dashboard) -> None:
    visit = Visit(dashboard.url)
    statuses = [visit.sign_in(f"name{number}", "x").status for number in range(12)]
    assert statuses[:10] == [403] * 10
    assert statuses[11] == 429
    assert Visit(dashboard.url).sign_in("name0", "x").status == 403


def test_a_burst_of_guesses_is_counted_before_any_is_looked_at(dashboard: Dashboard) -> None:
    from concurrent.futures import ThreadPoolExecutor

    _one_time_password(dashboard, "quentin")

    def guess(number: int) -> int:
        return Visit(dashboard.url).sign_in("quentin", f"guess number {number}").status

    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(guess, range(12)))
    assert statuses.count(403) <= 6
    assert 429 in statuses
    assert 303 not in statuses


def test_an_unknown_and_a_disabled_name_are_told_the_same(dashboard: Dashboard) -> None:
    once = _one_time_password(dashboard, "rosa")
    assert _command(dashboard, "account", "disable", "rosa").returncode == 0
    disabled = Visit(dashboard.url).sign_in("rosa", once)
    unknown = Visit(dashboard.url).sign_in("nobody", once)
    assert disabled.status == unknown.status == 403
    told = "Name or password is wrong, or the account is disabled."
    assert told in disabled.body
    assert told in unknown.body


def test_signing_out_ends_this_session_or_all(dashboard: Dashboard) -> None:
    _visit(dashboard, "sara")
    visits = [Visit(dashboard.url) for _ in range(3)]
    for visit in visits:
        visit.sign_in("sara", PASSWORD)
    stale = dict(visits[0].cookies)
    assert visits[0].post("/sign-out", {"csrf": visits[0].csrf("/account")}).location == "/sign-in"
    assert "edgeclip_demo" not in visits[0].cookies
    assert Visit(dashboard.url, stale).get("/api/devices").status == 401
    assert visits[1].get("/api/devices").status == 200
    visits[1].post("/sign-out", {"csrf": visits[1].csrf("/account"), "everywhere": "yes"})
    assert visits[2].get("/api/devices").status == 401


def test_an_account_that_is_disabled_or_changed_is_out_at_once(dashboard: Dashboard) -> None:
    visit = _visit(dashboard, "tom")
    assert visit.get("/api/devices").status == 200
    assert _command(dashboard, "account", "role", "tom", "reviewer").returncode == 0
    assert visit.get("/api/devices").status == 401
    assert visit.sign_in("tom", PASSWORD).status == 303
    assert "tom. Role: reviewer" in visit.get("/account").body
    assert _command(dashboard, "account", "disable", "tom").returncode == 0
    assert visit.get("/api/devices").status == 401


def test_a_page_for_admins_is_refused_to_others(dashboard: Dashboard) -> None:
    visit = _visit(dashboard, "uma", "reviewer")
    for path in ("/accounts", "/deeds", "/deeds/all", "/accounts/"):
        answer = visit.get(path)
        assert (answer.status, "is for admins" in answer.body) == (403, True), path


def test_a_form_that_is_too_large_or_broken_is_refused(dashboard: Dashboard) -> None:
    visit = Visit(dashboard.url)
    csrf = visit.csrf("/sign-in")
    assert "too much" in visit.post("/sign-in", {"csrf": csrf, "name": "x" * 20_000}).body
    for body in ("%ff%fe", "a&" * 100, "csrf", "\xff", f"csrf={csrf}&name=%00"):
        headers = {"Origin": dashboard.url, "Content-Type": "application/x-www-form-urlencoded"}
        assert visit.ask("POST", "/sign-in", body, headers).status == 400


def test_a_token_reads_the_api_and_opens_no_page(dashboard: Dashboard) -> None:
    token = _command(dashboard, "token", "add", "reports").stdout.strip()
    shown = {"Authorization": f"Bearer {token}"}
    visit = Visit(dashboard.url)
    assert visit.ask("GET", "/api/devices", headers=shown).status == 200
    assert "counts" in visit.ask("GET", "/healthz", headers=shown).body
    assert visit.ask("GET", "/", headers=shown).status == 303
    assert visit.ask("GET", "/accounts", headers=shown).status == 303
    assert _command(dashboard, "token", "revoke", "reports").returncode == 0
    assert visit.ask("GET", "/api/devices", headers=shown).status == 401
    assert visit.ask("GET", "/api/devices", headers={"Authorization": "Bearer"}).status == 401


def test_a_stranger_learns_no_more_from_the_health_check_than_how_it_is(
    dashboard: Dashboard,
) -> None:
    told = json.loads(Visit(dashboard.url).get("/healthz").body)
    assert told == {"status": "degraded", "link": {"name": told["link"]["name"]}}
    assert "counts" in dashboard.health()["store"]


def test_the_command_line_lists_accounts_and_refuses_what_it_must(dashboard: Dashboard) -> None:
    listed = json.loads(_command(dashboard, "account", "list", "--json").stdout)
    assert "admin" in {row["name"]: row["role"] for row in listed}.values()
    titles, *rows = _command(dashboard, "account", "list").stdout.splitlines()
    assert titles.split() == ["name", "role", "state", "created"]
    assert len(rows) == len(listed)
    assert _command(dashboard, "token", "list").stdout == "none yet\n"
    refused = _command(dashboard, "account", "disable", "admin")
    assert refused.returncode == 4
    assert "the last admin" in refused.stderr
    assert _command(dashboard, "account", "add", "x y").returncode == 2
    assert _command(dashboard, "account", "add", "admin").returncode == 2
    assert _command(dashboard, "token", "add", "all", "--role", "admin").returncode == 2


def test_a_reset_gives_a_new_one_time_password(dashboard: Dashboard) -> None:
    visit = _visit(dashboard, "vera")
    done = _command(dashboard, "account", "reset", "vera")
    once = done.stdout.split("one-time password ")[1].split()[0]
    assert visit.get("/api/devices").status == 401
    assert visit.sign_in("vera", PASSWORD).status == 403
    visit.sign_in("vera", once)
    assert visit.get("/").location == "/password"


def test_a_later_start_prints_no_password(tmp_path: Path) -> None:
    broker = f"mqtt://127.0.0.1:{free_port()}"
    with running_dashboard(tmp_path, broker) as first:
        assert first.one_time_password
        assert first.stop() == 0
    with running_dashboard(tmp_path, broker) as second:
        assert second.one_time_password == ""
        eventually(lambda: Visit(second.url).get("/sign-in").status == 200, what="it serves")


def test_what_an_unknown_proxy_says_is_not_believed(tmp_path: Path) -> None:
    config = tmp_path / "dashboard.toml"
    config.write_text('[page]\ntrusted_proxies = ["192.0.2.1"]\n')
    broker = f"mqtt://127.0.0.1:{free_port()}"
    with running_dashboard(tmp_path, broker, "--config", str(config)) as dashboard:
        statuses = [
            Visit(dashboard.url).sign_in(f"name{number}", "x").status for number in range(12)
        ]
        proxied = Visit(dashboard.url).ask(
            "GET", "/sign-in", headers={"X-Forwarded-Proto": "https"}
        )
    assert statuses[-1] == 429  # all come from one address, whatever they say
    assert "Secure" not in (proxied.headers["set-cookie"] or "Secure")


def test_accounts_need_a_database_that_is_there(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgeclip_dashboard.cli", "account", "list"]
    missing = str(tmp_path / "absent.sqlite")
    done = subprocess.run(
        [*command, "--database", missing], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 4
    assert "absent.sqlite is no database yet: start `edgeclip-dashboard serve` once" in done.stderr
    assert not (tmp_path / "absent.sqlite").exists()
