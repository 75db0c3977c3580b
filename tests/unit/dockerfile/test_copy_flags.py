"""COPY and ADD with --parents, --exclude, --link and --chmod; named contexts (Dockerfile reference)."""

from __future__ import annotations

import re

import pytest

from composer import errors
from tests.fakes.builds import Workshop


@pytest.fixture
def stocked(shop: Workshop) -> Workshop:
    shop.write(
        {
            "x/a.txt": "xa", "x/deep/b.txt": "xb", "x/deep/c.md": "xc", "y/a.txt": "ya", "top.txt": "t",
            "run.sh": "run", "hom1.txt": "1", "home": "2", "hom2": "3",
        }
    )  # fmt: skip
    return shop


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("COPY x/a.txt y/a.txt /d/", {"d/a.txt": "ya"}),
        ("COPY --parents x/a.txt y/a.txt /d/", {"d/x/a.txt": "xa", "d/y/a.txt": "ya"}),
        ("COPY --parents x/./deep/b.txt /d/", {"d/deep/b.txt": "xb"}),
        ("COPY --parents ./x/./deep/b.txt ./top.txt /d/", {"d/deep/b.txt": "xb", "d/top.txt": "t"}),
        ("COPY --parents */a.txt /d/", {"d/x/a.txt": "xa", "d/y/a.txt": "ya"}),
        ("COPY --parents **/*.txt /d/", {
            "d/x/a.txt": "xa", "d/x/deep/b.txt": "xb", "d/y/a.txt": "ya", "d/top.txt": "t", "d/hom1.txt": "1",
        }),
        ("COPY --parents x/**/c.md /d/", {"d/x/deep/c.md": "xc"}),
        ("COPY --parents x/deep /d/", {"d/x/deep/b.txt": "xb", "d/x/deep/c.md": "xc"}),
        ("COPY --parents nothing* /d/", {}),
        ("COPY --parents ../../x/a.txt /d/", {"d/x/a.txt": "xa"}),
        ("COPY --exclude=*.txt hom* /d/", {"d/home": "2", "d/hom2": "3"}),
        ("COPY --exclude=**/*.txt x /d/", {"d/deep/c.md": "xc"}),
        ("COPY --exclude=deep --exclude=*.md x /d/", {"d/a.txt": "xa"}),
        ("COPY --exclude=deep/* --exclude=!deep/b.txt x /d/", {"d/a.txt": "xa", "d/deep/b.txt": "xb"}),
        ("COPY --parents --exclude=**/deep x /d/", {"d/x/a.txt": "xa"}),
        ("ADD --exclude=*.md x/deep /d/", {"d/b.txt": "xb"}),
        ("COPY --link x /d/", {"d/a.txt": "xa", "d/deep/b.txt": "xb", "d/deep/c.md": "xc"}),
    ],
)  # fmt: skip
def test_what_is_copied(stocked: Workshop, text: str, files: dict[str, str]) -> None:
    assert stocked.files(stocked.build(f"FROM scratch\n{text}\n")) == files


def test_parents_keep_their_modes(stocked: Workshop) -> None:
    (stocked.context / "x").chmod(0o700)
    image = stocked.build("FROM scratch\nCOPY --parents x/deep/b.txt /d/\n")
    assert stocked.mode(image, "d/x") == 0o700
    assert stocked.mode(image, "d") == 0o755


def test_symbolic_modes_are_those_of_each_file(stocked: Workshop) -> None:
    (stocked.context / "run.sh").chmod(0o755)
    image = stocked.build("FROM scratch\nARG who=go\nCOPY --chmod=$who=rX,u+w x run.sh /d/\n")
    assert stocked.mode(image, "d/run.sh") == 0o755
    assert stocked.mode(image, "d/a.txt") == 0o644
    assert stocked.mode(image, "d/deep") == 0o755


def test_a_linked_copy_is_the_same_layer_on_every_base(stocked: Workshop) -> None:
    first = stocked.build("FROM base\nCOPY --link top.txt /t\n")
    second = stocked.build("FROM base\nRUN other\nCOPY --link top.txt /t\n")
    assert first.layers[-1] == second.layers[-1]
    assert "#3 CACHED" in stocked.said


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("COPY --link --chown=root top.txt /t", "unable to find user"),
        ("COPY --parents nothing /d/", "not found"),
        ("COPY --exclude=[ x /d/", "syntax error in pattern"),
        ("COPY --chmod=999 top.txt /t", "invalid --chmod"),
        ("COPY --from=nowhere --parents x /d/", "nowhere"),
    ],
)
def test_refused(stocked: Workshop, text: str, part: str) -> None:
    with pytest.raises((errors.BuildError, errors.ImageNotFound), match=re.escape(part)):
        stocked.build(f"FROM base\n{text}\n")


