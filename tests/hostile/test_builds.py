"""Builds that try to leave their context, their root or their bounds (reliability.md, section 4).

Each test is one attack and one statement: it was refused or stayed inside, and the host is as it was.
"""

from __future__ import annotations

import io
import os
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer import errors
from composer.dockerfile import ignore
from tests.fakes import builds
from tests.fakes.builds import Workshop

CANARY = "canary, must not be seen or changed"


def picture(directory: Path) -> list[tuple[object, ...]]:
    """Everything about a tree that an attack could change."""
    found: list[tuple[object, ...]] = []
    for path in sorted([directory, *directory.rglob("*")]):
        status = path.lstat()
        content = path.read_text() if path.is_file() and not path.is_symlink() else ""
        found.append((str(path), content, status.st_mode, status.st_uid, status.st_nlink, status.st_ino))
    return found


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A workshop beside a canary that no build may see or touch."""
    (tmp_path / "canary/etc").mkdir(parents=True)
    for name in ("secret", "etc/passwd"):
        (tmp_path / "canary" / name).write_text(CANARY)
    builds.keep_owners(monkeypatch)
    before = picture(tmp_path / "canary")
    made = builds.workshop(tmp_path)
    yield made
    assert picture(tmp_path / "canary") == before
    for image in made.store.list():
        assert CANARY not in made.files(image).values()


def refused(shop: Workshop, dockerfile: str, part: str) -> None:
    with pytest.raises(errors.BuildError) as caught:
        shop.build(dockerfile)
    assert part in caught.value.message
    assert caught.value.message.startswith(("dockerfile_inline:", ".dockerignore"))


# --------------------------------------------------------------------------- B1, B2: out of the context


@pytest.mark.parametrize(
    "source", ["../canary/secret", "../../../../../../etc/passwd", "/etc/passwd", "a/../../x"]
)
def test_b1_dots_stop_at_the_context(shop: Workshop, source: str) -> None:
    refused(shop, f"FROM base\nCOPY {source} /x\n", "not found")


@pytest.mark.parametrize("source", ["link", "link/", "dir/secret", "*nk", "dir/*"])
def test_b2_links_out_of_the_context_lead_nowhere(shop: Workshop, source: str) -> None:
    canary = shop.context.parent / "canary"
    (shop.context / "link").symlink_to(canary / "secret")
    (shop.context / "dir").symlink_to(canary)
    if source == "dir/*":
        assert shop.files(shop.build(f"FROM scratch\nCOPY {source} /x/\n")) == {}
    else:
        refused(shop, f"FROM base\nCOPY {source} /x\n", "not found")


def test_b2_links_inside_a_directory_are_copied_as_links(shop: Workshop) -> None:
    canary = shop.context.parent / "canary"
    (shop.context / "src").mkdir()
    (shop.context / "src/link").symlink_to(canary / "secret")
    image = shop.build("FROM scratch\nCOPY src /x\n")
    assert shop.files(image) == {"x/link": f"-> {canary}/secret"}


def test_b2_a_directory_swapped_for_a_link_during_the_build(shop: Workshop) -> None:
    canary = shop.context.parent / "canary"
    source, aside = shop.context / "src", shop.context.parent / "aside"
    for number in range(50):
        shop.write({f"src/deep/secret{number}": "own"})
    (shop.context.parent / "link").symlink_to(canary)
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            os.rename(source, aside)
            os.symlink(canary, source)
            os.unlink(source)
            os.rename(aside, source)

    thread = threading.Thread(target=swap)
    thread.start()
    outcomes = set()
    try:
        for _ in range(40):
            try:
                files = shop.build("FROM scratch\nCOPY src /x\n", no_cache=True)
                outcomes |= set(shop.files(files).values())
            except errors.BuildError:
                outcomes.add("refused")
    finally:
        is_over.set()
        thread.join()
    # The link itself, as a link, is what stood there at that moment; nothing behind it is ever read.
    assert outcomes <= {"own", "refused", f"-> {canary}"}


def test_b2_the_ignore_file_and_dockerfile_may_not_be_devices(shop: Workshop) -> None:
    os.mkfifo(shop.context / ".dockerignore")
    assert shop.build("FROM base").layers  # a fifo is no ignore file: nothing waits for it
    (shop.context / ".dockerignore").unlink()
    (shop.context / ".dockerignore").symlink_to("/dev/zero")
    assert shop.build("FROM base").layers


# --------------------------------------------------------------------------- B3, B4: what is in the context


def test_b3_patterns_cannot_explode() -> None:
    rules = ignore.parse(
        "\n".join(["**/" + "a*" * 30 + "b", "**/".join("x" * 40), "!" + "*/" * 40 + "c"] * 5)
    )
    begun = time.process_time()
    marks, path = rules.top, ""
    for _ in range(20):  # as a walk does it
        path = f"{path}/{'a' * 100}".lstrip("/")
        marks = rules.marks(path, marks)
        assert not rules.is_ignored(rules.marks(f"{path}/x", marks))
    assert time.process_time() - begun < 1


def test_b4_special_files(shop: Workshop) -> None:
    shop.write({"src/f": "f"})
    os.mkfifo(shop.context / "src/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(shop.context / "src/sock"))
        image = shop.build("FROM scratch\nCOPY src/f src/sock* /x/\nCOPY src/pip* /y/\n")
    assert shop.files(image) == {"x/f": "f"}


@pytest.mark.root
def test_b4_devices_are_refused_unread(shop: Workshop) -> None:
    (shop.context / "src").mkdir()
    os.mknod(shop.context / "src/zero", 0o20666, os.makedev(1, 5))
    refused(shop, "FROM base\nCOPY src /x\n", "is a device")


def test_b4_many_files(shop: Workshop) -> None:
    for number in range(3000):
        shop.write({f"many/{number % 50}/{number}": ""})
    begun = time.monotonic()
    image = shop.build("FROM scratch\nCOPY many /m\n")
    assert len(shop.files(image)) == 3000
    assert time.monotonic() - begun < 20


# --------------------------------------------------------------------------- B5: archives


def archive(*entries: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as out:
        for fields in entries:
            content = str(fields.get("content", "")).encode()
            header = tarfile.TarInfo(str(fields["name"]))
            header.size = len(content)
            for name, value in fields.items():
                if name not in {"name", "content"}:
                    setattr(header, name, value)
            out.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


FILE = {"content": "evil", "mode": 0o644}
ESCAPES = {
    "dots": [{"name": "../x", **FILE}],
    "dots inside": [{"name": "a/../../x", **FILE}],
    "hard link out": [{"name": "h", "type": tarfile.LNKTYPE, "linkname": "../../canary/secret"}],
    "hard link absolute": [{"name": "h", "type": tarfile.LNKTYPE, "linkname": "/canary/secret"}],
    "hard link to a later entry": [
        {"name": "h", "type": tarfile.LNKTYPE, "linkname": "late"},
        {"name": "late", **FILE},
    ],
    "hard link to a directory": [{"name": "h", "type": tarfile.LNKTYPE, "linkname": "."}],
    "whiteout": [{"name": ".wh.etc", **FILE}],
    "opaque": [{"name": "d/.wh..wh..opq", **FILE}],
    "device 0:0": [{"name": "w", "type": tarfile.CHRTYPE}],
    "unknown type": [
        {"name": "u", "type": b"Z", "content": ""},
        {"name": "h", "type": tarfile.LNKTYPE, "linkname": "x"},
    ],
    "owner": [{"name": "o", "uid": 2**32 - 1, **FILE}],
    "long name": [{"name": "n" * 300, **FILE}],
    "file below a file": [{"name": "f", **FILE}, {"name": "f/g", **FILE}],
    "file over a directory": [{"name": "d/x", **FILE}, {"name": "d", **FILE}],
    "empty link": [{"name": "l", "type": tarfile.SYMTYPE, "linkname": ""}],
}


@pytest.mark.parametrize("name", ESCAPES)
def test_b5_refused_archives(shop: Workshop, name: str) -> None:
    shop.write({"a.tar": archive(*ESCAPES[name])})
    with pytest.raises(errors.BuildError, match=r"^dockerfile_inline:2: ADD"):
        shop.build("FROM base\nADD a.tar /x/\n")


@pytest.mark.parametrize(
    "target", ["/canary", "../../../../../canary", "/", "..", "/proc/self/root", "/proc/self/cwd"]
)
def test_b5_links_in_archives_lead_inside_the_root(shop: Workshop, target: str) -> None:
    real = str(shop.context.parent / "canary")
    target = target.replace("/canary", real) if target == "/canary" else target
    shop.write(
        {
            "a.tar": archive(
                {"name": "l", "type": tarfile.SYMTYPE, "linkname": target},
                {"name": "l/secret", **FILE},
                {"name": "l/etc/passwd", **FILE},
            )
        }
    )
    files = shop.files(shop.build("FROM scratch\nADD a.tar /x/\n"))
    assert [content for content in files.values() if content == "evil"] == ["evil", "evil"]


def test_b5_overlay_attributes_are_dropped(shop: Workshop) -> None:
    headers = {"SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.overlay.redirect": "/etc"}
    shop.write({"a.tar": archive({"name": "d/f", "pax_headers": headers, **FILE})})
    image = shop.build("FROM scratch\nADD a.tar /x/\n")
    path = shop.store.layer_paths(image)[0] / "x/d/f"
    assert not [name for name in os.listxattr(path) if "overlay" in name]


def test_b5_a_header_that_claims_to_be_huge_is_not_read(shop: Workshop) -> None:
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    header.size = 1 << 36
    shop.write(
        {"a.tar": archive({"name": "f", **FILE})[:1024] + header.tobuf(tarfile.GNU_FORMAT) + b"\0" * 2048}
    )
    refused(shop, "FROM base\nADD a.tar /x/\n", "too large")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/y", "http://127.0.0.1:1/y.git#main", "https://127.0.0.1:1/"]
)
def test_b5_what_cannot_be_fetched_is_an_error(shop: Workshop, url: str) -> None:
    refused(shop, f"FROM base\nADD {url} /x/\n", "cannot fetch")


@pytest.mark.parametrize("url", ["https://x/y.git#--upload-pack=x", "https://x/y.git#a..b", "git@x:y#a b"])
def test_b5_references_are_no_options(shop: Workshop, url: str) -> None:
    refused(shop, f'FROM base\nADD ["{url}", "/x/"]\n', "invalid git reference")


# --------------------------------------------------------------------------- B6 to B9: flags of BuildKit


def test_b6_ids_of_caches_are_no_paths(shop: Workshop) -> None:
    shop.build("FROM base\nRUN --mount=type=cache,id=../../x,target=/x evil\n")
    (request,) = shop.runtime.requests
    (bind,) = request.binds
    assert bind.source.resolve().is_relative_to(shop.store.build_state)


def test_b6_links_in_a_cache_lead_nowhere_else(shop: Workshop) -> None:
    shop.build("FROM base\nRUN --mount=type=cache,id=c,target=/x evil\n")
    tree = shop.runtime.requests[0].binds[0].source
    (tree / "link").symlink_to(shop.context.parent / "canary")
    refused(shop, "FROM base\nRUN --mount=type=cache,id=c,source=link,target=/x a\n", "no directory link")


@pytest.mark.parametrize("flags", ["--network=host", "--security=insecure"])
def test_b9_weaker_isolation_needs_an_entitlement(shop: Workshop, flags: str) -> None:
    refused(shop, f"FROM base\nRUN first\nRUN {flags} evil\n", "lacks the entitlement")
    assert shop.runtime.requests == []


def test_b9_also_in_a_trigger(shop: Workshop) -> None:
    shop.build("FROM base\nONBUILD RUN --network=host evil\n", tags=("parent",))
    with pytest.raises(errors.BuildError, match="lacks the entitlement"):
        shop.build("FROM parent\n")
    assert shop.runtime.requests == []


# --------------------------------------------------------------------------- B10: working directories


@pytest.mark.parametrize("number", [3, 8, 1023])
@pytest.mark.parametrize(
    "text", ["WORKDIR /proc/self/fd/{0}", "WORKDIR /proc/self\nWORKDIR fd/{0}", "WORKDIR /x/../proc/1/fd/{0}"]
)
def test_b10_no_step_works_in_proc(shop: Workshop, text: str, number: int) -> None:
    refused(shop, f"FROM base\n{text.format(number)}\nRUN evil\n", "below /proc is refused")
    assert shop.runtime.requests == []


def test_b10_nor_through_a_link_or_by_the_base_image(shop: Workshop) -> None:
    shop.write({"a.tar": archive({"name": "l", "type": tarfile.SYMTYPE, "linkname": "/proc/self"})})
    refused(shop, "FROM base\nADD a.tar /\nWORKDIR /l/fd/7\n", "below /proc is refused")
    from composer.model.image import ImageConfig

    shop.image("evil", {"x": ""}, ImageConfig(working_dir="/proc/self/fd/8"))
    refused(shop, "FROM evil\nRUN x\n", "below /proc is refused")


# --------------------------------------------------------------------------- B13: hostile text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "FROM base\nRUN <<EOF",
        "FROM base\nRUN <<A <<B\nA\n",
        "# escape=x\nFROM base",
        "FROM base\nONBUILD ONBUILD RUN x",
        "FROM a AS b\nFROM b AS a\nCOPY --from=c / /\nFROM a AS c",
        "FROM base\nENV a=${b:-" + "${c:-" * 5000,
        "FROM ${x:-${x:-${x}}}",
        "FROM base\nEXPOSE 1-999999999",
        "FROM base\nCOPY",
        "FROM base\nCMD " + "[" * 100_000,
    ],
)
def test_b13_texts_are_refused_or_built_quickly(shop: Workshop, text: str) -> None:
    begun = time.monotonic()
    try:
        shop.build(text)
    except errors.ComposerError as error:
        assert "dockerfile_inline" in error.message
    assert time.monotonic() - begun < 5


def test_b13_a_line_of_a_megabyte_reaches_the_command(shop: Workshop) -> None:
    shop.build("FROM base\nRUN " + "x" * (1 << 20))
    assert len(shop.runtime.requests[0].argv[-1]) == 1 << 20
    assert max(map(len, shop.said)) < (1 << 20) + 100


def test_b13_an_image_whose_triggers_hold_nonsense(shop: Workshop) -> None:
    from composer.model.image import ImageConfig

    shop.image("evil", {"x": ""}, ImageConfig(on_build=("ONBUILD RUN x", "FROM evil")))
    with pytest.raises(errors.BuildError, match=r"^ONBUILD of evil:1: "):
        shop.build("FROM evil\n")


# --------------------------------------------------------------------------- B14: the cache


@pytest.mark.parametrize("change", ["content", "mode"])
def test_b14_equal_times_and_sizes_do_not_hide_a_change(shop: Workshop, change: str) -> None:
    shop.write({"f": "good"})
    path = shop.context / "f"
    os.utime(path, (1000, 1000))
    first = shop.build("FROM scratch\nCOPY f /f\n")
    if change == "content":
        path.write_text("evil")
    else:
        path.chmod(0o4755)
    os.utime(path, (1000, 1000))
    second = shop.build("FROM scratch\nCOPY f /f\n")
    assert first.layers != second.layers
    if change == "content":
        assert shop.files(second) == {"f": "evil"}
    else:
        assert shop.mode(second, "f") == 0o4755


def test_b14_a_context_that_changes_while_it_is_copied_poisons_nothing(shop: Workshop) -> None:
    shop.write({"f": "good"})
    real = shop.overlay.mount

    def mount(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        (shop.context / "f").write_text("evil")

    shop.overlay.mount = mount  # type: ignore[method-assign]
    refused(shop, "FROM scratch\nCOPY f /f\n", "changed while the build copied it")
    shop.overlay.mount = real  # type: ignore[method-assign]
    shop.write({"f": "good"})
    assert shop.files(shop.build("FROM scratch\nCOPY f /f\n")) == {"f": "good"}
