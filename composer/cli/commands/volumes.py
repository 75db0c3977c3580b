"""``composer volumes``: the volumes of the stack."""

from __future__ import annotations

from composer import errors
from composer.cli import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session

EXAMPLES = """composer volumes
composer volumes -q db"""

HEADERS = {
    "Driver": "DRIVER",
    "Labels": "LABELS",
    "Mountpoint": "MOUNTPOINT",
    "Name": "VOLUME NAME",
    "Scope": "SCOPE",
}
DEFAULT = "{{.Driver}}\t{{.Name}}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``volumes``."""
    parser.add_argument("-q", "--quiet", action="store_true", help="only names")
    arguments.add_format(parser)
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """List the volumes that exist, or those that the services use."""
    from composer.cli import listing

    rows = _rows(session, options.services)
    form = "{{.Name}}" if options.quiet else options.format
    for line in listing.listed(form, rows, HEADERS, DEFAULT):
        session.say(line)
    return 0


def _rows(session: Session, services: list[str]) -> list[Json]:
    if not session.paths.database.exists():
        return []
    from composer.engine import observe
    from composer.model.stack import MountKind

    observed = observe.observe(session.drivers(), session.stack_name())
    known = {container.spec.service for container in observed.containers}
    unknown = [service for service in services if service not in known]
    if unknown:
        raise errors.UsageError(f"no such service: {', '.join(unknown)}")
    used = {
        mount.source
        for container in observed.containers
        for mount in container.spec.mounts
        if container.spec.service in services and mount.kind is MountKind.VOLUME
    }
    return [
        {
            "Driver": "local",
            "Labels": ",".join(f"{key}={value}" for key, value in sorted(volume.spec.labels.items())),
            "Mountpoint": volume.path,
            "Name": name,
            "Scope": "local",
        }
        for name, volume in sorted(observed.volumes.items())
        if volume.spec.key and (not services or name in used)
    ]
