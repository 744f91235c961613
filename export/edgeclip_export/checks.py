"""One line a check: what was compared, how far apart it was, how far it may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from edgeclip.errors import GateError


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was compared.
        passed: None where it could not be checked here; `note` says why.
        value: The measured number, if there is one.
        limit: The largest `value` that passes.
        note: The rest that a reader needs.
    """

    name: str
    passed: bool | None
    value: float | None = None
    limit: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.passed is not None:  # NumPy's own truth values are never `is False`
            object.__setattr__(self, "passed", bool(self.passed))

    @staticmethod
    def at_most(name: str, value: float, limit: float, note: str = "") -> Check:
        """Return a check that passes where `value <= limit`; NaN does not pass."""
        return Check(name, value <= limit, value, limit, note)

    def about(self, subject: str) -> Check:
        """Return the same check with its subject before the name."""
        return replace(self, name=f"{subject}: {self.name}")

    def line(self) -> str:
        """Return the check as a line with tick, cross or dash."""
        mark = {True: "✓", False: "✗", None: "-"}[self.passed]
        number = "" if self.value is None else f"  {self.value:.2e}"
        limit = "" if self.limit is None else f" (at most {self.limit:g})"
        note = f"  {self.note}" if self.note else ""
        return f"{mark} {self.name}{number}{limit}{note}"

    def to_dict(self) -> dict[str, object]:
        """Return the fields, for JSON."""
        return asdict(self)


class Checklist:
    """Collects checks and hands each on as it comes.

    Args:
        on_check: Called with each check, for example to print it.
    """

    def __init__(self, on_check: Callable[[Check], None]) -> None:
        self.checks: list[Check] = []
        self._on_check = on_check

    def add(self, *checks: Check) -> None:
        """Add checks in their order."""
        for check in checks:
            self.checks.append(check)
            self._on_check(check)

    def require(self, error: type[GateError], remedy: str) -> None:
        """Raise where a check failed.

        Args:
            error: Which error.
            remedy: What to do, for the end of the message.

        Raises:
            GateError: A check failed; the message names the first and how many there are.
        """
        failed = [check for check in self.checks if check.passed is False]
        if failed:
            more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            raise error(f"{failed[0].line().removeprefix('✗ ')}{more}: {remedy}")