def test_exclusion_is_part_of_the_key(stocked: Workshop) -> None:
    stocked.build("FROM base\nCOPY x /d/\nRUN after\n")
    stocked.build("FROM base\nCOPY --exclude=**/*.md x /d/\nRUN after\n")
    assert len(stocked.runtime.requests) == 2


# --------------------------------------------------------------------------- named contexts


def test_a_directory_has_its_own_ignore_file(stocked: Workshop) -> None:
    other = stocked.context.parent / "other"
    (other / "in").mkdir(parents=True)
    (other / "in/f").write_text("f")
    (other / "hidden").write_text("h")
    (other / ".dockerignore").write_text("hidden\n.dockerignore\n")
    contexts = {"Other": str(other)}
    image = stocked.build("FROM scratch\nCOPY --from=other . /d/\n", contexts=contexts)
    assert stocked.files(image) == {"d/in/f": "f"}
    based = stocked.build("FROM other\nCOPY top.txt /t\n", contexts=contexts)
    assert stocked.files(based) == {"in/f": "f", "t": "t"}


def test_an_image_takes_the_place_of_another_or_of_a_stage(stocked: Workshop) -> None:
    stocked.image("real", {"marker": "real"})
    image = stocked.build("FROM alpine:latest\n", contexts={"alpine": "docker-image://real"})
    assert stocked.files(image) == {"marker": "real"}
    image = stocked.build(
        "FROM nowhere AS dep\nRUN never\nFROM scratch\nCOPY --from=dep /marker /m\n",
        contexts={"dep": "docker-image://real"},
    )
    assert stocked.files(image) == {"m": "real"}
    assert stocked.runtime.requests == []


def test_a_missing_directory_is_named(stocked: Workshop) -> None:
    with pytest.raises(errors.BuildError, match="/nowhere"):
        stocked.build("FROM scratch\nCOPY --from=c a /\n", contexts={"c": "/nowhere"})


# --------------------------------------------------------------------------- stages


def test_only_what_a_mount_needs_is_built(stocked: Workshop) -> None:
    stocked.build(
        "FROM base AS needed\nRUN needed\nFROM base AS unused\nRUN unused\n"
        "FROM base\nRUN --mount=from=needed,target=/x last\n"
    )
    assert sorted(one.argv[-1] for one in stocked.runtime.requests) == ["last", "needed"]


def test_a_trigger_may_read_an_earlier_stage(stocked: Workshop) -> None:
    stocked.build("FROM base\nONBUILD COPY --from=assets /top.txt /from-trigger\n", tags=("parent",))
    image = stocked.build("FROM scratch AS assets\nCOPY top.txt /\nFROM parent\n")
    assert stocked.files(image)["from-trigger"] == "t"


def test_stages_named_to_be_fresh_run_again(stocked: Workshop) -> None:
    text = "FROM base AS one\nRUN one\nFROM base AS two\nRUN two\nFROM base\nCOPY --from=one /etc/group /1\nCOPY --from=two /etc/group /2\n"
    stocked.build(text)
    stocked.build(text, uncached=("TWO",))
    assert sorted(one.argv[-1] for one in stocked.runtime.requests) == ["one", "two", "two"]


def test_a_build_without_cache_does_nothing_twice(stocked: Workshop) -> None:
    text = "FROM base AS one\nRUN same\nFROM base AS two\nRUN same\nFROM one\nCOPY --from=two /etc/group /g\n"
    stocked.build(text, no_cache=True)
    assert [one.argv[-1] for one in stocked.runtime.requests] == ["same"]


def test_an_archive_can_be_the_context(stocked: Workshop) -> None:
    import tarfile

    path = stocked.context.parent / "context.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(stocked.context / "x", "x")
    image = stocked.build_request(context=path, dockerfile_inline="FROM scratch\nCOPY x/a.txt /\n")
    assert stocked.files(image) == {"a.txt": "xa"}
