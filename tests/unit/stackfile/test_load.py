"""From text to a typed stack: every form, every source, every rule of precedence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from composer import errors
from composer.model.quantity import Duration
from composer.model.stack import Condition, MountKind, PublishedPort, RestartKind, Stack
from composer.stackfile import locate, problems
from composer.stackfile.load import LoadRequest, load_stack

Load = Callable[..., Stack]
ONE = "services: {a: {image: x%s}}\n"


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ('["80"]', [PublishedPort(target=80)]),
        ("[80]", [PublishedPort(target=80)]),
        ('["8080:80/udp"]', [PublishedPort(target=80, published=8080, protocol="udp")]),
        ('["127.0.0.1:1:2"]', [PublishedPort(target=2, published=1, host_ip="127.0.0.1")]),
        ('["127.0.0.1::2"]', [PublishedPort(target=2, host_ip="127.0.0.1")]),
        (
            '["3000-3001:4000-4001"]',
            [PublishedPort(target=4000, published=3000), PublishedPort(target=4001, published=3001)],
        ),
        ("[{target: 80, published: 8080}]", [PublishedPort(target=80, published=8080)]),
        ('["8000-8010:80"]', [PublishedPort(target=80, published=8000, last=8010)]),
        ('["[::1]:80:80/sctp"]', [PublishedPort(target=80, published=80, host_ip="::1", protocol="sctp")]),
        (
            "[{target: 80, published: '81', host_ip: '2001:DB8::0:1'}]",
            [PublishedPort(target=80, published=81, host_ip="2001:db8::1")],
        ),
        ('["80:80", "80:80"]', [PublishedPort(target=80, published=80)]),
    ],
)
def test_ports(stack_of: Load, ports: str, expected: list[PublishedPort]) -> None:
    assert list(stack_of(ONE % f", ports: {ports}").services["a"].ports) == expected


@pytest.mark.parametrize("port", ["0", "70000:80", "a:80", "3-1:80", "80/dccp", "1:2:3:4", "[::x]:80:80"])
def test_bad_ports_are_refused_where_they_stand(stack_of: Load, port: str) -> None:
    with pytest.raises(errors.StackFileError) as caught:
        stack_of(f'services:\n  a:\n    image: x\n    ports:\n      - "{port}"\n')
    assert [
        (problem.line, problem.path.startswith("services.a.ports[0]")) for problem in caught.value.problems
    ] == [(5, True)]


def test_environment_precedence(stack_of: Load) -> None:
    text = """
services:
  a:
    image: x
    env_file: [one.env, {path: two.env}, {path: absent.env, required: false}]
    environment: {FROM_FILE: "written", CALLER: , ABSENT: , NUMBER: 1.50, YES: yes, "TRUE": true}
"""
    files = {
        "one.env": "FROM_FILE=1\nBOTH=1\nONLY=o # comment\nQ='$X'\n",
        "two.env": "BOTH=2\nREF=${ONLY}-${CALLER}\n",
    }
    service = stack_of(text, files=files, environment={"CALLER": "c"}).services["a"]
    assert service.environment == {
        "BOTH": "2", "CALLER": "c", "FROM_FILE": "written", "NUMBER": "1.5", "ONLY": "o", "Q": "$X", "REF": "o-c",
        "TRUE": "true", "YES": "yes",
    }  # fmt: skip


def test_interpolation_from_env_file_and_caller(load: Callable[..., object]) -> None:
    loaded = load(
        "services: {a: {image: '${NAME}:${TAG:-1}', command: echo $$X}}",
        files={".env": "NAME=dotenv\nTAG=\n"},
        environment={"NAME": "caller"},
    )
    stack = loaded.stack  # type: ignore[attr-defined]
    assert stack.services["a"].image == "caller:1"
    assert stack.services["a"].command == ("echo", "$X")
    assert loaded.variables["NAME"] == "caller"  # type: ignore[attr-defined]


def test_unset_variables_are_said_once(stack_of: Load) -> None:
    stack = stack_of("services: {a: {image: 'x$NOPE', command: '$NOPE'}}")
    assert len(stack.warnings) == 1
    assert "NOPE is not set" in stack.warnings[0]


def test_mounts(stack_of: Load, tmp_path: Path) -> None:
    text = """
services:
  a:
    image: x
    tmpfs: /scratch:size=1m,mode=700
    volumes:
      - ./here:/bind:ro
      - v:/named
      - /anonymous
      - {type: bind, source: ./strict, target: /strict, bind: {create_host_path: false}}
      - ~/h:/home
