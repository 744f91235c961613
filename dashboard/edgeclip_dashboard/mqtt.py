"""The link to the broker, and the one import of paho-mqtt on the dashboard.

paho's callbacks only put into queues. Each connection has a client of its own, so that an
acknowledgement can never reach another connection's message of the same number.
"""

from __future__ import annotations

import logging
import queue
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgeclip.contract.reports import Status
from edgeclip.contract.topics import all_devices, dashboard_status
from edgeclip_dashboard.backoff import Backoff
from edgeclip_dashboard.config import BrokerSettings, Credentials, parse_broker_url
from edgeclip_dashboard.health import LinkName, LinkState
from edgeclip_dashboard.inbox import Delivery, Inbox

log = logging.getLogger(__name__)

_MOST_UNACKNOWLEDGED = 200  # as many as one batch of the receiver
_LARGEST_PACKET = 64_000_000  # what is larger the broker drops; the device's row stays queued
_CONNECT_S = 5.0
_FAREWELL_S = 2.0
_RECEIPT_EXPIRY_S = 86_400
_UNSPECIFIED = 0x80  # what paho says of a socket that closed without a word


@dataclass(frozen=True)
class LinkConfig:
    """What a link needs to know."""

    broker: BrokerSettings
    project: str
    dashboard_id: str
    credentials: Credentials


@dataclass(frozen=True)
class _Event:
    """What a callback saw; `reason` says why, where it failed."""

    kind: str
    reason: str | None = None


class BrokerLink:
    """Keeps a connection to the broker, in a thread of its own.

    Args:
        config: Broker, project and name.
        inbox: Takes what arrives.
        on_change: Told of every new state, from the link's thread.
    """

    def __init__(
        self, config: LinkConfig, inbox: Inbox, on_change: Callable[[LinkState], None]
    ) -> None:
        self._config = config
        self._inbox = inbox
        self._on_change = on_change
        self._client: Client | None = None  # set while we are subscribed
        self._stopping = threading.Event()
        self._bdseq = int(time.time())  # grows over restarts without a file to keep it in
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def start(self) -> None:
        """Begin to connect; goes on trying until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye to the broker, disconnect, and wait a few seconds for that."""
        self._stopping.set()
        self._thread.join(_FAREWELL_S + 2)

    def publish(self, topic: str, payload: bytes) -> bool:
        """Publish at QoS 1; False, and nothing queued, while there is no connection."""
        client = self._client
        if client is None:
            return False
        properties = None
        if self._is_version_5:
            properties = _properties(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = _RECEIPT_EXPIRY_S
        client.publish(topic, payload, qos=1, properties=properties)
        return True

    @property
    def is_online(self) -> bool:
        """Whether we are connected and subscribed."""
        return self._client is not None

    @property
    def _is_version_5(self) -> bool:
        return self._config.broker.protocol == "5"

    def _run(self) -> None:
        backoff = Backoff(self._config.broker.retry_max_s)
        while not self._stopping.is_set():
            began = time.monotonic()
            self._tell("connecting")
            try:
                error = self._live_one_connection()
            except Exception:  # the thread's one supervised boundary
                log.exception("the link failed; it goes on with a new connection")
                error = "an error of ours, see the log"
            self._client = None
            if self._stopping.is_set():
                break
            wait_s = backoff.next_wait_s(time.monotonic() - began)
            log.warning("link to %s: %s; next try in %.1f s", self._url, error, wait_s)
            self._tell("waiting", error, wait_s)
            self._stopping.wait(wait_s)
        self._tell("stopped")

    @property
    def _url(self) -> str:
        return self._config.broker.url

    def _tell(
        self, name: LinkName, error: str | None = None, retry_in_s: float | None = None
    ) -> None:
        now = datetime.now(timezone.utc)
        self._on_change(LinkState(name, self._url, now, error, retry_in_s))

    def _live_one_connection(self) -> str:
        """Connect and stay until the connection ends; return why it did."""
        events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._bdseq += 1
        host, port, _ = parse_broker_url(self._url)
        try:
            client = self._new_client(events)
            client.connect(host, port, self._config.broker.keepalive_s, **self._connect_arguments())
        except (OSError, ValueError) as error:
            return f"cannot connect: {error}"
        client.loop_start()
        try:
            return self._follow(client, events)
        finally:
            self._client = None
            client.disconnect()  # ends the network thread; loop_stop() could block for ever

    def _follow(self, client: Client, events: queue.SimpleQueue[_Event]) -> str:
        deadline = time.monotonic() + _CONNECT_S
        while not self._stopping.is_set():
            try:
                event = events.get(timeout=0.2)
            except queue.Empty:
                if self._inbox.ask_again():
                    return "more arrived than fits: a new connection delivers it again"
                if self._client is None and time.monotonic() > deadline:
                    hint = (
                        "; does it speak MQTT 5? else --protocol 3.1.1"
                        if self._is_version_5
                        else ""
                    )
                    return f"the broker does not answer{hint}"
                if self._client is not None and not client.is_connected():
                    return "the connection was lost"
                continue
            if event.kind == "connected" and not event.reason:
                client.subscribe(all_devices(self._config.project), qos=1)
            elif event.kind == "subscribed" and not event.reason:
                self._go_online(client)
            elif event.kind == "refused":
                log.error("the broker refuses our receipts (%s): check its ACL", event.reason)
            else:
                return event.reason or "the connection was closed"
        self._say_goodbye(client)
        return "stopped"

    def _go_online(self, client: Client) -> None:
        client.publish(self._status_topic, self._status("online"), qos=1, retain=True)
        self._client = client
        log.info("link to %s is up", self._url)
        self._tell("online")

    def _say_goodbye(self, client: Client) -> None:
        if not client.is_connected():
            return
        info = client.publish(self._status_topic, self._status("stopped"), qos=1, retain=True)
        try:
            info.wait_for_publish(_FAREWELL_S)
        except (RuntimeError, ValueError) as error:
            log.warning("the broker did not take our farewell: %s", error)

    @property
    def _status_topic(self) -> str:
        return dashboard_status(self._config.project)

    def _status(self, state: str) -> bytes:
        since = None if state == "offline" else datetime.now(timezone.utc)
        document = {"state": state, "since": since, "bdseq": self._bdseq}
        return Status.model_validate(document).to_json()

    def _new_client(self, events: queue.SimpleQueue[_Event]) -> Client:
        version = MQTTProtocolVersion.MQTTv5 if self._is_version_5 else MQTTProtocolVersion.MQTTv311
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"edgeclip-dashboard-{self._config.project}-{self._config.dashboard_id}",
            clean_session=None if self._is_version_5 else False,
            protocol=version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.suppress_exceptions = True
        client.connect_timeout = _CONNECT_S
        client.will_set(self._status_topic, self._status("offline"), qos=1, retain=True)
        self._set_credentials(client)
        _attach(client, events, self._inbox)
        return client

    def _set_credentials(self, client: Client) -> None:
        broker, credentials = self._config.broker, self._config.credentials
        if credentials.username:
            password = credentials.password
            client.username_pw_set(
                credentials.username, password.get_secret_value() if password else None
            )
        if parse_broker_url(broker.url)[2]:
            context = ssl.create_default_context(cafile=broker.ca_file)
            if broker.certificate_file:
                context.load_cert_chain(broker.certificate_file, broker.key_file)
            client.tls_set_context(context)

    def _connect_arguments(self) -> dict[str, Any]:
        if not self._is_version_5:
            return {}
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._config.broker.session_expiry_s
        properties.ReceiveMaximum = _MOST_UNACKNOWLEDGED
        properties.MaximumPacketSize = _LARGEST_PACKET
        return {"clean_start": False, "properties": properties}


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]  # paho has no types here


