"""Home Assistant's MQTT discovery: one retained message that describes the device's sensors.

The keys are those of its documentation (device discovery, since 2024.11); not tried there yet.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

from edgeclip.contract.topics import DeviceTopics

Component = dict[str, Any]


def discovery_topic(prefix: str, device_id: str) -> str:
    """Return where Home Assistant looks for a device."""
    return f"{prefix}/device/{device_id}/config"


def discovery_message(topics: DeviceTopics, module: str | None) -> bytes:
    """Return the description of a device.

    Args:
        topics: Of the device.
        module: The board, where it is known.
    """
    device_id, number = topics.device_id, version("edgeclip")
    document = {
        "device": {
            "identifiers": [f"edgeclip_{topics.project}_{device_id}"],
            "name": device_id,
            "manufacturer": "edgeclip",
            "model": module or "edgeclip device",
            "sw_version": number,
        },
        "origin": {"name": "edgeclip", "sw_version": number},
        "components": _components(topics),
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _components(topics: DeviceTopics) -> dict[str, Component]:
    here = "{{ 'ON' if value_json.state in ['online', 'sleeping'] else 'OFF' }}"
    health, event = topics.health, topics.event
    found: dict[str, Component] = {
        "here": _sensor("Here", topics.status, here, platform="binary_sensor")
        | {"device_class": "connectivity"},
        "detection": _sensor("Last detection", event, "{{ value_json.class_name }}")
        | {"json_attributes_topic": event},
        "temperature": _measured("Junction", health, "thermal.tj_c", "temperature", "°C"),
        "power": _measured("Power", health, "power.vdd_in_w", "power", "W"),
        "battery": _measured("Battery", health, "power.battery_v", "voltage", "V"),
        "waiting": _sensor("Detections waiting", health, "{{ value_json.outbox.rows }}"),
        "camera": _sensor("Camera", health, "{{ value_json.camera.quality }}"),
    }
    return {
        name: {**component, "unique_id": f"edgeclip_{topics.project}_{topics.device_id}_{name}"}
        for name, component in found.items()
    }


def _sensor(name: str, topic: str, template: str, *, platform: str = "sensor") -> Component:
    return {
        "platform": platform,
        "name": name,
        "state_topic": topic,
        "value_template": template,
    }


def _measured(name: str, topic: str, path: str, kind: str, unit: str) -> Component:
    return _sensor(name, topic, f"{{{{ value_json.{path} }}}}") | {
        "device_class": kind,
        "unit_of_measurement": unit,
        "state_class": "measurement",
    }
