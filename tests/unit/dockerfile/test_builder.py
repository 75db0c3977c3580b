from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from composer import errors
from composer.dockerfile.builder import DockerfileBuilder
from composer.model.image import Image, ImageConfig
from composer.model.protocols import BuildRequest
from composer.model.pulling import PullPolicy
from tests.fakes.builds import Signal, Workshop

LONG = """\
ARG tag=base
FROM $tag AS compile
ARG MODE=fast
RUN make $MODE
FROM nothing-that-exists AS unused
RUN never
FROM base
ENV PORT=80
WORKDIR /srv
WORKDIR app
COPY --from=compile /etc/passwd /copied
COPY src .
COPY a.txt b.txt files/
EXPOSE $PORT
CMD ["serve"]
"""


@pytest.fixture
def stocked(shop: Workshop) -> Workshop:
    shop.write({"src/main.py": "main", "a.txt": "a", "b.txt": "b"})
    return shop


def lines(shop: Workshop, pattern: str) -> list[str]:
    return [line for line in shop.said if re.search(pattern, line)]


def test_stages_copies_and_configuration(stocked: Workshop) -> None:
    image = stocked.build(LONG, tags=("app:1",), labels={"who": "me"})
    files = stocked.files(image)
    assert files["copied"].startswith("root:")
    assert files["srv/app/main.py"] == "main"
    assert (files["srv/app/files/a.txt"], files["srv/app/files/b.txt"]) == ("a", "b")
    assert not any(name.startswith("ran-") for name in files)
    config = image.config
    assert (config.working_dir, config.command, config.exposed_ports) == ("/srv/app", ("serve",), ("80/tcp",))
    assert config.labels == {"who": "me"}
    assert stocked.store.get("app:1").id == image.id
    assert [h.created_by.split()[0] for h in image.history] == [
        "ENV", "WORKDIR", "WORKDIR", "COPY", "COPY", "COPY", "EXPOSE", "CMD",
    ]  # fmt: skip
    assert sum(not h.is_empty for h in image.history) == len(image.layers) - 1


def test_what_a_command_gets(stocked: Workshop) -> None:
    stocked.build(LONG, args={"MODE": "slow", "http_proxy": "p"})
    (request,) = stocked.runtime.requests
    assert request.argv == ("/bin/sh", "-c", "make $MODE")
    assert request.environment["MODE"] == "slow"
    assert request.environment["http_proxy"] == "p"
    assert request.network_namespace
    assert request.working_dir == "/"


def test_progress_is_buildkits(stocked: Workshop) -> None:
    stocked.build(LONG)
    (begun,) = lines(stocked, r"\[compile 2/2\] RUN make \$MODE$")
    number = begun.split()[0]
    said = [re.sub(r"0\.\d+", "0.0", line) for line in stocked.said if line.startswith(f"{number} ")]
    assert said == [begun, f"{number} 0.0 output of make $MODE", f"{number} DONE 0.0s"]
    assert lines(stocked, r"\[stage-2 5/6\] COPY src \.$")


def test_a_second_build_runs_nothing_and_gives_the_same_image(stocked: Workshop) -> None:
    first = stocked.build(LONG, tags=("app:1",))
    ran, mounted = len(stocked.runtime.requests), stocked.overlay.count
    second = stocked.build(LONG, tags=("app:1", "app:2"))
    assert (second.id, len(stocked.runtime.requests), stocked.overlay.count) == (first.id, ran, mounted)
    assert stocked.store.get("app:2").id == first.id
    assert len(lines(stocked, "DONE")) == 1  # the export
    assert len(lines(stocked, "CACHED")) == 8


def test_no_cache_runs_again(stocked: Workshop) -> None:
    stocked.build(LONG)
    stocked.build(LONG, no_cache=True)
    assert len(stocked.runtime.requests) == 2
    bases = {line.split()[0] for line in lines(stocked, r" 1/\d+\] FROM")}
    assert {line.split()[0] for line in lines(stocked, "CACHED")} == bases


