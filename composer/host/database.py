"""``<data>/state.db``: every record, in one SQLite file in WAL mode, shared by all processes.

One transaction per step; an intent is recorded before its effect and the outcome after it, so a
process killed between the two leaves a row that says what to look for.  ``synchronous`` is NORMAL:
a killed process loses nothing; a power cut may lose the last commits but never tears the file, and
everything those rows described in the kernel is gone then too (docs/decisions/0003).

Migrations are a list; ``PRAGMA user_version`` counts how many were applied.  A file from a newer
composer is refused, untouched.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from composer import errors

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE images (
        id TEXT PRIMARY KEY, config TEXT NOT NULL, layers TEXT NOT NULL,
        size INTEGER NOT NULL, created TEXT NOT NULL, recorded REAL NOT NULL);
    CREATE TABLE tags (
        reference TEXT PRIMARY KEY, image TEXT NOT NULL REFERENCES images(id));
    CREATE TABLE layers (
        diff_id TEXT PRIMARY KEY, size INTEGER NOT NULL, recorded REAL NOT NULL);
    CREATE TABLE build_cache (
        key TEXT PRIMARY KEY, layers TEXT NOT NULL, used REAL NOT NULL);
    CREATE TABLE networks (
        name TEXT PRIMARY KEY, stack TEXT NOT NULL, spec TEXT NOT NULL,
        subnet TEXT NOT NULL UNIQUE, gateway TEXT NOT NULL, bridge TEXT NOT NULL UNIQUE);
    CREATE TABLE endpoints (
        container TEXT NOT NULL, network TEXT NOT NULL REFERENCES networks(name),
        stack TEXT NOT NULL, address TEXT NOT NULL, interface TEXT NOT NULL,
        position INTEGER NOT NULL, names TEXT NOT NULL, is_active INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (container, network), UNIQUE (network, address));
    CREATE TABLE ports (
        container TEXT NOT NULL, stack TEXT NOT NULL, target INTEGER NOT NULL,
        host_ip TEXT NOT NULL, published INTEGER NOT NULL, protocol TEXT NOT NULL,
        is_random INTEGER NOT NULL, is_active INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (container, target, protocol, host_ip, published));
    CREATE TABLE stacks (
        name TEXT PRIMARY KEY, directory TEXT NOT NULL, files TEXT NOT NULL,
        is_up INTEGER NOT NULL, updated REAL NOT NULL);
    CREATE TABLE volumes (
        name TEXT PRIMARY KEY, stack TEXT NOT NULL, spec TEXT NOT NULL, created REAL NOT NULL);
    CREATE TABLE containers (
        id TEXT PRIMARY KEY, stack TEXT NOT NULL, service TEXT NOT NULL, number INTEGER NOT NULL,
        one_off INTEGER NOT NULL, generation INTEGER NOT NULL, name TEXT NOT NULL,
        spec TEXT NOT NULL, wish TEXT NOT NULL, phase TEXT NOT NULL,
        pid INTEGER NOT NULL DEFAULT 0, start_time INTEGER NOT NULL DEFAULT 0,
        boot_id TEXT NOT NULL DEFAULT '', created_at REAL NOT NULL,
        started_at REAL NOT NULL DEFAULT 0, finished_at REAL NOT NULL DEFAULT 0,
        exit_code INTEGER, oom_killed INTEGER NOT NULL DEFAULT 0,
        restart_count INTEGER NOT NULL DEFAULT 0, health TEXT NOT NULL DEFAULT 'none');
    CREATE INDEX containers_by_stack ON containers(stack, service, number, generation);
    CREATE TABLE generations (
        stack TEXT NOT NULL, service TEXT NOT NULL, number INTEGER NOT NULL,
        last INTEGER NOT NULL, PRIMARY KEY (stack, service, number));
    CREATE TABLE operations (
        id INTEGER PRIMARY KEY, stack TEXT NOT NULL, kind TEXT NOT NULL, resource TEXT NOT NULL,
        begun REAL NOT NULL);
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT, stack TEXT NOT NULL, time REAL NOT NULL,
        event TEXT NOT NULL);
    CREATE INDEX events_by_stack ON events(stack, id);
    """,
    """
    CREATE TABLE manifests (
        digest TEXT PRIMARY KEY, image TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
        media_type TEXT NOT NULL, config TEXT NOT NULL, layers TEXT NOT NULL,
        parent TEXT NOT NULL, recorded REAL NOT NULL);
    CREATE TABLE digests (
        reference TEXT PRIMARY KEY, image TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
        manifest TEXT NOT NULL, is_shown INTEGER NOT NULL);
    CREATE TABLE layer_blobs (
        blob TEXT PRIMARY KEY, diff_id TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL);
    CREATE INDEX layer_blobs_by_layer ON layer_blobs(diff_id);
    CREATE TABLE origins (
        blob TEXT NOT NULL, repository TEXT NOT NULL, PRIMARY KEY (blob, repository));
    ALTER TABLE tags ADD COLUMN moment REAL NOT NULL DEFAULT 0;
    """,
    """
    ALTER TABLE layers ADD COLUMN archive INTEGER NOT NULL DEFAULT 0;
    """,
    # Networks of both families and of several subnets; attachments with all their settings; ranges of ports.
    """
    ALTER TABLE networks RENAME TO old_networks;
    ALTER TABLE endpoints RENAME TO old_endpoints;
    ALTER TABLE ports RENAME TO old_ports;
    CREATE TABLE networks (
        name TEXT PRIMARY KEY, stack TEXT NOT NULL, spec TEXT NOT NULL,
        subnet TEXT NOT NULL, gateway TEXT NOT NULL, subnet6 TEXT NOT NULL, gateway6 TEXT NOT NULL,
        bridge TEXT NOT NULL UNIQUE, created REAL NOT NULL);
    CREATE TABLE endpoints (
        container TEXT NOT NULL, network TEXT NOT NULL REFERENCES networks(name),
        stack TEXT NOT NULL, address TEXT NOT NULL, address6 TEXT NOT NULL, interface TEXT NOT NULL,
        position INTEGER NOT NULL, names TEXT NOT NULL, membership TEXT NOT NULL,
        is_active INTEGER NOT NULL, PRIMARY KEY (container, network));
    CREATE TABLE ports (
        container TEXT NOT NULL, stack TEXT NOT NULL, target INTEGER NOT NULL,
        host_ip TEXT NOT NULL, protocol TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        published INTEGER NOT NULL, is_active INTEGER NOT NULL,
        PRIMARY KEY (container, target, protocol, host_ip, first, last));
    INSERT INTO networks SELECT name, stack,
        json_remove(json_set(spec, '$.pools', json(iif(json_extract(spec, '$.subnet') IS NULL, '[]',
            json_array(json_object('subnet', json_extract(spec, '$.subnet'),
                'gateway', json_extract(spec, '$.gateway')))))), '$.subnet', '$.gateway'),
        subnet, gateway, '', '', bridge, 0 FROM old_networks;
    INSERT INTO endpoints SELECT container, network, stack, address, '', interface, position, names, '{}',
        is_active FROM old_endpoints;
    INSERT INTO ports SELECT container, stack, target, host_ip, protocol,
        iif(is_random, 0, published), 0, published, is_active FROM old_ports;
    DROP TABLE old_endpoints;
    DROP TABLE old_networks;
    DROP TABLE old_ports;
    CREATE UNIQUE INDEX endpoints_by_address ON endpoints(network, address) WHERE address != '';
    CREATE UNIQUE INDEX endpoints_by_address6 ON endpoints(network, address6) WHERE address6 != '';
    """,
    """
    ALTER TABLE layers ADD COLUMN tree TEXT NOT NULL DEFAULT '';
    """,
)


