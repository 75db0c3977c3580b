"""The OCI configuration of a build step: a container's baseline, with mounts that leave nothing behind.

The root of a step becomes a layer, so every place made to mount something at goes through
``targets.Places``, which takes it away again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from composer.model.protocols import StepRequest
from composer.runtime import defaults, spec, targets

_ALWAYS_HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def config_for(
    request: StepRequest,
    bundle: Path,
    root: int,
    places: targets.Places,
    *,
    staged: Mapping[str, Path],
    files: Mapping[str, Path],
    rest: spec.SpecInput,
) -> spec.Config:
    """The ``config.json`` of a step whose root is open as ``root``.

    ``staged`` are sources that the runtime has mounted in the bundle, ``files`` where material lies,
    both by target.  ``rest`` says everything that needs no look at the root.
    """
    working_dir = request.working_dir if request.working_dir.startswith("/") else f"/{request.working_dir}"
    directory = targets.prepare(root, working_dir, is_directory=True)
    environment = {"PATH": defaults.PATH, "HOSTNAME": request.hostname, "HOME": rest.user.home}
    environment.update(request.environment)
    binds = [*_network_files(bundle, request)]
    for bind in request.binds:
        source = staged.get(bind.target, bind.source)
        target = places.prepare(bind.target, is_directory=source.is_dir())
        binds.append(
            spec.PlacedMount(
                source=str(source), target=target, read_only=bind.read_only, propagation=bind.propagation
            )
        )
    for path, source in files.items():
        target = places.prepare(path, is_directory=False)
        binds.append(spec.PlacedMount(source=str(source), target=target, read_only=True))
    tmpfs = tuple(
        attrs.evolve(mount, target=places.prepare(mount.target, is_directory=True)) for mount in request.tmpfs
    )
    return spec.config_for(
        attrs.evolve(
            rest,
            environment=tuple(f"{name}={value}" for name, value in environment.items()),
            working_dir=directory,
            binds=tuple(binds),
            tmpfs=tmpfs,
        )
    )


def _network_files(bundle: Path, request: StepRequest) -> tuple[spec.PlacedMount, ...]:
    """Hosts and resolv.conf."""
    resolver = "".join(f"nameserver {address}\n" for address in request.name_servers)
    if request.search_domains:
        resolver += f"search {' '.join(request.search_domains)}\n"
    hosts = _ALWAYS_HOSTS + "".join(f"{address}\t{name}\n" for name, address in request.hosts)
    placed = []
    for name, text in (("resolv.conf", resolver), ("hosts", hosts)):
        path = bundle / name
        path.write_text(text)
        path.chmod(0o644)
        placed.append(spec.PlacedMount(source=str(path), target=f"/etc/{name}"))
    return tuple(placed)