def _attach(client: Client, events: queue.SimpleQueue[_Event], inbox: Inbox) -> None:
    """Set the callbacks: each puts what it was told into a queue, and does nothing else."""

    def on_connect(
        _client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, _more: object
    ) -> None:
        refusal = f"the broker refuses us: {code}" if code.is_failure else None
        events.put(_Event("connected", refusal))

    def on_disconnect(
        _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _more: object
    ) -> None:
        reason = "was lost" if code.value == _UNSPECIFIED else f"was ended by the broker: {code}"
        events.put(_Event("disconnected", f"the connection {reason}"))

    def on_subscribe(
        _client: Client, _data: object, _mid: int, codes: list[ReasonCode], _more: object
    ) -> None:
        failed = [f"the subscription was refused: {code}" for code in codes if code.is_failure]
        events.put(_Event("subscribed", failed[0] if failed else None))

    def on_publish(
        _client: Client, _data: object, _mid: int, code: ReasonCode, _more: object
    ) -> None:
        if code.is_failure:
            events.put(_Event("refused", str(code)))

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        acknowledge = partial(_acknowledge, client, message.mid, message.qos)
        inbox.put(Delivery(message.topic, bytes(message.payload), acknowledge))

    client.on_connect = on_connect
    client.on_disconnect = on_disconnect
    client.on_subscribe = on_subscribe
    client.on_publish = on_publish
    client.on_message = on_message


def _acknowledge(client: Client, mid: int, qos: int) -> None:
    client.ack(mid, qos)
