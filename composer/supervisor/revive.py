"""conmon's exit hook: start a supervisor for a stack whose supervisor is gone.

``python -m composer.supervisor.revive DATA RUN STACK``.  Does nothing when the stack is down.
"""

from __future__ import annotations

import sys
from pathlib import Path

from composer.engine.records import Records
from composer.host.database import Database
from composer.host.paths import Paths
from composer.supervisor.main import ensure_supervisor

_ARGUMENTS = 4


def main(arguments: list[str]) -> int:
    """Revive the supervisor named by the arguments; returns the exit status."""
    if len(arguments) != _ARGUMENTS:
        return 2
    paths = Paths(Path(arguments[1]), Path(arguments[2]))
    if not paths.database.exists():
        return 0
    database = Database(paths.database)
    record = Records(database).stack(arguments[3])
    database.close()
    if record is not None and record.is_up:
        ensure_supervisor(paths, arguments[3]).close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
