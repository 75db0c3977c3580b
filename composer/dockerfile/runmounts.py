"""What ``RUN --mount`` mounts, made for one step and gone after it.

Nothing that a build controls is resolved twice: a source is opened beneath its root without following
links, and it is the descriptor that is mounted, so a link that another step puts in its place leads
nowhere (CVE-2024-1753, CVE-2024-23651).  What is written to a writable bind mount is discarded.

The content of the build context is mounted as a layer of the store: a copy, without what .dockerignore
hides, that does not change while a command runs.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from composer import errors
from composer.dockerfile import agent, copy, mountflag
from composer.dockerfile.kit import Kit
from composer.dockerfile.mountflag import RunMount
from composer.dockerfile.origins import Origin
from composer.dockerfile.tree import Tree
from composer.dockerfile.workspace import Workspace
from composer.host import durable
from composer.model.container import ContainerMount
from composer.model.protocols import BindMount, MaterialFile
from composer.model.quantity import ByteSize
from composer.model.stack import MountKind

_SECRET_MODE = 0o400
_SOCKET_MODE = 0o600
_AGENT = "SSH_AUTH_SOCK"
_AGENTS = "/run/buildkit/ssh_agent."
_NAMESPACE = "BUILDKIT_CACHE_MOUNT_NS"


@attrs.frozen(kw_only=True)
class Source:
    """A mount with its target absolute and its files found; ``layers`` are those it shows or begins with."""

    mount: RunMount
    layers: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[object, ...]:
        """What of it makes another result.

        Neither what a cache holds nor the values of secrets and agents: BuildKit's rule.
        """
        one = self.mount
        shown = self.layers if one.kind == mountflag.BIND else ()
        return (
            one.kind, one.target, one.source, one.id, one.read_only, one.size, one.mode, one.uid, one.gid,
            one.environment, shown,
        )  # fmt: skip


@attrs.define(kw_only=True)
class Prepared:
    """What a step gets; ``environment`` stands below the image's own, ``secrets`` above it."""

    binds: list[BindMount] = attrs.field(factory=list)
    tmpfs: list[ContainerMount] = attrs.field(factory=list)
    files: list[MaterialFile] = attrs.field(factory=list)
    environment: dict[str, str] = attrs.field(factory=dict)
    secrets: dict[str, str] = attrs.field(factory=dict, repr=False)


def sources_of(
    mounts: Sequence[RunMount], working_dir: str, kit: Kit, origin_of: Callable[[str], Origin]
) -> tuple[Source, ...]:
    """Find the files of every mount; raises ``ValueError``, ``ImageNotFound``."""
    return tuple(_source(mount, working_dir, kit, origin_of) for mount in mounts)


def _source(mount: RunMount, working_dir: str, kit: Kit, origin_of: Callable[[str], Origin]) -> Source:
    if mount.target:
        target = posixpath.normpath(posixpath.join("/", working_dir, mount.target))
        if target in {"/", "//"}:
            message = f"invalid mount target {mount.target!r}"
            raise ValueError(message)
        mount = attrs.evolve(mount, target=target)
    if mount.kind == mountflag.SECRET and mount.is_required and mount.id not in kit.request.secrets:
        message = f"secret {mount.id}: not found"
        raise ValueError(message)
    if mount.kind == mountflag.SSH and mount.is_required and mount.id not in kit.request.ssh:
        message = f"ssh {mount.id}: no agent was passed to the build"
        raise ValueError(message)
    if mount.kind == mountflag.BIND or (mount.kind == mountflag.CACHE and mount.origin):
        origin = origin_of(mount.origin)
        return Source(mount=mount, layers=kit.materialised(origin))
    return Source(mount=mount)


def secrets_in(sources: Sequence[Source], secrets: Mapping[str, bytes]) -> tuple[bytes, ...]:
    """The values that a step may see and its output may not show."""
    names = (one.mount.id for one in sources if one.mount.kind == mountflag.SECRET)
    return tuple(secrets[name] for name in names if name in secrets)


@contextmanager
def prepared(sources: Sequence[Source], kit: Kit, room: Workspace) -> Iterator[Prepared]:
    """Make everything that can be mounted, and take it away after the block."""
    ready = Prepared()
    with ExitStack() as stack:
        # In a fixed order: two steps that wait for each other's locked caches would wait for ever.
        order = sorted(range(len(sources)), key=lambda number: (sources[number].mount.id, number))
        agents = [number for number in order if sources[number].mount.kind == mountflag.SSH]
        for number in order:
            source = sources[number]
            directory = room.directory / f"mount-{number}"
            match source.mount.kind:
                case mountflag.BIND:
                    ready.binds.append(_bind(source, kit, room, directory))
                case mountflag.CACHE:
                    ready.binds.append(_cache(source, kit, stack))
                case mountflag.TMPFS:
                    ready.tmpfs.append(_tmpfs(source.mount))
                case mountflag.SECRET:
                    _add_secret(source.mount, kit, ready)
                case _:
                    directory.mkdir(mode=0o700)
                    target = f"{_AGENTS}{agents.index(number)}"
                    _add_agent(source.mount, target, kit, ready, stack, directory)
        yield ready


