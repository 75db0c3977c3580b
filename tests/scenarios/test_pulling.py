"""Images that come from a registry while a stack comes up: policies, moved tags, bases of builds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.peers.registry import Registry
from tests.scenarios.conftest import Store

pytestmark = [pytest.mark.root, pytest.mark.scenario, pytest.mark.peer]


@pytest.fixture
def publish(store: Store, registry: Registry):
    """Builds an image that says what it is told and pushes it; the store forgets it again."""

    def publish(name: str, said: str) -> str:
        full = f"{registry.host}/{name}"
        service = {
            "image": full,
            "build": {"context": ".", "dockerfile_inline": f"FROM busybox\nRUN echo {said} > /said\n"},
        }
        stack = store.stack(f"publish{len(store.stacks)}x", f"services: {json.dumps({'a': service})}\n")
        stack.ok("build")
        stack.ok("push")
        stack.ok("image", "rm", full)
        return full

    return publish


def text_of(*services: tuple[str, dict[str, object]]) -> str:
    idle = {"command": ["sleep", "1000"], "stop_signal": "SIGKILL"}
    return f"services: {json.dumps({name: {**idle, **fields} for name, fields in services})}\n"


def test_what_is_missing_is_pulled_and_runs(store: Store, publish) -> None:
    image = publish("missing:1", "one")
    stack = store.stack("pullmissing", text_of(("a", {"image": image})))
    planned = stack.call("plan")
    assert f"pull image {image}: the image is missing" in planned.stdout
    said = stack.ok("up", "-d")
    assert f"Image {image} Pulled" in said
    assert stack.ok("exec", "-T", "a", "cat", "/said").strip() == "one"
    assert "nothing to do" in stack.ok("up", "-d")


def test_a_moved_tag_recreates_under_always(store: Store, publish) -> None:
    image = publish("moving:1", "one")
    stack = store.stack("pullalways", text_of(("a", {"image": image}), ("b", {"image": "busybox"})))
    stack.ok("up", "-d")
    before = stack.pid("b-1")
    former = stack.ok("image", "inspect", "-f", "{{.Id}}", image).strip()
    publish("moving:1", "two")
    stack.ok("image", "tag", former, image)
    assert "nothing to do" in stack.ok("up", "-d")
    said = stack.ok("up", "-d", "--pull", "always", "a")
    assert "Pulled" in said
    assert stack.ok("exec", "-T", "a", "cat", "/said").strip() == "two"
    assert stack.pid("b-1") == before
    pid = stack.pid("a-1")
    stack.ok("up", "-d", "--pull", "always", "--quiet-pull", "a")
    assert stack.pid("a-1") == pid, "what did not move is left alone"


def test_never_means_never(store: Store, registry: Registry) -> None:
    image = f"{registry.host}/nowhere:1"
    stack = store.stack("pullnever", text_of(("a", {"image": image, "pull_policy": "never"})))
    refused = stack.call("up", "-d")
    assert refused.returncode == 18
    assert "pull policy forbids" in refused.stderr


def test_an_image_that_nobody_has(store: Store, registry: Registry) -> None:
    image = f"{registry.host}/nowhere:1"
    stack = store.stack("pullnowhere", text_of(("a", {"image": image}), ("b", {"image": "busybox"})))
    refused = stack.call("up", "-d")
    assert refused.returncode == 18
    assert f"{registry.host} does not have nowhere:1" in refused.stderr
    assert "hint: Check the name and the tag" in refused.stderr


def test_a_build_takes_over_where_the_pull_fails(store: Store, registry: Registry) -> None:
    build = {"context": ".", "dockerfile_inline": "FROM busybox\nRUN echo built > /said\n"}
    service = {"image": f"{registry.host}/only-built:1", "build": build, "pull_policy": "always"}
    stack = store.stack("pullbuild", text_of(("a", service)))
    said = stack.ok("up", "-d")
    assert "the image is built instead" in said
    assert stack.ok("exec", "-T", "a", "cat", "/said").strip() == "built"


def test_the_base_of_a_build_is_pulled(store: Store, publish) -> None:
    base = publish("base:1", "base")
    build = {"context": ".", "dockerfile_inline": f"FROM {base}\nRUN echo and more >> /said\n"}
    stack = store.stack("pullbase", text_of(("a", {"build": build})))
    stack.ok("up", "-d")
    assert stack.ok("exec", "-T", "a", "cat", "/said").split() == ["base", "and", "more"]


def test_run_pulls_too(store: Store, publish) -> None:
    image = publish("run:1", "one")
    stack = store.stack("pullrun", text_of(("a", {"image": image})))
    done = stack.call("run", "--rm", "-T", "--quiet-pull", "a", "cat", "/said")
    assert (done.stdout, done.returncode) == ("one\n", 0)
    assert "Pulled" not in done.stderr
    publish("run:1", "two")
    assert stack.call("run", "--rm", "-T", "--pull", "always", "a", "cat", "/said").stdout == "two\n"


def test_credentials_are_those_of_who_asks(store: Store, private_registry: Registry, tmp_path: Path) -> None:
    """The supervisor pulls in the name of the command, also one that was started before the login."""
    ((user, password),) = private_registry.users.items()
    image = f"{private_registry.host}/mine:1"
    stack = store.stack("pulllogin", text_of(("b", {"image": "busybox"})))
    stack.ok("up", "-d")
    (stack.directory / "compose.yaml").write_text(
        f"name: {stack.name}\n{text_of(('a', {'image': image}), ('b', {'image': 'busybox'}))}"
    )
    refused = stack.call("up", "-d", DOCKER_CONFIG=str(tmp_path))
    assert refused.returncode == 18
    assert "wants a login" in refused.stderr
    stack.ok("image", "tag", "busybox", image)
    stack.ok("login", "-u", user, "-p", password, private_registry.host, DOCKER_CONFIG=str(tmp_path))
    stack.ok("image", "push", image, DOCKER_CONFIG=str(tmp_path))
    stack.ok("image", "rm", image)
    stack.ok("up", "-d", DOCKER_CONFIG=str(tmp_path))
    assert "a-1" in stack.rows()
