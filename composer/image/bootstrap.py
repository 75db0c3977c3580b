"""Base images without a registry: Debian from its packages, busybox from its static binary."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from composer import errors
from composer.host import process
from composer.image import importer
from composer.image.store import Store
from composer.model import reference as names
from composer.model.image import Image, ImageConfig
from composer.model.protocols import Interrupt

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_SUITES = ("bookworm", "bullseye", "trixie", "forky", "sid", "stable", "testing", "unstable")
_UBUNTU_SUITES = ("focal", "jammy", "noble", "plucky", "questing")

_SLIM = (
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-include=/usr/share/locale/locale.alias",
)
"""What Docker's ``-slim`` images leave out of packages."""

_APT_CLEAN = """\
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Apt::AutoRemove::SuggestsImportant "false";
"""

_NO_SERVICES = "#!/bin/sh\n# Packages installed in an image start no services.\nexit 101\n"


def suite_of(reference: str) -> str:
    """``debian:bookworm-slim`` -> ``bookworm``; ``debian`` and ``debian:latest`` -> ``stable``."""
    parsed = names.parse(reference)
    suite = parsed.tag.removesuffix("-slim")
    return "stable" if suite in ("latest", "slim", "") else suite


def bootstrap_debian(
    store: Store,
    reference: str,
    *,
    suite: str = "",
    include: Sequence[str] = (),
    say: Callable[[str], None],
    interrupt: Interrupt,
) -> Image:
    """Make a minimal Debian (or Ubuntu) image with mmdebstrap, which takes about half a minute.

    The package sources are the host's own where the host runs the same distribution.
    """
    chosen = suite or suite_of(reference)
    if chosen not in (*_SUITES, *_UBUNTU_SUITES):
        message = f"cannot tell a Debian suite from {reference!r}"
        raise errors.UsageError(message, hint=f"Use --suite, one of {', '.join(_SUITES)}.")
    if shutil.which("mmdebstrap", path=process.ENVIRONMENT["PATH"]) is None:
        message = "mmdebstrap is not installed"
        raise errors.HostUnsupported(message, hint="Install the package mmdebstrap.")
    say(f"installing {chosen} from its packages (mmdebstrap)")
    staged = store.staging("bootstrap")
    tree = staged / "tree"
    try:
        _run_mmdebstrap(_arguments(chosen, include, tree), say, interrupt)
        _make_tidy(tree)
        tree.chmod(0o755)
        say("publishing")
        layer = store.add_layer(tree)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    config = ImageConfig(environment={"PATH": PATH}, command=("bash",))
    return importer.finish(store, [layer], reference, config=config, comment=f"mmdebstrap {chosen}")


def _arguments(suite: str, include: Sequence[str], tree: Path) -> list[str]:
    arguments = [
        "mmdebstrap",
        "--variant=minbase",
        "--mode=root",
        "--format=directory",
        '--aptopt=Acquire::Languages "none"',
        *_SLIM,
        "--include=" + ",".join(("ca-certificates", *include)),
        suite,
        str(tree),
    ]
    return [*arguments, *_mirrors(suite)]


def _mirrors(suite: str) -> list[str]:
    """The host's own sources, if they are of this suite; else mmdebstrap's defaults."""
    lines = []
    for path in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.list"))):
        try:
            lines += path.read_text().splitlines()
        except OSError:
            continue
    used = [
        line.strip()
        for line in lines
        if line.strip().startswith("deb ") and f" {suite}" in line and "[" not in line
    ]
    if used:
        return used
    return [
        str(path)
        for path in sorted(Path("/etc/apt/sources.list.d").glob("*.sources"))
        if suite in path.read_text(errors="replace")
    ]


