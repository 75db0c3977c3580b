"""Records of stacks that cannot be read any more: found by name, removed with what they described.

A container whose specification is gone cannot be kept: nobody knows any more what it was to be.  Its
columns still give its id, which names everything that the kernel and the disk have of it.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import attrs

from composer.model import canonical
from composer.model.container import ContainerSpec, VolumeSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.drivers import Drivers
    from composer.host.database import Database

_KINDS = {"containers": ContainerSpec, "volumes": VolumeSpec}


@attrs.frozen(kw_only=True)
class Unreadable:
    """A record of ``table`` whose specification is no value of ours; ``identity`` is its key."""

    table: str
    identity: str
    name: str
    stack: str


def unreadable(database: Database) -> Sequence[Unreadable]:
    """Every such record."""
    found = []
    for table, kind in _KINDS.items():
        key = "id" if table == "containers" else "name"
        for row in database.rows(f"SELECT {key} AS identity, name, stack, spec FROM {table} ORDER BY 1"):
            try:
                canonical.from_json(kind, row["spec"])
            except Exception:  # noqa: BLE001 -- cattrs raises groups of whatever went wrong
                found.append(
                    Unreadable(table=table, identity=row["identity"], name=row["name"], stack=row["stack"])
                )
    return found


def put_right(drivers: Drivers, record: Unreadable) -> str:
    """Remove a container that nobody can describe; give a volume a plain record.  Returns what was done."""
    if record.table == "volumes":
        spec = canonical.to_json(VolumeSpec(name=record.name, key=record.name, stack=record.stack))
        with drivers.database.transaction() as db:
            db.execute("UPDATE volumes SET spec = ? WHERE name = ?", (spec, record.name))
        return "the volume is kept, without its labels and options"
    drivers.runtime.kill_all(record.identity)
    drivers.runtime.remove(record.identity)
    drivers.network.disconnect(record.identity)
    drivers.network.release_container(record.identity)
    shutil.rmtree(drivers.paths.container_data(record.identity), ignore_errors=True)
    drivers.records.forget_container(record.identity)
    return "the container is removed: `composer up` makes it again"
