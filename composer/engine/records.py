"""What composer remembers of stacks, containers, volumes and events: tables of ``state.db``.

A record is an intent or a memory, never a proof: whether a container runs is asked of the kernel
(``engine.observe``).  ``phase`` of a container says how far its making or removal got:

``creating``  recorded, its directories may be half made; the next plan removes it
``ready``     complete; it may be started any number of times
``removing``  its removal began; the next plan finishes it
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

from composer import errors
from composer.engine import lookup
from composer.model import canonical, names
from composer.model.container import ContainerSpec, Health, VolumeSpec, Wish
from composer.model.protocols import ProcessIdentity
from composer.model.stack import MountKind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from composer.host.database import Database
    from composer.model.events import Event

EVENTS_KEPT = 2000
"""How many events of one stack the journal keeps."""


@attrs.frozen(kw_only=True)
class StackRecord:
    """A stack that was brought up at least once.  ``is_up`` is false from the start of ``down``."""

    name: str
    directory: str
    files: tuple[str, ...]
    is_up: bool


@attrs.frozen(kw_only=True)
class ContainerRecord:
    """One row of ``containers``; ``identity`` is the last first process, ``None`` before any."""

    id: str
    spec: ContainerSpec
    generation: int
    phase: str
    wish: Wish
    identity: ProcessIdentity | None
    created_at: float
    started_at: float
    finished_at: float
    exit_code: int | None
    oom_killed: bool
    restart_count: int
    health: Health

    @property
    def stack(self) -> str:
        """The stack that it belongs to."""
        return self.spec.stack


class Records:
    """The tables of stacks, containers, volumes and events."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._specs: dict[str, ContainerSpec] = {}

    # ------------------------------------------------------------------ stacks

    def remember_stack(self, name: str, directory: str, files: Sequence[str]) -> None:
        """The stack is being brought up (again)."""
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO stacks VALUES (?, ?, ?, 1, ?) ON CONFLICT (name) DO UPDATE SET"
                " directory = excluded.directory, files = excluded.files, is_up = 1,"
                " updated = excluded.updated",
                (name, directory, json.dumps(list(files)), time.time()),
            )

    def mark_down(self, name: str) -> None:
        """From here on nobody revives the stack."""
        with self._database.transaction() as db:
            db.execute("UPDATE stacks SET is_up = 0, updated = ? WHERE name = ?", (time.time(), name))

    def forget_stack(self, name: str) -> None:
        """The stack is down: drop its record, its events and its generation counters."""
        with self._database.transaction() as db:
            for table, column in (("stacks", "name"), ("events", "stack"), ("generations", "stack")):
                db.execute(f"DELETE FROM {table} WHERE {column} = ?", (name,))

    def stack(self, name: str) -> StackRecord | None:
        """The record of a stack, if there is one."""
        row = self._database.row("SELECT * FROM stacks WHERE name = ?", (name,))
        return _stack_of(row) if row else None

    def stacks(self) -> tuple[StackRecord, ...]:
        """Every recorded stack, by name."""
        return tuple(_stack_of(row) for row in self._database.rows("SELECT * FROM stacks ORDER BY name"))

    # ------------------------------------------------------------------ containers

    def add_container(self, spec: ContainerSpec) -> str:
        """Record the intent to make a container; returns its derived id."""
        key = (spec.stack, spec.name if spec.one_off else spec.service, spec.number)
        with self._database.transaction() as db:
            taken = db.execute(
                "SELECT stack FROM containers WHERE name = ? AND stack != ? LIMIT 1", (spec.name, spec.stack)
            ).fetchone()
            if taken is not None:
                message = f"the name {spec.name} is that of a container of stack {taken['stack']}"
                raise errors.ConflictError(message, hint="Names of containers are unique on a host.")
            db.execute(
                "INSERT INTO generations VALUES (?, ?, ?, 1) ON CONFLICT (stack, service, number)"
                " DO UPDATE SET last = last + 1",
                key,
            )
            (generation,) = db.execute(
                "SELECT last FROM generations WHERE stack = ? AND service = ? AND number = ?", key
            ).fetchone()
            identity = names.container_id(*key, generation)
            if spec.stack == names.DEFAULT_STACK:
                # Its counters go with its last container, and an id must never come back.
                identity = secrets.token_hex(32)
            db.execute(
                "INSERT INTO containers (id, stack, service, number, one_off, generation, name, spec,"
                " wish, phase, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'creating', ?)",
                (
                    identity,
                    spec.stack,
                    spec.service,
                    spec.number,
                    spec.one_off,
                    generation,
                    spec.name,
                    canonical.to_json(spec),
                    Wish.CREATED.value,
                    time.time(),
                ),
            )
        return identity

    def set_phase(self, container_id: str, phase: str) -> None:
        """How far making or removing got."""
        self._update(container_id, phase=phase)

    def set_wish(self, container_id: str, wish: Wish) -> None:
        """What was last asked of the container."""
        self._update(container_id, wish=wish.value)

    def set_spec(self, container_id: str, spec: ContainerSpec) -> None:
        """The stored specification after a change in place."""
        self._update(container_id, spec=canonical.to_json(spec))

    def process_created(self, container_id: str, identity: ProcessIdentity) -> None:
        """The runtime made the first process; it has not run its program yet."""
        self._update(
            container_id,
            pid=identity.pid,
            start_time=identity.start_time,
            boot_id=identity.boot_id,
        )

    def started(self, container_id: str, at: float) -> None:
        """The first process runs."""
        self._update(
            container_id, started_at=at, finished_at=0.0, exit_code=None, oom_killed=0, health="none"
        )

    def exited(self, container_id: str, *, exit_code: int, oom_killed: bool, at: float) -> None:
        """The first process ended."""
        self._update(container_id, exit_code=exit_code, oom_killed=int(oom_killed), finished_at=at, pid=0)

    def set_health(self, container_id: str, health: Health) -> None:
        """The verdict of the probes changed."""
        self._update(container_id, health=health.value)

    def set_restart_count(self, container_id: str, count: int) -> None:
        """How often the restart policy acted since the user last started the container."""
        self._update(container_id, restart_count=count)

    def forget_container(self, container_id: str) -> None:
        """The container is gone."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM containers WHERE id = ?", (container_id,))
        self._specs.pop(container_id, None)

    def container(self, container_id: str) -> ContainerRecord | None:
        """The record of one container."""
        row = self._database.row("SELECT * FROM containers WHERE id = ?", (container_id,))
        return self._container_of(row) if row else None

    def container_named(self, stack: str, name: str) -> ContainerRecord | None:
        """The newest complete container of that name."""
        row = self._database.row(
            "SELECT * FROM containers WHERE stack = ? AND name = ? AND phase = 'ready'"
            " ORDER BY generation DESC LIMIT 1",
            (stack, name),
        )
        return self._container_of(row) if row else None

    def containers_named(self, name: str) -> tuple[ContainerRecord, ...]:
        """Complete containers of that name or id in any stack, newest first."""
        rows = self._database.rows(
            "SELECT * FROM containers WHERE (name = ? OR id = ?) AND phase = 'ready'"
            " ORDER BY created_at DESC",
            (name, name),
        )
        return tuple(self._container_of(row) for row in rows)

    def container_meant(self, word: str) -> ContainerRecord:
        """The container of any stack that a word means (``engine.lookup``); raises ``UsageError``."""
        found = self.container(lookup.container_meant(self._database, word).id)
        if found is None:
            message = f"no such container: {word}"
            raise errors.UsageError(message)
        return found

    def every_container(self) -> tuple[ContainerRecord, ...]:
        """Every container of every stack, newest first."""
        rows = self._database.rows("SELECT * FROM containers ORDER BY created_at DESC, id")
        return tuple(self._container_of(row) for row in rows)

    def refuse_taken_name(self, name: str) -> None:
        """Raise ``ConflictError`` when a container of any stack has this name."""
        row = self._database.row("SELECT id FROM containers WHERE name = ?", (name,))
        if row is not None:
            message = f"the name {name} is already that of container {row['id'][:12]}"
            hint = f"Choose another, or remove it: `composer container rm {name}`."
            raise errors.ConflictError(message, hint=hint)

    def rename_container(self, container_id: str, name: str) -> ContainerSpec:
        """Give a container another name; raises ``ConflictError`` when one has it already."""
        with self._database.transaction() as db:
            taken = db.execute(
                "SELECT id FROM containers WHERE name = ? AND id != ? LIMIT 1", (name, container_id)
            ).fetchone()
            row = db.execute("SELECT * FROM containers WHERE id = ?", (container_id,)).fetchone()
            if taken is not None or row is None:
                what = f"the name {name} is that of container {taken['id'][:12]}" if taken else "it is gone"
                message = f"cannot rename container {container_id[:12]}: {what}"
                raise errors.ConflictError(message)
            spec = attrs.evolve(self._container_of(row).spec, name=name)
            self._update(container_id, name=name, spec=canonical.to_json(spec))
        return spec

    def containers(self, stack: str) -> tuple[ContainerRecord, ...]:
        """Every container of a stack, by service, number and generation."""
        rows = self._database.rows(
            "SELECT * FROM containers WHERE stack = ? ORDER BY service, number, generation", (stack,)
        )
        return tuple(self._container_of(row) for row in rows)

    def containers_with_volume(self, volume: str) -> tuple[ContainerRecord, ...]:
        """Complete containers of any stack that mount a named volume."""
        rows = self._database.rows(
            "SELECT * FROM containers WHERE phase = 'ready' AND instr(spec, ?)", (json.dumps(volume),)
        )
        found = map(self._container_of, rows)
        return tuple(
            record
            for record in found
            if any(mount.kind is MountKind.VOLUME and mount.source == volume for mount in record.spec.mounts)
        )

    def _update(self, container_id: str, **values: object) -> None:
        assignments = ", ".join(f"{column} = ?" for column in values)
        with self._database.transaction() as db:
            db.execute(
                f"UPDATE containers SET {assignments} WHERE id = ?",
                (*values.values(), container_id),
            )
        if "spec" in values:
            self._specs.pop(container_id, None)

    def _container_of(self, row: sqlite3.Row) -> ContainerRecord:
        spec = self._specs.get(row["id"])
        if spec is None:
            spec = self._specs[row["id"]] = canonical.from_json(ContainerSpec, row["spec"])
        identity = None
        if row["pid"]:
            identity = ProcessIdentity(pid=row["pid"], start_time=row["start_time"], boot_id=row["boot_id"])
        return ContainerRecord(
            id=row["id"],
            spec=spec,
            generation=row["generation"],
            phase=row["phase"],
            wish=Wish(row["wish"]),
            identity=identity,
            created_at=row["created_at"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            exit_code=row["exit_code"],
            oom_killed=bool(row["oom_killed"]),
            restart_count=row["restart_count"],
            health=Health(row["health"]),
        )

    # ------------------------------------------------------------------ volumes

    def add_volume(self, spec: VolumeSpec) -> None:
        """Record a volume; keeps the record of one that exists."""
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO volumes VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
                (spec.name, spec.stack, canonical.to_json(spec), time.time()),
            )

    def forget_volume(self, name: str) -> None:
        """The volume is gone."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM volumes WHERE name = ?", (name,))

    def volumes(self, stack: str) -> tuple[VolumeSpec, ...]:
        """The volumes of a stack by name."""
        rows = self._database.rows("SELECT spec FROM volumes WHERE stack = ? ORDER BY name", (stack,))
        return tuple(canonical.from_json(VolumeSpec, row["spec"]) for row in rows)

    def volume(self, name: str) -> VolumeSpec | None:
        """The record of one volume, of whatever stack."""
        row = self._database.row("SELECT spec FROM volumes WHERE name = ?", (name,))
        return canonical.from_json(VolumeSpec, row["spec"]) if row else None

    def every_volume(self) -> tuple[tuple[VolumeSpec, float], ...]:
        """Every volume of the store by name, and when it was made (Unix seconds)."""
        rows = self._database.rows("SELECT spec, created FROM volumes ORDER BY name")
        return tuple((canonical.from_json(VolumeSpec, row["spec"]), row["created"]) for row in rows)

    def volume_names(self) -> frozenset[str]:
        """The names of every volume of the store."""
        return frozenset(row["name"] for row in self._database.rows("SELECT name FROM volumes"))

    # ------------------------------------------------------------------ operations in flight

    @contextmanager
    def operation(self, stack: str, kind: str, resource: str) -> Iterator[None]:
        """Record the intent before an effect; the row outlives this process only if it is killed."""
        with self._database.transaction() as db:
            cursor = db.execute(
                "INSERT INTO operations (stack, kind, resource, begun) VALUES (?, ?, ?, ?)",
                (stack, kind, resource, time.time()),
            )
            row = cursor.lastrowid
        try:
            yield
        finally:
            with self._database.transaction() as db:
                db.execute("DELETE FROM operations WHERE id = ?", (row,))

    def take_unfinished(self, stack: str) -> tuple[tuple[str, str], ...]:
        """What a killed process was doing (kind, resource); the rows are removed.

        Called by the one process that holds the stack's lock, so every row is a dead one's.
        """
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT kind, resource FROM operations WHERE stack = ? ORDER BY id", (stack,)
            ).fetchall()
            db.execute("DELETE FROM operations WHERE stack = ?", (stack,))
        return tuple((row["kind"], row["resource"]) for row in rows)

    # ------------------------------------------------------------------ events

    def add_events(self, stack: str, events: Iterable[Event]) -> None:
        """Append to the stack's journal and drop what is older than ``EVENTS_KEPT``."""
        with self._database.transaction() as db:
            last = 0
            for event in events:
                cursor = db.execute(
                    "INSERT INTO events (stack, time, event) VALUES (?, ?, ?)",
                    (stack, event["time"], json.dumps(event, separators=(",", ":"))),
                )
                last = cursor.lastrowid or 0
            if last % 64 < 8:  # now and then is often enough
                db.execute("DELETE FROM events WHERE stack = ? AND id <= ?", (stack, last - EVENTS_KEPT))

    def events_since(self, stack: str, moment: float) -> tuple[Mapping[str, object], ...]:
        """The journal from a Unix time on, oldest first."""
        rows = self._database.rows(
            "SELECT event FROM events WHERE stack = ? AND time >= ? ORDER BY id", (stack, moment)
        )
        return tuple(json.loads(row["event"]) for row in rows)


def _stack_of(row: sqlite3.Row) -> StackRecord:
    return StackRecord(
        name=row["name"],
        directory=row["directory"],
        files=tuple(json.loads(row["files"])),
        is_up=bool(row["is_up"]),
    )
