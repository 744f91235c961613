"""Send a delivery to a device: the signed command, then chunks as the device asks for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from edgeclip.contract.commands import Reply, sealed
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.signing import read_private_key
from edgeclip.errors import ConfigError
from edgeclip_device.mqtt import Link
from edgeclip_device.sender import Sender, follow

_CHUNK_BYTES = 32_000
_ASK_AGAIN_S = 10.0  # a device that says nothing may have lost a chunk, or the link


def send_delivery(
    sender: Sender,
    delivery: Path,
    url: str | None,
    limits: tuple[float, int | None],
    say: Callable[[str], object],
) -> Reply | None:
    """Send it, and return the final reply; None where there was none in time.

    Args:
        sender: Who sends, to which device.
        delivery: The file.
        url: Where the device finds it; None sends it in chunks.
        limits: How long to wait, s, and a counter in place of the next one.
        say: Told how far it is.

    Raises:
        ConfigError: The file or the key cannot be read.
        PublishError: The broker cannot be reached or refuses.
    """
    wait_s, counter = limits
    try:
        args: dict[str, object] = {
            "sha256": sha256_file(delivery),
            "size_bytes": delivery.stat().st_size,
        }
    except OSError as error:
        raise ConfigError(
            f"{delivery} cannot be read ({error}): name one of `pack wrap`"
        ) from error
    if url is not None:
        args["url"] = url
    command = sender.command("pack_add", args, max(wait_s, 3600.0), counter)
    envelope = sealed(command, read_private_key(sender.key)).to_json()
    deadline = time.monotonic() + wait_s
    with sender.connected(sender.topics.reply(command.command_id)) as (link, events):
        while (left := deadline - time.monotonic()) > 0:
            mid = link.publish(sender.topics.command("pack_add"), envelope)
            for reply in follow(events, mid, min(left, _ASK_AGAIN_S)):
                if reply.is_final:
                    return reply
                received = int(reply.data.get("received", 0))
                if reply.state == "receiving" and url is None:
                    say(f"{received} of {args['size_bytes']} bytes")
                    _send_chunk(link, sender, (delivery, str(args["sha256"])), received)
    return None


def _send_chunk(link: Link, sender: Sender, what: tuple[Path, str], offset: int) -> None:
    path, sha256 = what
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(_CHUNK_BYTES)
    if data:
        link.publish(sender.topics.chunk(sha256, str(offset)), data)