@pytest.mark.parametrize(
    ("change", "is_cached"),
    [
        ("touch", True),
        ("content", False),
        ("mode", False),
        ("ignored", True),
        ("new", False),
        ("link", False),
    ],
)
def test_what_makes_a_copy_run_again(shop: Workshop, change: str, *, is_cached: bool) -> None:
    shop.write({"src/f": "1", ".dockerignore": "**/skip\n.dockerignore"})
    (shop.context / "src/l").symlink_to("f")
    text = "FROM base\nCOPY src /src\nRUN after\n"
    shop.build(text)
    path = shop.context / "src/f"
    match change:
        case "touch":
            os.utime(path, (1, 1))
        case "content":
            status = path.stat()
            path.write_text("2")
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        case "mode":
            path.chmod(0o700)
        case "ignored":
            shop.write({"src/skip": "x"})
        case "new":
            shop.write({"src/g": "x"})
        case _:
            (shop.context / "src/l").unlink()
            (shop.context / "src/l").symlink_to("g")
    shop.build(text)
    assert (len(shop.runtime.requests) == 1) is is_cached


@pytest.mark.parametrize(
    ("first", "second", "is_cached"),
    [
        ("RUN a", "RUN  a", True),
        ("RUN a", "# comment\nRUN a", True),
        ("RUN a", "LABEL x=y\nRUN a", True),
        ("RUN a", "ENV x=y\nRUN a", False),
        ("RUN a", "ARG x=y\nRUN a", False),
        ("RUN a", "ARG http_proxy=y\nRUN a", False),
        ("RUN a", "USER 5\nRUN a", False),
        ("RUN a", "RUN b", False),
        ("RUN a", 'SHELL ["sh", "-c"]\nRUN a', False),
        ("RUN a", "RUN --network=none a", False),
        ("ARG x\nRUN a", "RUN a", True),
    ],
)
def test_what_makes_a_command_run_again(shop: Workshop, first: str, second: str, *, is_cached: bool) -> None:
    shop.build(f"FROM base\n{first}\n")
    shop.build(f"FROM base\n{second}\n")
    assert (len(shop.runtime.requests) == 1) is is_cached


def test_proxies_do_not_touch_cache_or_history(shop: Workshop) -> None:
    first = shop.build("FROM base\nRUN a", args={"HTTP_PROXY": "http://proxy-one"})
    second = shop.build("FROM base\nRUN a", args={"HTTP_PROXY": "two"})
    assert len(shop.runtime.requests) == 1
    assert first.id == second.id
    assert "proxy-one" not in str(first)


def test_declared_arguments_are_in_the_history(shop: Workshop) -> None:
    image = shop.build("FROM base\nARG v=1\nRUN a")
    assert image.history[-1].created_by == "RUN |1 v=1 /bin/sh -c a # buildkit"


def test_a_failing_command_says_where_and_shows_its_output(shop: Workshop) -> None:
    shop.runtime.codes = {"apt-get": 100}
    with pytest.raises(errors.BuildError) as caught:
        shop.build("FROM base\n\nRUN apt-get \\\n install\n")
    assert caught.value.message == "dockerfile_inline:3: RUN apt-get install exited with 100"
    assert caught.value.output == "output of apt-get  install"
    assert lines(shop, "#2 ERROR: ")
    assert not list((shop.context.parent / "data/layers/staging").iterdir())
    assert [one.is_closed for one in shop.network.namespaces] == [True]
    shop.runtime.codes = {}
    shop.build("FROM base\n\nRUN apt-get \\\n install\n")
    assert len(shop.runtime.requests) == 2


def test_a_build_goes_on_where_the_last_one_failed(shop: Workshop) -> None:
    shop.runtime.codes = {"second": 1}
    text = "FROM base\nRUN first\nRUN second\n"
    with pytest.raises(errors.BuildError):
        shop.build(text)
    shop.runtime.codes = {}
    shop.build(text)
    assert [one.argv[-1] for one in shop.runtime.requests] == ["first", "second", "second"]


def test_only_a_command_with_network_makes_a_namespace(shop: Workshop) -> None:
    shop.build("FROM base\nRUN --network=none a")
    assert shop.network.namespaces == []
    assert shop.runtime.requests[0].network_namespace == ""