volumes: {v: {name: shared}}
"""
    mounts = {
        mount.target: mount for mount in stack_of(text, environment={"HOME": "/root"}).services["a"].mounts
    }
    assert (mounts["/bind"].kind, mounts["/bind"].source, mounts["/bind"].read_only) == (
        MountKind.BIND,
        str(tmp_path / "here"),
        True,
    )
    assert (mounts["/named"].kind, mounts["/named"].source) == (MountKind.VOLUME, "v")
    assert (mounts["/anonymous"].kind, mounts["/anonymous"].source) == (MountKind.VOLUME, "")
    assert mounts["/strict"].create_host_path is False
    assert mounts["/home"].source == "/root/h"
    assert (mounts["/scratch"].tmpfs_size, mounts["/scratch"].tmpfs_mode) == (1 << 20, 0o700)


def test_grants_and_material(stack_of: Load) -> None:
    text = """
services:
  a:
    image: x
    secrets: [one, {source: two, target: /else, mode: 0440, uid: "5"}]
    configs: [three]
secrets: {one: {file: one.txt}, two: {environment: TWO}}
configs: {three: {content: "hello $$1"}}
"""
    stack = stack_of(text, files={"one.txt": "1"}, environment={"TWO": "2"})
    one, two = stack.services["a"].secrets
    assert (one.target, one.mode) == ("/run/secrets/one", 0o444)
    assert (two.target, two.mode, two.uid) == ("/else", 0o440, "5")
    assert stack.services["a"].configs[0].target == "/three"
    assert stack.secrets["one"].content == b"1"
    assert stack.secrets["two"].content == b"2"
    assert stack.configs["three"].content == b"hello $1"


def test_small_attributes(stack_of: Load) -> None:
    text = """
services:
  a:
    build: {context: ./app, args: [A=1, B], target: prod}
    entrypoint: sh -c "echo 'a b'"
    command: []
    restart: on-failure:3
    stop_grace_period: 1m30s
    healthcheck: {test: curl x, interval: 5s, retries: 2}
    depends_on: [b]
    networks: {back: {aliases: [z], ipv4_address: 10.1.0.5}}
    cpus: "0.5"
    mem_limit: 1.5g
    scale: 2
  b: {image: x, profiles: [more]}
