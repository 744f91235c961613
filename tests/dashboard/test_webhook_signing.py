from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from edgeclip_dashboard.webhooks.signing import signature

PAGE = Path(__file__).parents[2] / "docs/dashboard-notices.md"
BODY = b'{"schema":"edgeclip.webhook/1"}'


def _documented() -> Any:
    """Return the check that the documentation gives to receivers."""
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    return names["is_ours"]


def test_the_documented_check_takes_what_we_sign_and_nothing_else() -> None:
    is_ours, now = _documented(), int(time.time())
    header = signature("whsec-0123456789", BODY, now)
    assert is_ours("whsec-0123456789", header, BODY)
    assert not is_ours("whsec-0123456780", header, BODY)
    assert not is_ours("whsec-0123456789", header, BODY + b" ")
    assert not is_ours("whsec-0123456789", header.replace(str(now), str(now - 1)), BODY)
    assert not is_ours("whsec-0123456789", signature("whsec-0123456789", BODY, now - 400), BODY)
