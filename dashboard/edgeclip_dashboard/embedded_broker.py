"""A broker in this process for the demo and for desks: amqtt, which speaks MQTT 3.1.1 only.

It keeps nothing over a restart. In the field use mosquitto or another broker with MQTT 5.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable

from edgeclip.errors import SetupError

_ANONYMOUS = "amqtt.plugins.authentication.AnonymousAuthPlugin"


def run_broker(host: str, port: int, *, ready: Callable[[str], None]) -> None:
    """Serve MQTT 3.1.1 without authentication until SIGTERM or SIGINT.

    Args:
        host: The address to listen on.
        port: TCP port; 0 takes a free one.
        ready: Told the broker's URL once it listens.

    Raises:
        SetupError: amqtt is not installed, or the port cannot be listened on.
    """
    try:
        import amqtt.broker  # noqa: F401 - checked before the loop starts
    except ModuleNotFoundError as error:
        raise SetupError(
            "the embedded broker needs amqtt: pip install 'edgeclip[demo]', or run mosquitto"
        ) from error
    asyncio.run(_serve(host, _usable_port(host, port), ready))


def _usable_port(host: str, port: int) -> int:
    """Return the port, or a free one for 0; amqtt itself reports neither."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SetupError(
                f"cannot listen on {host} port {port} ({error.strerror}): choose another --port"
            ) from error
        chosen: int = probe.getsockname()[1]
        return chosen


async def _serve(host: str, port: int, ready: Callable[[str], None]) -> None:
    from amqtt.broker import Broker
    from amqtt.errors import AMQTTError

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
            "plugins": {_ANONYMOUS: {"allow_anonymous": True}},
        }
    )
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        await broker.start()
    except AMQTTError as error:
        raise SetupError(
            f"the embedded broker did not start on {host} port {port}: {error}"
        ) from error
    ready(f"mqtt://{host}:{port}")
    await ended.wait()
    await broker.shutdown()
