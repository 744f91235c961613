"""A browser's way in, without a browser: forms, cookies, and where an answer leads."""

from __future__ import annotations

import http.client
import itertools
import re
from dataclasses import dataclass, field
from urllib.parse import urlencode

ADMIN_PASSWORD = "leopards walk at night"
"""Of the first admin, once the one-time password has been used."""

_ADDRESSES = (f"198.51.{number // 256 % 256}.{number % 256}" for number in itertools.count())


@dataclass
class Answer:
    """What a server answered."""

    status: int
    body: str
    location: str
    headers: http.client.HTTPMessage


@dataclass
class Visit:
    """A person at a browser: keeps cookies, follows no redirect by itself.

    Args:
        url: The dashboard's address.
        cookies: By name.
        address: Where the person is, as a proxy on this machine tells it.
    """

    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    address: str = field(default_factory=lambda: next(_ADDRESSES))

    def get(self, path: str) -> Answer:
        """Ask for a page."""
        return self.ask("GET", path)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        """Send a form as a page of the dashboard would."""
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.url}
        return self.ask("POST", path, urlencode(fields), sent | headers)

    def ask(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request as it stands, with the cookies so far; empty headers are left out."""
        shown = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"Cookie": shown, "X-Forwarded-For": self.address} | (headers or {})
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=20)
        try:
            sent = {name: value for name, value in sent.items() if value}
            connection.request(method, path, body or None, sent)
            answer = connection.getresponse()
            self._keep(answer.headers)
            text = answer.read().decode(errors="replace")
            return Answer(answer.status, text, answer.headers["location"] or "", answer.headers)
        finally:
            connection.close()

    def csrf(self, path: str) -> str:
        """Open a page and return what its forms send back."""
        tokens: list[str] = re.findall(
            r'name="csrf" type="hidden" value="([^"]+)"', self.get(path).body
        )
        return tokens[0]

    def sign_in(self, name: str, password: str, wanted: str = "/") -> Answer:
        """Fill in the sign-in page and send it."""
        csrf = self.csrf("/sign-in")
        fields = {"name": name, "password": password, "next": wanted, "csrf": csrf}
        return self.post("/sign-in", fields)

    def change_password(self, present: str, new: str) -> Answer:
        """Fill in the page that changes the password and send it."""
        csrf = self.csrf("/password")
        return self.post("/password", {"present": present, "new": new, "again": new, "csrf": csrf})

    @property
    def session_cookie(self) -> str:
        """The session as `name=value`; the cookie of the sign-in form is none."""
        [found] = [name for name in self.cookies if not name.endswith("_form")]
        return f"{found}={self.cookies[found]}"

    def _keep(self, headers: http.client.HTTPMessage) -> None:
        for line in headers.get_all("set-cookie") or ():
            name, _, value = line.split(";")[0].partition("=")
            if value.strip('"'):
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)


def sign_in_as_admin(url: str, one_time_password: str) -> str:
    """Return the session of the first admin, as `name=value`.

    Args:
        url: The dashboard's address.
        one_time_password: As printed by the first start; empty at later ones.
    """
    visit = Visit(url)
    answer = visit.sign_in("admin", one_time_password or ADMIN_PASSWORD)
    if answer.status != 303:
        raise AssertionError(f"the sign-in was refused: {answer.body}")
    if one_time_password:
        visit.change_password(one_time_password, ADMIN_PASSWORD)
    return visit.session_cookie
