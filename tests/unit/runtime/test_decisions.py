"""The pure parts of the runtime: users, capabilities, arguments, the OCI configuration, logs."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from composer import errors
from composer.model.container import ContainerSpec
from composer.model.image import ImageConfig
from composer.model.limits import Limits
from composer.model.quantity import ByteSize
from composer.runtime import defaults, logs, resources, seccomp, spec, users
from composer.runtime.users import User

PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:/bin/false\nbroken\nodd:x:abc:1::/:/x\nfive:x:5:6::/five:/x\n"
GROUP = "root:x:0:\nweb:x:33:\nextra:x:50:web,five\n"
SPEC = ContainerSpec(stack="s", service="a", number=1, name="s-a-1", image="i")
GIVEN = spec.SpecInput(
    id="i",
    root="/r",
    argv=("x",),
    environment=("A=1",),
    working_dir="/",
    user=User(),
    hostname="h",
    cgroup="/c",
    network_namespace="/proc/1/fd/9",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", User(groups=(0,), home="/root")),
        ("root", User(groups=(0,), home="/root")),
        ("0", User(groups=(0,), home="/root")),
        ("web", User(uid=33, gid=33, groups=(33, 50), home="/var/www")),
        ("33", User(uid=33, gid=33, groups=(33, 50), home="/var/www")),
        ("web:extra", User(uid=33, gid=50, groups=(50,), home="/var/www")),
        ("web:7", User(uid=33, gid=7, groups=(7,), home="/var/www")),
        ("1000", User(uid=1000, groups=(0,))),
        ("1000:1001", User(uid=1000, gid=1001, groups=(1001,))),
        (":extra", User(gid=50, groups=(50,), home="/root")),
    ],
)
def test_users(text: str, expected: User) -> None:
    assert users.resolve(text, PASSWD, GROUP) == expected


@pytest.mark.parametrize(
    "text", ["nobody", "web:nogroup", "-1", "1e3", "0x0", "99999999999", "odd", "web:-1", " web", "٣"]
)
def test_unknown_users_are_refused(text: str) -> None:
    with pytest.raises(errors.OperationFailed):
        users.resolve(text, PASSWD, GROUP)


@pytest.mark.parametrize(
    ("added", "dropped", "expected"),
    [
        ((), (), set(defaults.CAPABILITIES)),
        (("NET_ADMIN",), (), {*defaults.CAPABILITIES, "CAP_NET_ADMIN"}),
        ((), ("ALL",), set()),
        (("cap_chown",), ("ALL",), {"CAP_CHOWN"}),
        (("ALL",), ("MKNOD",), set(defaults.ALL_CAPABILITIES) - {"CAP_MKNOD"}),
    ],
)
def test_capabilities(added: tuple[str, ...], dropped: tuple[str, ...], expected: set[str]) -> None:
    assert set(defaults.capabilities(added, dropped)) == expected


def test_dockers_mask_of_capabilities() -> None:
    numbers = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6, "SETUID": 7, "SETPCAP": 8,
               "NET_BIND_SERVICE": 10, "NET_RAW": 13, "SYS_CHROOT": 18, "MKNOD": 27, "AUDIT_WRITE": 29, "SETFCAP": 31}  # fmt: skip
    assert {f"CAP_{name}" for name in numbers} == set(defaults.CAPABILITIES)
    assert sum(1 << bit for bit in numbers.values()) == 0xA80425FB


@pytest.mark.parametrize(
    ("entrypoint", "command", "image", "expected"),
    [
        (None, None, ImageConfig(entrypoint=("e",), command=("c",)), ("e", "c")),
        (None, ("x",), ImageConfig(entrypoint=("e",), command=("c",)), ("e", "x")),
        (("y",), None, ImageConfig(entrypoint=("e",), command=("c",)), ("y",)),
        ((), ("x",), ImageConfig(entrypoint=("e",), command=("c",)), ("x",)),
        (None, None, ImageConfig(command=("c",)), ("c",)),
    ],
)
def test_argv(
    entrypoint: tuple[str, ...] | None,
    command: tuple[str, ...] | None,
    image: ImageConfig,
    expected: tuple[str, ...],
) -> None:
    assert spec.argv_of(attrs.evolve(SPEC, entrypoint=entrypoint, command=command), image) == expected
    assert (
        spec.argv_of(attrs.evolve(SPEC, entrypoint=entrypoint, command=command, init=True), image)[2:]
        == expected
    )


def test_nothing_to_run_is_told() -> None:
    with pytest.raises(errors.OperationFailed, match="what to run"):
        spec.argv_of(SPEC, ImageConfig())


def test_environment_of_image_and_service() -> None:
    container = attrs.evolve(SPEC, environment={"A": "service"})
    found = dict(
        line.split("=", 1)
        for line in spec.environment_of(
            container, ImageConfig(environment={"A": "image", "B": "b"}), home="/h", hostname="n"
        )
    )
    assert found == {"PATH": defaults.PATH, "HOSTNAME": "n", "A": "service", "B": "b", "HOME": "/h"}


def test_the_configuration_is_dockers_default_or_tighter() -> None:
    config = spec.config_for(GIVEN)
    assert {namespace["type"] for namespace in config["linux"]["namespaces"]} == {
        "pid",
        "ipc",
        "uts",
        "mount",
        "cgroup",
        "network",
    }
    assert set(defaults.MASKED_PATHS) <= set(config["linux"]["maskedPaths"])
    assert config["linux"]["resources"]["devices"][0] == {"allow": False, "access": "rwm"}
    assert config["linux"]["resources"]["pids"]["limit"] == 4096
    mounts = {mount["destination"]: mount for mount in config["mounts"]}
    assert "ro" in mounts["/sys"]["options"]
    assert "ro" in mounts["/sys/fs/cgroup"]["options"]
    for path in ("/proc", "/dev/shm", "/dev/mqueue"):
        assert {"nosuid", "noexec", "nodev"} <= set(mounts[path]["options"])
    capabilities = config["process"]["capabilities"]
    assert capabilities["inheritable"] == capabilities["ambient"] == []


def test_a_user_has_no_capabilities_but_the_bounding_set() -> None:
    capabilities = spec.config_for(attrs.evolve(GIVEN, user=User(uid=33)))["process"]["capabilities"]
    assert capabilities["effective"] == capabilities["permitted"] == []
    assert set(capabilities["bounding"]) == set(defaults.CAPABILITIES)


@pytest.mark.parametrize(
    ("limits", "key", "expected"),
    [
        (Limits(memory=ByteSize(1 << 20)), "memory", {"limit": 1 << 20, "swap": 2 << 20}),
        (Limits(cpus=0.5), "cpu", {"period": 100_000, "quota": 50_000}),
        (Limits(pids=7), "pids", {"limit": 7}),
        (Limits(pids=-1), "pids", {"limit": -1}),
    ],
)
def test_limits(limits: Limits, key: str, expected: dict[str, int]) -> None:
    assert resources.resources_for(limits)[key] == expected


def test_seccomp_follows_the_capabilities() -> None:
    def allowed(profile: dict[str, object]) -> set[str]:
        rules = profile["syscalls"]
        assert isinstance(rules, list)
        return {name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}

    plain = seccomp.profile_for(defaults.CAPABILITIES, "x86_64")
    admin = seccomp.profile_for((*defaults.CAPABILITIES, "CAP_SYS_ADMIN"), "x86_64")
    assert plain["defaultAction"] == "SCMP_ACT_ERRNO"
    assert {"mount", "unshare", "setns", "bpf"}.isdisjoint(allowed(plain))
    assert {"mount", "unshare", "setns", "bpf"} <= allowed(admin)
    for name in ("io_uring_setup", "keyctl", "add_key", "kexec_load", "userfaultfd"):
        assert name not in allowed(admin)
    clone3 = [rule for rule in plain["syscalls"] if "clone3" in rule["names"]]
    assert [(rule["action"], rule["errnoRet"]) for rule in clone3] == [("SCMP_ACT_ERRNO", 38)]


def test_logs_are_read_bounded_and_followed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    follower = logs.LogFollower(path)
    assert follower.read_new() == []
    path.write_bytes(
        b"2026-01-01T00:00:00.5+00:00 stdout F one\nnot a record\n2026-01-01T00:00:01.0+00:00 stderr P tw"
    )
    (first,) = follower.read_new()
    assert (first.text, first.stream, first.time % 60, first.is_partial) == (b"one", "stdout", 0.5, False)
    with path.open("ab") as file:
        file.write(b"o\n2026-01-01T00:00:02+00:00 stdout F three\n")
    assert [record.text for record in follower.read_new()] == [b"two", b"three"]
    path.write_bytes(b"2026-01-01T00:00:03+00:00 stdout F again\n")
    assert [record.text for record in follower.read_new()] == [b"again"]
    follower.close()
    path.write_bytes(b"".join(b"2026-01-01T00:00:%02d+00:00 stdout F %d\n" % (n, n) for n in range(50)))
    assert [record.text for record in logs.read_records(path, tail=3)] == [b"47", b"48", b"49"]
    assert len(logs.read_records(path)) == 50
    assert logs.read_records(path, tail=0) == []
    path.write_bytes(b"2026-01-01T00:00:00+00:00 stdout F " + b"x" * 3_000_000)
    assert all(len(record.text) <= logs.LONGEST for record in logs.read_records(path))