def test_a_missing_base_is_not_found_with_its_place(shop: Workshop) -> None:
    with pytest.raises(errors.ImageNotFound, match=r"^dockerfile_inline:2: "):
        shop.build("ARG x=nope\nFROM $x\n")
    with pytest.raises(errors.ImageNotFound, match=r"^dockerfile_inline:2: "):
        shop.build("FROM base\nCOPY --from=nope:1 /a /b\n")


def test_scratch_and_image_sources(shop: Workshop) -> None:
    shop.image("tools", {"bin/tool": "tool"})
    image = shop.build('FROM scratch\nCOPY --from=tools /bin/tool /t\nENTRYPOINT ["/t"]')
    assert shop.files(image) == {"t": "tool"}
    assert image.config.entrypoint == ("/t",)


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("COPY a.txt /x", {"x": "a"}),
        ("COPY *.txt /d/", {"d/a.txt": "a", "d/b.txt": "b"}),
        ('COPY ["a.txt", "/with space"]', {"with space": "a"}),
        ("ENV d=/deep/er\nCOPY a.txt $d/", {"deep/er/a.txt": "a"}),
        ("ARG d=dir\nWORKDIR /w\nCOPY a.txt ${d}/x", {"w/dir/x": "a"}),
        ("COPY <<F /f\nx$y\nF", {"f": "x\n"}),
        ("ENV y=1\nCOPY <<F <<'G' /d/\nx$y\nF\nx$y\nG", {"d/F": "x1\n", "d/G": "x$y\n"}),
        ("COPY nothing* /d/", {}),
        ("ADD a.txt /x", {"x": "a"}),
        ("COPY ../../a.txt /x", {"x": "a"}),
    ],
)
def test_copies(stocked: Workshop, text: str, files: dict[str, str]) -> None:
    assert stocked.files(stocked.build(f"FROM scratch\n{text}\n")) == files


def test_owner_and_mode(stocked: Workshop) -> None:
    me = f"{os.getuid()}:{os.getgid()}"
    image = stocked.build(f"FROM base\nARG m=4711\nCOPY --chown={me} --chmod=$m a.txt /x")
    assert stocked.mode(image, "x") == 0o4711


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("COPY missing /x", "not found"),
        ("COPY --chown=nobody a.txt /x", "unable to find user 'nobody'"),
        ("COPY --chmod=u+y a.txt /x", "invalid --chmod"),
        ("COPY --chmod=77777 a.txt /x", "invalid --chmod"),
        ("COPY *.txt /x", "must be a directory"),
        ("COPY a.txt /etc/passwd/x", "directory"),
        ("ENV d=/x\nCOPY a.txt b.txt $d", "must be a directory"),
        ("WORKDIR /etc/passwd", "not a directory"),
        ("WORKDIR $nope", "blank"),
        ("ENV a='", "single-quote"),
    ],
)
def test_refused(stocked: Workshop, text: str, part: str) -> None:
    with pytest.raises(errors.BuildError) as caught:
        stocked.build(f"FROM base\n{text}\n")
    assert re.match(r"dockerfile_inline:[23]: ", caught.value.message)
    assert part in caught.value.message


def test_triggers_run_in_the_child_only(shop: Workshop) -> None:
    shop.write({"f": "f"})
    parent = shop.build("FROM base\nONBUILD COPY f /f\nONBUILD RUN triggered\n", tags=("parent",))
    assert parent.config.on_build == ("COPY f /f", "RUN triggered")
    child = shop.build("FROM parent\nRUN own", tags=("child",))
    assert child.config.on_build == ()
    assert [one.argv[-1] for one in shop.runtime.requests] == ["triggered", "own"]
    shop.build("FROM child\nRUN grandchild")
    assert [one.argv[-1] for one in shop.runtime.requests][2:] == ["grandchild"]


def test_unused_arguments_and_maintainers_are_mentioned(shop: Workshop) -> None:
    shop.build("FROM base\nARG a\nMAINTAINER me\n", args={"a": "1", "b": "2", "no_proxy": "x"})
    assert lines(shop, r"build-args \[b\] were not consumed")
    assert lines(shop, "MaintainerDeprecated: .* [(]line 3[)]")


