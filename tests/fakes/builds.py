"""What a build needs, without root: an overlay that copies, commands that write, no network.

The image store is the real one: it needs no root, and its content keys are what builds rely on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
import pytest

from composer.dockerfile.builder import DockerfileBuilder
from composer.host.database import Database
from composer.host.paths import Paths
from composer.image.store import Store
from composer.model.image import Image, ImageConfig
from composer.model.protocols import BuildRequest, ImageSource, Interrupt, StepRequest


class Signal:
    """An ``Interrupt`` that is set by hand, or by itself when it was asked ``after`` times."""

    def __init__(self, after: int | None = None) -> None:
        self._left = after

    @property
    def is_set(self) -> bool:
        if self._left is None:
            return False
        self._left -= 1
        return self._left < 0

    def set(self) -> None:
        self._left = 0

    def on_set(self, callback: Callable[[], None]) -> Callable[[], None]:
        del callback
        return lambda: None


class CopyingOverlay:
    """Shows layers by copying them; on unmount, what is new or different goes to the upper directory.

    Deletions are not recorded: nothing that uses this fake deletes.
    """

    def __init__(self) -> None:
        self.mounted: dict[Path, tuple[Path | None, Path]] = {}
        self.count = 0

    def mount(self, target: Path, layers: Sequence[Path], upper: Path | None, work: Path | None) -> None:
        del work
        self.count += 1
        before = target.with_name("before")
        for copy in (target, before):
            for layer in layers:
                shutil.copytree(layer, copy, symlinks=True, dirs_exist_ok=True)
        self.mounted[target] = (upper, before)

    def unmount(self, target: Path) -> None:
        upper, before = self.mounted.pop(target)
        if upper is not None:
            self._collect(target, before, upper)
        shutil.rmtree(target)
        shutil.rmtree(before)

    def _collect(self, merged: Path, before: Path, upper: Path) -> None:
        for entry in sorted(merged.iterdir()):
            old, new = before / entry.name, upper / entry.name
            if entry.is_dir() and not entry.is_symlink():
                is_new = not old.is_dir() or old.stat().st_mode != entry.stat().st_mode
                if not is_new and not _differs(entry, old):
                    continue
                new.mkdir()
                shutil.copystat(entry, new)
                self._collect(entry, old, new)
            elif entry.is_fifo():
                os.mkfifo(new)
            elif _differs(entry, old):
                shutil.copy2(entry, new, follow_symlinks=False)


def _differs(new: Path, old: Path) -> bool:
    if not os.path.lexists(old):
        return True
    if new.is_symlink() or old.is_symlink():
        return not (new.is_symlink() and old.is_symlink() and new.readlink() == old.readlink())
    if new.is_dir():
        return any(_differs(entry, old / entry.name) for entry in new.iterdir())
    return new.read_bytes() != old.read_bytes() or new.stat().st_mode != old.stat().st_mode


class WritingRuntime:
    """A runtime whose commands do nothing but what a test says.

    ``codes`` maps a part of the last argument to an exit code.  Every other command writes its last
    argument to ``/ran-<number>`` of the layer.
    """

    def __init__(self, codes: Mapping[str, int] | None = None) -> None:
        self.codes = codes or {}
        self.requests: list[StepRequest] = []

    def run_step(self, request: StepRequest, say: Callable[[bytes], None], interrupt: Interrupt) -> int:
        del interrupt
        self.requests.append(request)
        say(f"output of {request.argv[-1]}\n".encode())
        for text, code in self.codes.items():
            if text in request.argv[-1]:
                return code
        (request.upper / f"ran-{len(self.requests)}").write_text(request.argv[-1])
        return 0


class Namespace:
    path = "/proc/self/fd/0"
    gateway = "10.0.0.1"

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class NoNetwork:
    """Counts the namespaces that builds ask for."""

    def __init__(self) -> None:
        self.namespaces: list[Namespace] = []

    def build_namespace(self) -> Namespace:
        self.namespaces.append(Namespace())
        return self.namespaces[-1]


@attrs.define
class Workshop:
    """A builder with everything around it, and a context to write files in."""

    context: Path
    store: Store
    runtime: WritingRuntime
    network: NoNetwork
    overlay: CopyingOverlay
    source: ImageSource | None = None
    said: list[str] = attrs.field(factory=list)

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.context / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def image(self, reference: str, files: Mapping[str, str], config: ImageConfig | None = None) -> Image:
        """Put an image of one layer into the store."""
        staging = self.store.staging("image")
        upper = staging / "upper"
        upper.mkdir()
        upper.chmod(0o755)
        for name, content in files.items():
            path = upper / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        layer = self.store.add_layer(upper)
        staging.rmdir()
        return self.store.add_image(config or ImageConfig(), [layer], tags=[reference])

    def build(self, dockerfile: str, *, interrupt: Interrupt | None = None, **fields: object) -> Image:
        return self.build_request(
            interrupt=interrupt, context=self.context, dockerfile_inline=dockerfile, **fields
        )

    def build_request(self, *, interrupt: Interrupt | None = None, **fields: object) -> Image:
        builder = DockerfileBuilder(
            self.store,
            self.runtime,
            self.network,  # type: ignore[arg-type]
            overlay=self.overlay,
            source=self.source,
        )
        request = BuildRequest(**fields)  # type: ignore[arg-type]
        self.said = []
        return builder.build(request, self.said.append, interrupt or Signal())

    def files(self, image: Image) -> dict[str, str]:
        """Every file of an image by path, with its content; links as ``-> target``."""
        found: dict[str, str] = {}
        for layer in self.store.layer_paths(image):
            for path in sorted(layer.rglob("*")):
                name = str(path.relative_to(layer))
                if path.is_symlink():
                    found[name] = f"-> {path.readlink()}"
                elif path.is_file():
                    found[name] = path.read_text(errors="replace")
        return found

    def mode(self, image: Image, name: str) -> int:
        """The mode of a path in the uppermost layer that has it."""
        for layer in reversed(self.store.layer_paths(image)):
            if os.path.lexists(layer / name):
                return (layer / name).lstat().st_mode & 0o7777
        raise FileNotFoundError(name)


def keep_owners(patch: pytest.MonkeyPatch) -> None:
    """Let builds run without root: only root may give files away, so nothing is given away."""
    if os.geteuid() != 0:
        patch.setattr(os, "fchown", lambda *_: None)
        patch.setattr(os, "chown", lambda *_, **__: None)


def workshop(directory: Path) -> Workshop:
    """A workshop whose state lies below ``directory``; the image ``base`` is in the store."""
    context = directory / "context"
    context.mkdir()
    paths = Paths(directory / "data", directory / "run")
    paths.make()
    made = Workshop(
        context=context,
        store=Store(paths, Database(paths.database)),
        runtime=WritingRuntime(),
        network=NoNetwork(),
        overlay=CopyingOverlay(),
    )
    passwd = "root:x:0:0:root:/root:/bin/sh\n"
    made.image("base", {"etc/passwd": passwd, "etc/group": "root:x:0:\n", "bin/sh": "shell"})
    return made
