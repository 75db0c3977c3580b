"""``/etc/hosts``, ``/etc/hostname`` and ``/etc/resolv.conf`` of a container, as files of its bundle."""

from __future__ import annotations

from pathlib import Path

from composer.model.protocols import ContainerRequest
from composer.runtime import targets
from composer.runtime.spec import PlacedMount


def write(bundle: Path, request: ContainerRequest, hostname: str) -> None:
    """Write all three, as every user may read them."""
    hosts = [
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "ff00::0\tip6-mcastprefix",
        "ff02::1\tip6-allnodes",
        "ff02::2\tip6-allrouters",
        *(f"{address}\t{name}" for address, name in request.hosts),
    ]
    resolver = [f"nameserver {address}" for address in request.name_servers]
    if request.search_domains:
        resolver.append(f"search {' '.join(request.search_domains)}")
    if request.resolver_options:
        resolver.append(f"options {' '.join(request.resolver_options)}")
    _write_world_readable(bundle / "hosts", "\n".join(hosts) + "\n")
    _write_world_readable(bundle / "hostname", hostname + "\n")
    _write_world_readable(bundle / "resolv.conf", "\n".join(resolver) + "\n")


def binds(bundle: Path) -> tuple[PlacedMount, ...]:
    """Their mounts."""
    return tuple(
        PlacedMount(source=str(bundle / target.rpartition("/")[2]), target=target)
        for target in targets.OUR_FILES
    )


def _write_world_readable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o644)
