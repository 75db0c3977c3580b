"""The image store alone: what these commands do needs neither network nor runtime."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from composer.cli.session import Session
    from composer.image.store import Store


def open_store(session: Session) -> Store:
    """Open (and make) the store of the session's data directory."""
    from composer.host.database import Database
    from composer.image.store import Store

    session.paths.make()
    return Store(session.paths, Database(session.paths.database))