class Database:
    """One connection, usable from every thread of the process, one at a time."""

    def __init__(self, path: Path) -> None:
        """Open, creating and migrating where needed; raises ``StoreDamaged``."""
        self._lock = threading.RLock()
        self._path = path
        self._depth = 0
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=30.0, isolation_level=None, check_same_thread=False
            )
            path.chmod(0o600)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute("PRAGMA foreign_keys=ON")
            # A checkpoint is the one moment that waits for the disk: have few of them.
            self._connection.execute("PRAGMA wal_autocheckpoint=8000")
            self._migrate(path)
        except (sqlite3.Error, OSError) as error:
            message = f"cannot open {path}: {error}"
            raise errors.StoreDamaged(message) from error

    def _migrate(self, path: Path) -> None:
        if self._version() == len(MIGRATIONS):
            return
        with self.transaction():
            version = self._version()
            if version > len(MIGRATIONS):
                message = f"{path} was written by a newer composer (format {version})"
                raise errors.StoreDamaged(message, hint="Use that composer, or another COMPOSER_DATA.")
            for script in MIGRATIONS[version:]:
                for statement in script.split(";"):
                    if statement.strip():
                        self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, exclusive against other writers; nests (the outermost commits).

        Raises ``ConflictError`` when others write for too long, ``RuntimeFailure`` for a full disk.
        """
        with self._lock:
            if self._depth:
                yield self._connection
                return
            self._begin()
            self._depth += 1
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:  # SQLite itself gives up some that hit a full disk
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    message = f"cannot write {self._path}: {error}"
                    raise errors.RuntimeFailure(message, hint="Is the disk full?") from error
                raise
            finally:
                self._depth -= 1

    def _begin(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            message = f"the state database is busy: {error}"
            raise errors.ConflictError(message, hint="Another composer process holds it.") from error

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[sqlite3.Row]:
        """Every row of a query."""
        with self._lock:
            return self._connection.execute(query, tuple(parameters)).fetchall()

    def row(self, query: str, parameters: Sequence[object] = ()) -> sqlite3.Row | None:
        """The first row of a query, or ``None``."""
        with self._lock:
            found: sqlite3.Row | None = self._connection.execute(query, tuple(parameters)).fetchone()
            return found

    def sync(self) -> None:
        """Put every commit on disk: for those that allow something to be deleted that they named.

        With ``synchronous=NORMAL`` a commit may be lost by a power cut; the deletion after it must not
        be what remains.
        """
        with self._lock:
            for suffix in ("-wal", ""):
                try:
                    descriptor = os.open(f"{self._path}{suffix}", os.O_RDONLY | os.O_CLOEXEC)
                except FileNotFoundError:
                    continue
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()