def _run_mmdebstrap(arguments: list[str], say: Callable[[str], None], interrupt: Interrupt) -> None:
    """Run it in a process group of its own, so that stopping takes its children too."""
    with tempfile.TemporaryFile() as log:
        running = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=process.ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        forget = interrupt.on_set(lambda: os.killpg(running.pid, 15))
        try:
            code = running.wait()
        finally:
            forget()
        log.seek(0)
        output = log.read().decode("utf-8", errors="replace")
    if interrupt.is_set:
        raise errors.Interrupted("the bootstrap was stopped")
    if code != 0:
        tail = "\n".join(output.splitlines()[-12:])
        message = f"mmdebstrap exited with {code}:\n{tail}"
        raise errors.ImageError(message, hint="Is the package mirror reachable?")
    say("installed")


def _make_tidy(tree: Path) -> None:
    """What a container image of Debian has and a bootstrapped system has not."""
    (tree / "etc/apt/apt.conf.d").mkdir(parents=True, exist_ok=True)
    (tree / "etc/apt/apt.conf.d/docker-clean").write_text(_APT_CLEAN)
    (tree / "etc/dpkg/dpkg.cfg.d").mkdir(parents=True, exist_ok=True)
    options = [option.removeprefix("--dpkgopt=") for option in _SLIM]
    (tree / "etc/dpkg/dpkg.cfg.d/excludes").write_text("\n".join(options) + "\n")
    policy = tree / "usr/sbin/policy-rc.d"
    policy.write_text(_NO_SERVICES)
    policy.chmod(0o755)
    for name in ("etc/hostname", "etc/resolv.conf", "etc/machine-id"):
        path = tree / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o644)
    for directory in ("var/lib/apt/lists", "var/cache/apt/archives", "var/log", "tmp", "run", "dev"):
        _empty(tree / directory)
    for directory in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
        (tree / directory).mkdir(parents=True, exist_ok=True)


def _empty(directory: Path) -> None:
    if not directory.is_dir() or directory.is_symlink():
        return
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def bootstrap_busybox(store: Store, reference: str, *, say: Callable[[str], None]) -> Image:
    """Make an image of the host's static busybox: every applet, root and nobody, nothing else."""
    binary = shutil.which("busybox", path=process.ENVIRONMENT["PATH"])
    if binary is None:
        message = "busybox is not installed"
        raise errors.HostUnsupported(message, hint="Install the package busybox-static (Fedora: busybox).")
    applets = process.run([binary, "--list"]).output.decode().split()
    say(f"{len(applets)} applets")
    staged = store.staging("busybox")
    tree = staged / "tree"
    try:
        _make_busybox_tree(tree, Path(binary), applets)
        layer = store.add_layer(tree)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    config = ImageConfig(environment={"PATH": PATH}, command=("sh",))
    return importer.finish(store, [layer], reference, config=config, comment="busybox-static")


def _make_busybox_tree(tree: Path, binary: Path, applets: Sequence[str]) -> None:
    for name, mode in (
        ("", 0o755), ("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777), ("var", 0o755),
        ("var/www", 0o755), ("dev", 0o755), ("proc", 0o755), ("sys", 0o755), ("usr", 0o755),
        ("home", 0o755), ("run", 0o755),
    ):  # fmt: skip
        (tree / name).mkdir(exist_ok=True)
        (tree / name).chmod(mode)
    shutil.copyfile(binary, tree / "bin/busybox")
    (tree / "bin/busybox").chmod(0o755)
    for applet in applets:
        if applet != "busybox":
            (tree / "bin" / applet).symlink_to("busybox")
    (tree / "usr/bin").symlink_to("../bin")
    (tree / "sbin").symlink_to("bin")
    (tree / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
        "www-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n"
    )
    (tree / "etc/group").write_text("root:x:0:\ndaemon:x:1:\ntty:x:5:\nwww-data:x:33:\nnogroup:x:65534:\n")
    for name in ("etc/hosts", "etc/hostname", "etc/resolv.conf"):
        (tree / name).touch(mode=0o644)
    # The same binary gives the same image: no build time in it.
    stamp = int(binary.stat().st_mtime)
    for path in sorted(tree.rglob("*"), reverse=True):
        os.utime(path, (stamp, stamp), follow_symlinks=False)
    os.utime(tree, (stamp, stamp))
