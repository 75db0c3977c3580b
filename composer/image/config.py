"""The image configuration as stored: OCI image-spec v1.1 ``config.md``, with Docker's extensions.

Parsing is bounded and typed; what does not fit is refused.  An image that came from elsewhere keeps
its configuration byte for byte; one made here, also on top of such an image, has the fields of
``ImageConfig`` only.
"""

from __future__ import annotations

import json
from typing import Any

import attrs

from composer import errors
from composer.model import manifest
from composer.model.distribution import Platform
from composer.model.image import HistoryEntry, ImageConfig
from composer.model.quantity import Duration
from composer.model.stack import Healthcheck

LARGEST = manifest.LARGEST
"""Bytes of a configuration."""


@attrs.frozen(kw_only=True)
class Configuration:
    """Everything that a configuration says."""

    config: ImageConfig
    layers: tuple[str, ...]
    history: tuple[HistoryEntry, ...] = ()
    created: str = ""
    author: str = ""
    os: str = "linux"
    architecture: str = ""
    variant: str = ""


def to_json(
    config: ImageConfig,
    *,
    layers: tuple[str, ...],
    history: tuple[HistoryEntry, ...],
    created: str,
    platform: Platform,
    author: str = "",
) -> bytes:
    """The canonical configuration; its SHA-256 is the image's id."""
    process: dict[str, Any] = {
        "Env": [f"{name}={value}" for name, value in config.environment.items()] or None,
        "Entrypoint": _list(config.entrypoint),
        "Cmd": _list(config.command),
        "WorkingDir": config.working_dir or None,
        "User": config.user or None,
        "ExposedPorts": {port: {} for port in config.exposed_ports} or None,
        "Volumes": {path: {} for path in config.volumes} or None,
        "Labels": dict(config.labels) or None,
        "StopSignal": config.stop_signal or None,
        "Shell": list(config.shell) or None,
        "OnBuild": list(config.on_build) or None,
        "Healthcheck": _healthcheck_to_json(config.healthcheck),
    }
    document = {
        "created": created,
        **({"author": author} if author else {}),
        "architecture": platform.architecture,
        **({"variant": platform.variant} if platform.variant else {}),
        "os": platform.os,
        "config": {key: value for key, value in process.items() if value is not None},
        "rootfs": {"type": "layers", "diff_ids": list(layers)},
        "history": [
            {
                **({"created": entry.created} if entry.created else {}),  # "" is no time for Go's parsers
                "created_by": entry.created_by,
                **({"author": entry.author} if entry.author else {}),
                **({"comment": entry.comment} if entry.comment else {}),
                **({"empty_layer": True} if entry.is_empty else {}),
            }
            for entry in history
        ],
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def from_json(content: bytes) -> Configuration:
    """What a configuration says; raises ``ImageError``."""
    if len(content) > LARGEST:
        raise errors.ImageError("the image configuration is too large")
    try:
        document = json.loads(content.decode())
        process = document.get("config") or {}
        config = ImageConfig(
            environment=dict(entry.partition("=")[::2] for entry in process.get("Env") or ()),
            entrypoint=_tuple(process.get("Entrypoint")),
            command=_tuple(process.get("Cmd")),
            working_dir=str(process.get("WorkingDir") or ""),
            user=str(process.get("User") or ""),
            exposed_ports=tuple(process.get("ExposedPorts") or ()),
            volumes=tuple(process.get("Volumes") or ()),
            labels={str(k): str(v) for k, v in (process.get("Labels") or {}).items()},
            healthcheck=_healthcheck_from_json(process.get("Healthcheck")),
            stop_signal=str(process.get("StopSignal") or ""),
            shell=tuple(process.get("Shell") or ()),
            on_build=tuple(process.get("OnBuild") or ()),
        )
        layers = tuple(str(layer) for layer in document["rootfs"]["diff_ids"])
        history = tuple(
            HistoryEntry(
                created=str(entry.get("created") or ""),
                created_by=str(entry.get("created_by") or ""),
                is_empty=bool(entry.get("empty_layer")),
                author=str(entry.get("author") or ""),
                comment=str(entry.get("comment") or ""),
            )
            for entry in document.get("history") or ()
        )
        texts = {
            name: str(document.get(name) or "")
            for name in ("created", "author", "os", "architecture", "variant")
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"the image configuration is malformed: {error}"
        raise errors.ImageError(message) from error
    if len(layers) > manifest.MOST_LAYERS:
        message = f"the image has {len(layers)} layers; {manifest.MOST_LAYERS} is the most"
        raise errors.ImageError(message)
    return Configuration(config=config, layers=layers, history=history, **texts)


def _list(value: tuple[str, ...] | None) -> list[str] | None:
    return None if value is None else list(value)


def _tuple(value: object) -> tuple[str, ...] | None:
    return tuple(str(item) for item in value) if isinstance(value, list) else None


def _healthcheck_to_json(check: Healthcheck | None) -> dict[str, Any] | None:
    if check is None:
        return None
    if check.disabled:
        return {"Test": ["NONE"]}
    fields = {
        "Test": _list(check.test),
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
        "Retries": check.retries,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _healthcheck_from_json(value: Any) -> Healthcheck | None:
    if not value:
        return None
    test = _tuple(value.get("Test"))
    if test == ("NONE",):
        return Healthcheck(disabled=True)

    def duration(key: str) -> Duration | None:
        return Duration(int(value[key])) if value.get(key) else None

    return Healthcheck(
        test=test,
        interval=duration("Interval"),
        timeout=duration("Timeout"),
        start_period=duration("StartPeriod"),
        start_interval=duration("StartInterval"),
        retries=int(value["Retries"]) if value.get("Retries") else None,
    )