networks: {back: {internal: true, ipam: {config: [{subnet: 10.1.0.0/24}]}}}
"""
    stack = stack_of(text, profiles=("more",), environment={"B": "2"})
    service = stack.services["a"]
    assert service.build is not None
    assert (service.build.args, service.build.target) == ({"A": "1", "B": "2"}, "prod")
    assert (service.entrypoint, service.command) == (("sh", "-c", "echo 'a b'"), ())
    assert (service.restart.kind, service.restart.max_retries) == (RestartKind.ON_FAILURE, 3)
    assert service.stop_grace_period == Duration.of_seconds(90)
    assert service.healthcheck is not None
    assert service.healthcheck.test == ("CMD-SHELL", "curl x")
    assert service.depends_on["b"].condition is Condition.STARTED
    assert service.networks["back"].ipv4_address == "10.1.0.5"
    assert (service.limits.cpus, service.limits.memory, service.replicas) == (0.5, 3 << 29, 2)
    assert (stack.networks["back"].internal, stack.networks["back"].pools[0].subnet) == (True, "10.1.0.0/24")
    assert "default" in stack.services["b"].networks


def test_files_are_merged(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        "services: {a: {image: x, command: one two, ports: ['1:1'], environment: {A: 1, B: 1}, volumes: ['v:/d']}}\nvolumes: {v: {}, w: {}}\n"
    )
    (tmp_path / "compose.override.yaml").write_text(
        "services: {a: {command: three, ports: ['2:2'], environment: [B=2], volumes: ['w:/d'], user: !reset null}, b: {image: y}}\n"
    )
    stack = load_stack(LoadRequest(directory=str(tmp_path))).stack
    service = stack.services["a"]
    assert service.command == ("three",)
    assert [port.published for port in service.ports] == [1, 2]
    assert service.environment == {"A": "1", "B": "2"}
    assert [mount.source for mount in service.mounts] == ["w"]
    assert list(stack.services) == ["a", "b"]


def test_reset_and_override(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(
        "services: {a: {image: x, ports: ['1:1'], environment: {A: 1, B: 2}, labels: {k: v}}}\n"
    )
    (tmp_path / "two.yaml").write_text(
        "services: {a: {ports: !override ['2:2'], environment: {A: !reset null}, labels: !reset {}}}\n"
    )
    stack = load_stack(LoadRequest(directory=str(tmp_path), files=("one.yaml", "two.yaml"))).stack
    service = stack.services["a"]
    assert [port.published for port in service.ports] == [2]
    assert service.environment == {"B": "2"}
    assert service.labels == {}


@pytest.mark.parametrize(
    ("written", "given", "environment", "name"),
    [
        ("", None, {}, "thedir"),
        ("name: My N", None, {}, "myn"),
        ("name: n-${X}", None, {"X": "y"}, "n-y"),
        ("name: written", None, {"COMPOSE_PROJECT_NAME": "caller"}, "caller"),
        ("name: written", "given", {"COMPOSE_PROJECT_NAME": "caller"}, "given"),
    ],
)
def test_the_name_is_the_same_with_and_without_loading(
    tmp_path: Path, written: str, given: str | None, environment: dict[str, str], name: str
) -> None:
    directory = tmp_path / "The.Dir"
    directory.mkdir()
    (directory / "compose.yaml").write_text(f"{written}\nservices: {{a: {{image: x}}}}\n")
    request = LoadRequest(directory=str(directory), project_name=given, environment=environment)
    assert load_stack(request).stack.name == name
    assert locate.project_name(request) == name


def test_discovery_goes_up_and_stdin_counts(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text(ONE % "")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert load_stack(LoadRequest(directory=str(below))).stack.directory == str(tmp_path)
    stack = load_stack(LoadRequest(directory=str(below), files=("-",), stdin=(ONE % "y").encode())).stack
    assert (stack.directory, stack.services["a"].image) == (str(below), "xy")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("services:\n  a:\n    imagee: x\n", 3, "Did you mean 'image'"),
        ("services:\n  a:\n    image: x\n    use_api_socket: true\n", 4, "not supported yet"),
        ("services:\n  a:\n    image: x\n    deploy: {replicas: -2}\n", 4, "negative"),
        ("include: [x]\nservices: {a: {image: x}}\n", 1, "no such file"),
        ("services:\n  a: {image: x, depends_on: [b]}\n", 2, "undefined service 'b'"),
        ("services:\n  a: {image: x, volumes: ['v:/d']}\n", 2, "undefined volume 'v'"),
        ("services:\n  a: {image: x, networks: [n]}\n", 2, "undefined network 'n'"),
        ("services:\n  a: {image: x, secrets: [n]}\n", 2, "undefined secret 'n'"),
        ("services:\n  a: {image: x, restart: sometimes}\n", 2, "unknown restart policy"),
        ("services:\n  a: {image: x, healthcheck: {interval: 5}}\n", 2, "expected a duration"),
        ("services:\n  a: {}\n", 2, "neither an image nor a build"),
        (
            "services:\n  a: {image: x, build: {dockerfile: a, dockerfile_inline: b}}\n",
            2,
            "exclude each other",
        ),
        ("services:\n  a: {image: x, mem_limit: lots}\n", 2, "invalid size"),
        (
            "services:\n  a: {image: x, profiles: [p]}\n  b: {image: x, depends_on: [a]}\n",
            3,
            "no active profile",
        ),
        ("services: [a]\n", 1, "expected a mapping of services"),
        (
            "services: {a: {image: x, networks: [n]}}\nnetworks: {n: {driver: overlay}}\n",
            2,
            "several hosts",
        ),
        (
            "services: {a: {image: x, volumes: ['v:/d']}}\nvolumes: {v: {driver_opts: {size: 1g}}}\n",
            2,
            "quota",
        ),
        ("services: {a: {image: '${X:?give me one}'}}\n", 1, "give me one"),
        ("services: {a: {image: '${X!}'}}\n", 1, "invalid interpolation"),
        ("services: {a: {image: x, env_file: nope.env}}\n", 1, "not found"),
        ("services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {file: nope}}\n", 2, "not found"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(stack_of: Load, text: str, line: int, words: str) -> None:
    with pytest.raises(errors.StackFileError) as caught:
        stack_of(text)
    (problem,) = caught.value.problems
    assert problem.line == line
    shown = problems.text_of(caught.value)
    assert words in shown
    assert text.splitlines()[line - 1] in shown
    assert "^" in shown


def test_all_problems_at_once(stack_of: Load) -> None:
    with pytest.raises(errors.StackFileError) as caught:
        stack_of("services:\n  a: {imag: x, ports: 5}\n  b: {image: [1]}\nnope: 1\n")
    assert [problem.line for problem in caught.value.problems] == [2, 2, 3, 4]
