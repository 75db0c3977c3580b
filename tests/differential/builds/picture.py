"""What an image is, as text that two builders can be compared by: its file tree and its configuration.

A tree is a mapping from path to one line: type, mode, owner, and the content or the link's target.  It is
put together here from the layers of an archive, by the rules of the image specification (``layer.md``:
whiteouts and opaque directories), so that neither engine's own unpacking stands between.
"""

from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import attrs

Tree = Mapping[str, str]

CONFIG_KEYS = (
    "Env",
    "Cmd",
    "Entrypoint",
    "WorkingDir",
    "User",
    "ExposedPorts",
    "Volumes",
    "Labels",
    "Healthcheck",
    "StopSignal",
    "Shell",
    "OnBuild",
)
"""What is compared of a configuration; the rest (``Hostname``, ``Image``, ...) is Docker's bookkeeping."""

_LONGEST_CONTENT = 200
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


@attrs.frozen(kw_only=True)
class Picture:
    """An image: every path of its tree, and its configuration without empty values."""

    tree: Tree
    config: Mapping[str, object]

    def changes(self, base: Picture) -> dict[str, object]:
        """What is new, different or gone (``None``) since ``base``; paths begin with ``/``."""
        found: dict[str, object] = {}
        for mine, other in ((self.tree, base.tree), (self.config, base.config)):
            found |= {key: value for key, value in mine.items() if other.get(key) != value}
            found |= dict.fromkeys(other.keys() - mine.keys())
        return found


def of_archive(archive: bytes) -> Picture:
    """The picture of the one image of a ``docker save`` archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as outer:

        def content(name: str) -> bytes:
            member = outer.extractfile(name)
            assert member is not None, name
            return member.read()

        (manifest,) = json.loads(content("manifest.json"))
        config = json.loads(content(manifest["Config"])).get("config") or {}
        tree: dict[str, str] = {}
        for name in manifest["Layers"]:
            _apply(tree, content(name))
    return Picture(
        tree=tree, config={key: _settled(key, config[key]) for key in CONFIG_KEYS if config.get(key)}
    )


def _settled(key: str, value: object) -> object:
    """Lists whose order means nothing are sorted; of a healthcheck what is zero counts as not set."""
    if isinstance(value, dict):
        return {name: part for name, part in sorted(value.items()) if part or key != "Healthcheck"}
    return value


def _apply(tree: dict[str, str], layer: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        members = [(_path(member.name), member) for member in tar]
        for path, _ in members:
            parent, name = str(PurePosixPath(path).parent), PurePosixPath(path).name
            if name == _OPAQUE:
                _remove(tree, parent, keeps_itself=True)
            elif name.startswith(_WHITEOUT):
                _remove(tree, str(PurePosixPath(parent) / name.removeprefix(_WHITEOUT)))
        for path, member in members:
            if not PurePosixPath(path).name.startswith(_WHITEOUT):
                if not member.isdir():
                    _remove(tree, path)
                tree[path] = _line(tar, member, tree)


def _path(name: str) -> str:
    return str(PurePosixPath("/", name))


def _remove(tree: dict[str, str], path: str, *, keeps_itself: bool = False) -> None:
    for one in [one for one in tree if one.startswith(f"{path.rstrip('/')}/")]:
        del tree[one]
    if not keeps_itself:
        tree.pop(path, None)


def _line(tar: tarfile.TarFile, member: tarfile.TarInfo, tree: Tree) -> str:
    if member.islnk():
        return tree[_path(member.linkname)]
    owner = f"{member.uid}:{member.gid}"
    if member.issym():
        return f"link {owner} -> {member.linkname}"
    mode = f"{stat.S_IMODE(member.mode):04o}"
    extra = "".join(f" {part}" for part in _capabilities(member))
    if member.isdir():
        return f"directory {mode} {owner}{extra}"
    if member.isfile():
        file = tar.extractfile(member)
        assert file is not None
        return f"file {mode} {owner}{extra} {_shown(file.read())}"
    kind = "fifo" if member.isfifo() else f"device {member.devmajor}:{member.devminor}"
    return f"{kind} {mode} {owner}"


def _capabilities(member: tarfile.TarInfo) -> Iterator[str]:
    value = member.pax_headers.get("SCHILY.xattr.security.capability")
    if value:
        yield f"capability={value.encode('utf-8', 'surrogateescape').hex()}"


def _shown(content: bytes) -> str:
    if len(content) <= _LONGEST_CONTENT:
        return repr(content)[1:]
    return f"sha256:{hashlib.sha256(content).hexdigest()} ({len(content)} bytes)"
