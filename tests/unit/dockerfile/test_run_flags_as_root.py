"""RUN --mount, --network and --security with a real runtime: what a step sees and what it leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import buildhost
from tests.buildhost import Host, files_in, said

pytestmark = pytest.mark.root


@pytest.fixture
def host() -> Iterator[Host]:
    with buildhost.opened() as made:
        yield made


def test_caches_outlive_builds_and_are_in_no_layer(host: Host) -> None:
    text = "FROM busybox\nARG N\nRUN --mount=type=cache,target=/deep/er/cache echo $N >> /deep/er/cache/f; cat /deep/er/cache/f\n"
    assert said(host.build(text, args={"N": "1"}), "RUN") == ["1"]
    result = host.build(text, args={"N": "2"})
    assert said(result, "RUN") == ["1", "2"]
    assert files_in(result) == set()


def test_a_cache_begins_as_it_is_told(host: Host) -> None:
    result = host.build(
        "FROM busybox AS seed\nRUN mkdir /s && echo seed > /s/f && chown 5:6 /s/f\n"
        "FROM busybox\n"
        "RUN --mount=type=cache,target=/c,from=seed,source=/s stat -c '%u:%g %n' /c/f\n"
        "RUN --mount=type=cache,target=/d,mode=0700,uid=7,gid=8 stat -c '%u:%g %a' /d\n"
    )
    assert said(result, "target=/c") == ["5:6 /c/f"]
    assert said(result, "target=/d") == ["7:8 700"]


def test_the_context_is_shown_without_what_is_ignored_and_never_written(host: Host) -> None:
    (host.context / "sub").mkdir()
    (host.context / "sub/f").write_text("text")
    (host.context / "hidden").write_text("secret")
    (host.context / ".dockerignore").write_text("hidden\nDockerfile\n.dockerignore\n")
    result = host.build(
        "FROM busybox\n"
        "RUN --mount=target=/ctx find /ctx -type f; touch /ctx/x || echo read-only\n"
        "RUN --mount=target=/ctx,rw touch /ctx/x && ls /ctx\n"
        "RUN --mount=source=sub/f,target=/one cat /one\n"
    )
    assert result["error"] == ""
    assert [line for line in said(result, "find") if "Read-only" not in line] == ["/ctx/sub/f", "read-only"]
    assert said(result, "target=/ctx,rw") == ["sub", "x"]
    assert said(result, "target=/one") == ["text"]
    assert not (host.context / "x").exists()
    assert files_in(result) == set()


def test_b8_a_link_in_an_image_leads_nowhere_else(host: Host) -> None:
    canary = host.data / "canary"
    canary.mkdir()
    (canary / "f").write_text("canary")
    result = host.build(
        f"FROM busybox AS evil\nRUN ln -s / /root-link && ln -s {canary} /canary-link\nFROM busybox\n"
        "RUN --mount=from=evil,source=/root-link,target=/x ls /x\n"
        "RUN --mount=from=evil,source=/canary-link,target=/x ls /x\n"
    )
    assert "the image has nothing at /canary-link" in result["error"]
    assert "canary-link" in said(result, "source=/root-link")


def test_secrets_are_files_or_variables_and_leave_no_trace(host: Host) -> None:
    result = host.build(
        "FROM busybox\n"
        "RUN --mount=type=secret,id=tok,uid=3,gid=4,mode=0440 stat -c '%u:%g %a' /run/secrets/tok; cat /run/secrets/tok\n"
        "RUN --mount=type=secret,id=tok,env=TOK test ${#TOK} = 14 && ! test -e /run/secrets && echo $TOK\n"
        "RUN --mount=type=secret,id=absent ls /run/secrets || echo none\n"
        "RUN echo made > /made\n",
        secrets={"tok": "hunter2hunter2"},
    )
    assert result["error"] == ""
    assert said(result, "mode=0440") == ["3:4 440", "***"]
    assert said(result, "env=TOK") == ["***"]
    assert said(result, "id=absent")[-1] == "none"
    assert files_in(result) == {"made"}
    for top in (host.data, host.run):
        done = subprocess.run(
            ["grep", "-rl", "hunter2hunter2", str(top)], capture_output=True, text=True, check=False
        )
        assert done.stdout == ""
    missing = host.build("FROM busybox\nRUN --mount=type=secret,id=nope,required true\n")
    assert "secret nope: not found" in missing["error"]


def test_a_changed_secret_does_not_run_a_step_again(host: Host) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=t cat /run/secrets/t\n"
    host.build(text, secrets={"t": "one"})
    assert "#2 CACHED" in host.build(text, secrets={"t": "two"})["said"]


def test_temporary_file_systems(host: Host) -> None:
    result = host.build(
        "FROM busybox\nRUN --mount=type=tmpfs,target=/t,size=1m cp /bin/busybox /t/sh 2>/dev/null; df /t | tail -1\n"
        "RUN --mount=type=tmpfs,target=/tmp printf '#!/bin/sh\\necho ran\\n' > /tmp/x && chmod +x /tmp/x && /tmp/x\n"
    )
    assert said(result, "size=1m")[-1].split()[1] == "1024"
    assert said(result, "target=/tmp")[-1] == "ran"
    assert files_in(result) == set()


@pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="openssh-client is not installed")
def test_an_agent_signs_and_does_nothing_else(host: Host) -> None:
    key = host.data / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    # Protocol: list the keys (11), then ask to forget all of them (19), then list again.
    text = (
        "FROM busybox\n"
        "RUN --mount=type=ssh,required,mode=0666 stat -c '%a %F' $SSH_AUTH_SOCK; "
        "printf '\\000\\000\\000\\001\\013' | nc -U $SSH_AUTH_SOCK | od -An -tx1 -N5; "
        "printf '\\000\\000\\000\\001\\023' | nc -U $SSH_AUTH_SOCK | od -An -tx1 -N5\n"
    )
    if (
        "-U"
        not in subprocess.run(["busybox", "nc", "--help"], capture_output=True, text=True, check=False).stderr
    ):
        text = "FROM busybox\nRUN --mount=type=ssh,required,mode=0666 stat -c '%a %F' $SSH_AUTH_SOCK\n"
    result = host.build(text, ssh={"default": str(key)})
    assert result["error"] == ""
    assert said(result, "type=ssh")[0] == "666 socket"
    assert files_in(result) == set()
    missing = host.build(text)
    assert "no agent was passed" in missing["error"]


def test_networks_and_hosts(host: Host) -> None:
    result = host.build(
        "FROM busybox\n"
        "RUN --network=none ls /sys/class/net; cat /etc/resolv.conf\n"
        "RUN --network=host readlink /proc/self/ns/net\n"
        "RUN grep -c . /etc/hosts; grep names /etc/hosts; hostname\n",
        hosts=[["names", "1.2.3.4"], ["gateway.names", "host-gateway"]],
        entitlements=["network.host"],
        args={"BUILDKIT_SANDBOX_HOSTNAME": "box"},
    )
    assert said(result, "--network=none") == ["lo"]
    assert said(result, "--network=host") == [os.readlink("/proc/self/ns/net")]
    assert said(result, "grep") == ["4", "1.2.3.4\tnames", "10.9.8.7\tgateway.names", "box"]


def test_security_is_lifted_only_where_allowed(host: Host) -> None:
    text = "FROM busybox\nRUN grep CapEff /proc/self/status\nRUN --security=insecure grep CapEff /proc/self/status\n"
    refused = host.build(text)
    assert "lacks the entitlement security.insecure" in refused["error"]
    assert not [line for line in refused["said"] if "CapEff" in line]
    result = host.build(text, entitlements=["security.insecure"])
    normal, lifted = (said(result, step)[0].split()[1] for step in ("RUN grep", "--security=insecure"))
    assert int(normal, 16) == 0xA80425FB
    assert int(lifted, 16) & int(normal, 16) == int(normal, 16)
    assert int(lifted, 16) >> 21 & 1  # CAP_SYS_ADMIN


def test_limits(host: Host) -> None:
    text = "FROM busybox\nRUN df /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2\n"
    assert said(host.build(text, shm_size=4 << 20), "df") == ["4096"]


def test_a_script_with_its_own_interpreter(host: Host) -> None:
    result = host.build("FROM busybox\nRUN <<EOF\n#!/bin/cat\nhello\nEOF\n")
    assert said(result, "RUN") == ["#!/bin/cat", "hello"]
    assert files_in(result) == set()


def test_b7_a_step_cannot_make_the_cleaning_reach_out(host: Host) -> None:
    """The step moves the stub's parent away and puts a link to the host's directory in its place."""
    canary = host.data / "canary"
    canary.mkdir()
    (canary / "stub").mkdir()
    result = host.build(
        f"FROM busybox\nRUN --mount=type=tmpfs,target=/a/stub mv /a /b; ln -s {canary} /a; ls -ld /a\n"
    )
    assert result["error"] == ""
    assert (canary / "stub").is_dir()
    assert result["staging"] == []


def test_linked_copies_do_not_follow_what_is_below(host: Host) -> None:
    (host.context / "f").write_text("f")
    result = host.build(
        "FROM busybox\nRUN mkdir /real && ln -s /real /link\n"
        "COPY f /link/plain\nCOPY --link f /link/linked\nRUN ls -d /link /link/* /real/*\n"
    )
    assert result["error"] == ""
    assert said(result, "ls -d") == ["/link", "/link/linked", "/real/plain"]


def test_linked_layers_are_found_on_another_base(host: Host) -> None:
    (host.context / "f").write_text("f")
    host.build("FROM busybox\nCOPY --link f /f\n")
    result = host.build("FROM busybox\nRUN echo > /other\nCOPY --link f /f\n")
    assert "#3 CACHED" in result["said"]


def test_a_fixed_time_gives_the_same_image_in_two_stores() -> None:
    text = (
        "FROM scratch AS none\nFROM busybox AS b\nRUN mkdir -p /o/d && date > /dev/null && echo x > /o/d/f && ln -s f /o/d/l\n"
        "FROM scratch\nCOPY --from=b /o /o\nCOPY --from=b /bin/busybox /bin/\nWORKDIR /w\n"
        'SHELL ["/bin/busybox", "sh", "-c"]\nRUN --mount=type=tmpfs,target=/t echo made > /made && mkdir /later\n'
    )
    ids = []
    for _ in range(2):
        with buildhost.opened() as host:
            result = host.build(text, epoch=1_000_000_000)
            assert result["error"] == ""
            ids.append(result["id"])
            newest = max(
                path.lstat().st_mtime
                for layer in result["layers"]
                for path in (Path(layer), *Path(layer).rglob("*"))
            )
            assert newest <= 1_000_000_000
    assert ids[0] == ids[1]


def test_links_at_mount_targets_are_followed_inside_and_leave_nothing(host: Host) -> None:
    result = host.build(
        "FROM busybox\nRUN ln -s /nowhere/yet /l && ln -s ../../../../etc /up && ln -s /loop /loop && echo > /file\n"
        "RUN --mount=type=tmpfs,target=/l/sub test -d /nowhere/yet/sub\n"
        "RUN --mount=type=tmpfs,target=/up/made test -d /etc/made\n"
    )
    assert result["error"] == ""
    assert files_in(result) == {"l", "up", "loop", "file"}
    for target in ("/loop/x", "/file/x"):
        result = host.build(
            f"FROM busybox\nRUN ln -s /loop /loop; echo > /file\nRUN --mount=type=tmpfs,target={target} true\n"
        )
        assert "RUN --mount" in result["error"]
        assert result["staging"] == []