def test_findings_are_said_in_the_end(shop: Workshop) -> None:
    shop.build("FROM base\nCMD x\nENV A=$NOTHING\n")
    heading = shop.said.index("2 warnings found (use --check to see the lines):")
    assert [line.split(":")[0] for line in shop.said[heading + 1 :]] == [
        " - JSONArgsRecommended",
        " - UndefinedVar",
    ]
    shop.build('FROM base\nCMD ["x"]\n')
    assert not lines(shop, "warning")


def test_findings_that_are_errors_stop_a_build_before_it_begins(shop: Workshop) -> None:
    with pytest.raises(errors.BuildError, match="lint violation found for rules: JSONArgsRecommended"):
        shop.build("# check=error=true\nFROM base\nRUN x\nCMD x\n")
    assert shop.runtime.requests == []
    assert lines(shop, ">>> CMD x")


def test_a_check_builds_nothing(shop: Workshop) -> None:
    shop.write({"Dockerfile": "FROM base\nRUN x\nCOPY secret /\nCMD x\n", ".dockerignore": "secret"})
    builder = DockerfileBuilder(shop.store, shop.runtime, shop.network)  # type: ignore[arg-type]
    texts = builder.check(BuildRequest(context=shop.context), Signal())
    assert [text.split()[1] for text in texts] == ["CopyIgnoredFile", "JSONArgsRecommended"]
    assert shop.runtime.requests == []


def test_it_stops_when_told(stocked: Workshop) -> None:
    with pytest.raises(errors.Interrupted):
        stocked.build(LONG, interrupt=Signal(after=3))
    assert not list((stocked.context.parent / "data/layers/staging").iterdir())


def test_a_fixed_time_gives_the_same_image_in_another_store(tmp_path: Path) -> None:
    from tests.fakes import builds

    ids = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shop = builds.workshop(tmp_path / name)
        shop.write({"f": "f"})
        image = shop.build("FROM scratch\nCOPY f /d/f\n", args={"SOURCE_DATE_EPOCH": "1000"})
        assert image.created == "1970-01-01T00:16:40Z"
        ids.append(image.id)
    assert ids[0] == ids[1]


def test_a_missing_context_is_named(shop: Workshop) -> None:
    shop.context.rmdir()
    with pytest.raises(errors.BuildError, match="unable to read the build context"):
        shop.build("FROM base")


def test_the_default_shell_form_uses_the_images_shell(shop: Workshop) -> None:
    shop.image("shelly", {"x": ""}, ImageConfig(shell=("/bin/bash", "-ec"), working_dir="/w"))
    image = shop.build("FROM shelly\nRUN a\nCMD b")
    assert shop.runtime.requests[0].argv == ("/bin/bash", "-ec", "a")
    assert shop.runtime.requests[0].working_dir == "/w"
    assert image.config.command == ("/bin/bash", "-ec", "b")


class _Source:
    """Fetches every image as a copy of ``base``; several at once must meet when there is a ``meeting``."""

    def __init__(self, shop: Workshop, meeting: threading.Barrier | None = None) -> None:
        self.shop = shop
        self.meeting = meeting
        self.asked: list[tuple[str, str]] = []

    def ensure(self, name: str, policy: PullPolicy, **_: object) -> Image:
        self.asked.append((name, policy.text))
        if self.meeting is not None:
            self.meeting.wait()
        return self.shop.store.get("base")


def test_missing_bases_are_fetched_side_by_side_and_once(shop: Workshop) -> None:
    source = _Source(shop, threading.Barrier(2, timeout=20))
    shop.source = source  # type: ignore[assignment]
    shop.build(
        "FROM one AS a\nFROM two AS b\nFROM base\n"
        "COPY --from=a /etc/group /1\nCOPY --from=b /etc/group /2\nCOPY --from=one /etc/group /3\n"
    )
    assert sorted(source.asked) == [("one", "missing"), ("two", "missing")]
    assert len(lines(shop, r"\[internal\] pull (one|two)")) == 2


def test_pull_asks_for_what_is_there_too(shop: Workshop) -> None:
    source = _Source(shop)
    shop.source = source  # type: ignore[assignment]
    shop.build("FROM base\n", pulls=True)
    assert source.asked == [("base", "always")]
