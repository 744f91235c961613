"""How what is sent in the format edgeclip is signed, and how it is checked."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

SIGNATURE_HEADER: Final = "Edgeclip-Signature"
DELIVERY_HEADER: Final = "Edgeclip-Delivery"


def signature(secret: str, body: bytes, at_s: int) -> str:
    """Return the header's value: `t=SECONDS,v1=HEX`, HMAC-SHA256 over `SECONDS.BODY`.

    Args:
        secret: The webhook's own.
        body: Exactly what is sent.
        at_s: Seconds since 1970, so that a receiver can refuse what is old.
    """
    signed = b"%d." % at_s + body
    return f"t={at_s},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
