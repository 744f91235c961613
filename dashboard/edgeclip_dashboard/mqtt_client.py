"""One client of paho-mqtt for one connection of the link; its callbacks only put into queues."""

from __future__ import annotations

import queue
import ssl
from dataclasses import dataclass
from functools import partial
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgeclip_dashboard.config import BrokerSettings, Credentials, parse_broker_url
from edgeclip_dashboard.inbox import Delivery, Inbox
from edgeclip_dashboard.presence import Presence
from edgeclip_dashboard.subscriptions import Subscriptions

CONNECT_S = 5.0
_MOST_UNACKNOWLEDGED = 200  # as many as one batch of the receiver
_LARGEST_PACKET = 64_000_000  # what is larger the broker drops; the device's row stays queued
_UNSPECIFIED = 0x80  # what paho says of a socket that closed without a word


@dataclass(frozen=True)
class LinkConfig:
    """What a link needs to know."""

    broker: BrokerSettings
    project: str
    dashboard_id: str
    credentials: Credentials
    subscriptions: Subscriptions

    @property
    def client_id(self) -> str:
        """The MQTT client id."""
        name = f"{self.project}-{self.dashboard_id}"
        return f"edgeclip-dashboard-{name}{self.subscriptions.suffix}"

    @property
    def is_version_5(self) -> bool:
        """Whether MQTT 5 is spoken, else 3.1.1."""
        return self.broker.protocol == "5"


@dataclass(frozen=True)
class Event:
    """What a callback saw; `reason` says why, where it failed; `payload` is a message's."""

    kind: str
    reason: str | None = None
    payload: bytes = b""


def new_client(
    config: LinkConfig, events: queue.SimpleQueue[Event], inbox: Inbox, presence: Presence
) -> Client:
    """Return a client that is not connected yet.

    Args:
        config: Of the link.
        events: Takes what the callbacks see.
        inbox: Takes what arrives.
        presence: Gives the last will.

    Raises:
        OSError: A certificate cannot be read.
        ValueError: Or is none.
    """
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=config.client_id,
        clean_session=None if config.is_version_5 else False,
        protocol=MQTTProtocolVersion.MQTTv5
        if config.is_version_5
        else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.suppress_exceptions = True
    client.connect_timeout = CONNECT_S
    if config.subscriptions.is_present:
        client.will_set(presence.topic, presence.will(), qos=1, retain=True)
    _set_credentials(client, config)
    _attach(client, events, inbox, presence.topic)
    return client


def connect_arguments(config: LinkConfig) -> dict[str, Any]:
    """Return what MQTT 5 asks for at a connection: the session and its bounds."""
    if not config.is_version_5:
        return {}
    keeps = config.subscriptions.keeps_session
    properties = properties_of(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = config.broker.session_expiry_s if keeps else 0
    properties.ReceiveMaximum = _MOST_UNACKNOWLEDGED
    properties.MaximumPacketSize = _LARGEST_PACKET
    return {"clean_start": not keeps, "properties": properties}


def properties_of(packet_type: int) -> Properties:
    """Return empty properties of MQTT 5."""
    return Properties(packet_type)  # type: ignore[no-untyped-call]  # paho has no types here


def _set_credentials(client: Client, config: LinkConfig) -> None:
    broker, credentials = config.broker, config.credentials
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


def _attach(client: Client, events: queue.SimpleQueue[Event], inbox: Inbox, presence: str) -> None:
    """Set the callbacks: each puts what it was told into a queue, and does nothing else."""

    def on_connect(
        _client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, _more: object
    ) -> None:
        refusal = f"the broker refuses us: {code}" if code.is_failure else None
        events.put(Event("connected", refusal))

    def on_disconnect(
        _client: Client, _data: object, _flags: DisconnectFlags, code: ReasonCode, _more: object
    ) -> None:
        reason = "was lost" if code.value == _UNSPECIFIED else f"was ended by the broker: {code}"
        events.put(Event("disconnected", f"the connection {reason}"))

    def on_subscribe(
        _client: Client, _data: object, _mid: int, codes: list[ReasonCode], _more: object
    ) -> None:
        failed = [f"the subscription was refused: {code}" for code in codes if code.is_failure]
        events.put(Event("subscribed", failed[0] if failed else None))

    def on_publish(
        _client: Client, _data: object, _mid: int, code: ReasonCode, _more: object
    ) -> None:
        if code.is_failure:
            events.put(Event("refused", str(code)))

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        if message.topic == presence:
            events.put(Event("presence", payload=bytes(message.payload)))
            return
        acknowledge = partial(_acknowledge, client, message.mid, message.qos)
        inbox.put(Delivery(message.topic, bytes(message.payload), acknowledge))

    client.on_connect = on_connect
    client.on_disconnect = on_disconnect
    client.on_subscribe = on_subscribe
    client.on_publish = on_publish
    client.on_message = on_message


def _acknowledge(client: Client, mid: int, qos: int) -> None:
    client.ack(mid, qos)
