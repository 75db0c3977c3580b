"""What a container opens to the world, said where the plan makes it (docs/security.md, P5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.model.container import ContainerSpec
    from composer.model.stack import PublishedPort

_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 -- compared, not bound


def told(spec: ContainerSpec) -> str:
    """`` (opens 8080/tcp on every address)``; "" for a container that opens nothing of the kind."""
    texts = [_text(port) for port in spec.ports if port.host_ip in _EVERY_ADDRESS]
    return f" (opens {', '.join(texts)} on every address)" if texts else ""


def _text(port: PublishedPort) -> str:
    if not port.published:
        return f"a free port for {port.target}/{port.protocol}"
    number = f"one of {port.published}-{port.last}" if port.last else f"{port.published}"
    return f"{number}/{port.protocol}"
