"""The request behind ``up``, ``create`` and ``scale``: make the stack what its file says."""

from __future__ import annotations

from composer.cli import arguments, dryrun, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session


def request_of(session: Session, options: argparse.Namespace, **more: object) -> Json:
    """The arguments of the request; ``more`` are those that only some of the verbs have."""
    return {
        "source": session.source(),
        "services": options.services,
        "build": options.build,
        "no_build": options.no_build,
        "force_recreate": options.force_recreate,
        "no_recreate": options.no_recreate,
        "always_recreate_deps": options.always_recreate_deps,
        "no_deps": options.no_deps,
        "scale": dict(options.scale),
        "remove_orphans": options.remove_orphans or arguments.is_set("COMPOSE_REMOVE_ORPHANS"),
        "ignore_orphans": arguments.is_set("COMPOSE_IGNORE_ORPHANS"),
        "parallel": session.root.parallel,
        **more,
    }


def perform(session: Session, wanted: Json, *, untold: frozenset[str] = frozenset()) -> Json | None:
    """Ask the stack's supervisor, which is started when none lives; ``None`` after a dry run."""
    if session.root.dry_run:
        dryrun.show(session, "up", wanted)
        return None
    services = wanted["services"]
    assert isinstance(services, list)
    with session.connect_for_up(services) as connection:
        answer = request.perform(session, connection, "up", wanted, untold=untold)
    warnings = answer.get("warnings")
    for warning in warnings if isinstance(warnings, list) else ():
        session.note(f"warning: {warning}")
    return answer
