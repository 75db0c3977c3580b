"""Builds that would do nothing, recognised without loading the builder.

``<data>/builds/memos/<digest>`` holds one JSON object per command line and directory: the image that the
last build gave, what it was built on, and a digest of what stat(2) said of every file of the context
before that build began.  While all of it is as it was, so is the image, and saying so takes a tenth of
the time of finding every step in the cache.

It is trusted like an index of git's (racy-git, ``index-format``): a change of content moves ctime, which
nobody sets back; a file that changed within the clock's grain before the listing began is not trusted.
Whatever a listing cannot tell (repositories, URLs, named contexts, caches from elsewhere, secrets,
``--pull``) makes no memo.  Only the standard library is used here, and as little of it as possible.
"""

from __future__ import annotations

import json
import os
import time

import composer
from composer.cli.shortcut import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

FORMAT = 1
EXPORTING = "exporting to image"
"""The step that is never cached."""

_MOST_ENTRIES = 20_000
"""Larger contexts are not looked at twice."""
_GRAIN = 50_000_000
"""Nanoseconds: more than any kernel's tick."""
_EXCLUDING = (
    "no_cache", "no_cache_filter", "pull", "push", "output", "iidfile", "metadata_file", "check",
    "cache_from", "cache_to", "build_context", "secret", "ssh",
)  # fmt: skip
_IRRELEVANT = frozenset({"progress", "quiet"})
_HEX = 64


class Memo:
    """One command line's memo.  ``listing`` is the context's digest when this was made."""

    def __init__(self, path: str, data: str, listing: str) -> None:
        self._path = path
        self._data = data
        self._listing = listing

    def known(self) -> dict[str, object] | None:
        """The last build, if it would give the same again."""
        try:
            with open(self._path, "rb") as file:
                entry: dict[str, object] = json.loads(file.read())
            is_same = entry["v"] == FORMAT and entry["composer"] == composer.__version__
            if not is_same or entry["listing"] != self._listing or not self._is_in_store(entry):
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return entry

    def record(
        self,
        image: str,
        *,
        names: Sequence[tuple[str, str]],
        layers: Sequence[str],
        steps: Sequence[tuple[int, str]],
        schema: int,
    ) -> None:
        """Keep what a build gave.

        ``names`` are references with the ids they name now, the built image's own among them;
        ``steps`` what was said of it: number and title, or 0 and a sentence.
        """
        entry = {
            "v": FORMAT,
            "composer": composer.__version__,
            "listing": self._listing,
            "image": image,
            "names": list(names),
            "layers": list(layers),
            "steps": list(steps),
            "schema": schema,
        }
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        new = f"{self._path}.{os.getpid()}"
        with open(new, "w", encoding="utf-8") as file:
            json.dump(entry, file)
        os.replace(new, self._path)

    def _is_in_store(self, entry: dict[str, object]) -> bool:
        """Whether every name still names what it named, and everything of the image is there."""
        layers, names = entry["layers"], entry["names"]
        assert isinstance(layers, list)
        assert isinstance(names, list)
        if not all(os.path.isdir(f"{self._data}/layers/{layer.partition(':')[2]}") for layer in layers):
            return False
        import sqlite3

        try:
            connection = sqlite3.connect(f"file:{self._data}/state.db?mode=ro", uri=True)
            try:
                if connection.execute("PRAGMA user_version").fetchone() != (entry["schema"],):
                    return False
                if (
                    connection.execute("SELECT 1 FROM images WHERE id = ?", (entry["image"],)).fetchone()
                    is None
                ):
                    return False
                query = "SELECT image FROM tags WHERE reference = ?"
                return all(connection.execute(query, (name,)).fetchone() == (one,) for name, one in names)
            finally:
                connection.close()
        except sqlite3.Error:
            return False


def memo_for(options: argparse.Namespace) -> Memo | None:
    """The memo of a command line; ``None`` for builds that depend on more than a listing can tell."""
    if any(getattr(options, name) for name in _EXCLUDING) or options.call != "build":
        return None
    if options.file == "-" or options.context == "-" or not os.path.isdir(options.context):
        return None
    context = os.path.abspath(options.context)
    dockerfile = os.path.abspath(options.file) if options.file else f"{context}/Dockerfile"
    listing = listing_of(context, (dockerfile, f"{dockerfile}.dockerignore"), time.time_ns())
    if listing is None:
        return None
    data = os.path.abspath(os.environ.get("COMPOSER_DATA") or "/var/lib/composer")
    names = [word for word in options.build_arg if "=" not in word]
    variables = [(name, os.environ.get(name)) for name in ("SOURCE_DATE_EPOCH", *names)]
    words = sorted((key, value) for key, value in vars(options).items() if key not in _IRRELEVANT)
    key = digest_of(json.dumps([context, os.getcwd(), words, variables]))
    return Memo(f"{data}/builds/memos/{key}", data, listing)


def listing_of(context: str, others: Sequence[str], now: int) -> str | None:
    """A digest of what stat(2) says of a directory's content and of other files.

    ``None`` when there is too much of it, when it cannot be read, or when something changed so lately
    before ``now`` (Unix nanoseconds) that a further change might not show.
    """
    lines: list[str] = []
    newest = 0
    pending = [context]
    try:
        while pending:
            directory = pending.pop()
            with os.scandir(directory) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    newest = max(newest, status.st_ctime_ns)
                    lines.append(_line(entry.path, status))
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
            if len(lines) > _MOST_ENTRIES:
                return None
        for path in others:
            try:
                status = os.stat(path)
            except FileNotFoundError:
                lines.append(f"{path}\0")
                continue
            newest = max(newest, status.st_ctime_ns)
            lines.append(_line(path, status))
    except OSError:
        return None
    return None if newest > now - _GRAIN else digest_of(json.dumps(sorted(lines)))


def _line(path: str, status: os.stat_result) -> str:
    return (
        f"{path}\0{status.st_mode} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
    )


def lines_of(entry: dict[str, object]) -> list[str]:
    """A known build as lines of plain progress: every step cached."""
    steps = entry["steps"]
    assert isinstance(steps, list)
    lines: list[str] = []
    for number, title in steps:
        outcome = "DONE 0.0s" if title == EXPORTING else "CACHED"
        lines += [f"#{number} {title}", f"#{number} {outcome}"] if number else [title]
    return lines


def live_lines_of(entry: dict[str, object]) -> list[str]:
    """A known build as a terminal shows the end of one."""
    steps = entry["steps"]
    assert isinstance(steps, list)
    titles = [title for number, title in steps if number]
    rows = [f" => {title}" if title == EXPORTING else f" => CACHED {title}" for title in titles]
    return [f"[+] Building 0.0s ({len(titles)}/{len(titles)})", *rows]


class Listener:
    """Notes what a build says, for its memo."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, str]] = []
        self._seen: set[int] = set()

    def hear(self, number: int, title: str, line: str | None) -> None:
        """A step's title once, and sentences that belong to no step."""
        if number == 0:
            self.steps.append((0, line or ""))
        elif number not in self._seen:
            self._seen.add(number)
            self.steps.append((number, title))


def show(entry: dict[str, object], write: Callable[[str], object], *, is_live: bool) -> None:
    """Write a known build's progress."""
    from composer.cli import terminal

    for line in live_lines_of(entry) if is_live else lines_of(entry):
        write(f"{terminal.harmless(line)}\n")