def _bind(source: Source, kit: Kit, room: Workspace, directory: Path) -> BindMount:
    layers = kit.images.paths_of_layers(source.layers) or (room.empty,)
    scratch = None
    if not source.mount.read_only:
        for path in (directory, directory / "upper", directory / "work"):
            durable.make_directory(path, 0o755)
        scratch = directory
    return BindMount(
        source=Path(posixpath.normpath(posixpath.join("/", source.mount.source))),
        layers=layers,
        scratch=scratch,
        target=source.mount.target,
        read_only=source.mount.read_only,
    )


def _cache(source: Source, kit: Kit, stack: ExitStack) -> BindMount:
    mount = source.mount
    namespace = kit.request.args.get(_NAMESPACE, "")
    beginning = tuple(str(one) for one in (*source.layers, mount.mode, mount.uid, mount.gid, mount.source))
    is_plain = not mount.origin

    def fill(new: Path) -> None:
        if is_plain:
            if mount.uid is not None or mount.gid is not None:
                os.chown(new, mount.uid or 0, mount.gid or 0)
            new.chmod(0o755 if mount.mode is None else mount.mode)
            return
        with ExitStack() as inner:
            selector = kit.selector(inner, Origin(layers=source.layers))
            (found,) = selector.select(mount.source or "/")
            if not found.is_directory:
                message = f"cache mount: {mount.source} in {mount.origin} is not a directory"
                raise ValueError(message)
            root = inner.enter_context(Tree(new))
            placement = copy.Placement(selection=found, directory="/")
            copy.Writer(root, kit.stop).place(placement, selector.tree, copy.Ownership())

    identity = (posixpath.join(namespace, mount.id) if namespace else mount.id, namespace, *beginning)
    tree = stack.enter_context(kit.cache_mounts.held(identity, mount.sharing, kit.stop, fill))
    if is_plain and mount.source:
        opened = _open_beneath(tree, mount.source)
        stack.callback(os.close, opened)
        held = Path(f"/proc/self/fd/{opened}")
        return BindMount(source=held, is_held=True, target=mount.target, read_only=mount.read_only)
    return BindMount(source=tree, target=mount.target, read_only=mount.read_only)


def _open_beneath(root: Path, path: str) -> int:
    """A directory of a cache, whose content anybody who builds may have made."""
    with Tree(root) as tree:
        found = tree.resolve(path)
        status = tree.status(found)
        if status is None or not stat.S_ISDIR(status.st_mode):
            message = f"cache mount: there is no directory {path} in it"
            raise ValueError(message)
        return os.dup(tree.directory(found))


def _tmpfs(mount: RunMount) -> ContainerMount:
    size = None if mount.size is None else ByteSize(mount.size)
    return ContainerMount(
        kind=MountKind.TMPFS,
        target=mount.target,
        tmpfs_size=size,
        # As BuildKit has it: builds run what they unpack in /tmp.
        tmpfs_options=("exec", "dev"),
        read_only=mount.read_only,
    )


def _add_secret(mount: RunMount, kit: Kit, ready: Prepared) -> None:
    content = kit.request.secrets.get(mount.id)
    if content is None:
        return  # not required: it is simply not there, as in BuildKit
    if mount.environment:
        ready.secrets[mount.environment] = content.decode("utf-8", "surrogateescape")
    if mount.target:
        mode = _SECRET_MODE if mount.mode is None else mount.mode
        ready.files.append(
            MaterialFile(
                target=mount.target, content=content, uid=mount.uid or 0, gid=mount.gid or 0, mode=mode
            )
        )


def _add_agent(  # noqa: PLR0917
    mount: RunMount, target: str, kit: Kit, ready: Prepared, stack: ExitStack, directory: Path
) -> None:
    source = kit.request.ssh.get(mount.id)
    if source is None:
        return
    if not source:
        message = f"ssh {mount.id}: the caller has no agent ({_AGENT} is not set)"
        raise errors.BuildError(message, hint="Start one, or say --ssh default=PATH of a key.")
    mode = _SOCKET_MODE if mount.mode is None else mount.mode
    socket = stack.enter_context(
        agent.forwarded(source, directory, mode=mode, uid=mount.uid or 0, gid=mount.gid or 0)
    )
    target = mount.target or target
    ready.binds.append(BindMount(source=socket, target=target, read_only=False))
    ready.environment.setdefault(_AGENT, target)
