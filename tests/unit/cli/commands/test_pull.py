"""Which services a pull and a push are about."""

from __future__ import annotations

import pytest

from composer import errors
from composer.cli import transfers
from composer.cli.commands import pull, push
from composer.model.build import Build
from tests.builders import needs, service, stack
from tests.fakes.command_line import Stage

BUILD = Build(context="/stack", tags=("app:extra",))


@pytest.mark.parametrize(
    ("image", "builds", "written", "policy", "is_there", "reason"),
    [
        ("redis:7", False, None, None, True, ""),
        ("redis:7", False, "always", None, True, ""),
        ("redis:7", False, "missing", None, True, "its image is here"),
        ("redis:7", False, "missing", None, False, ""),
        ("redis", False, "missing", None, True, ""),
        ("redis:7", False, "never", None, False, "its pull policy is never"),
        ("redis:7", False, "build", None, False, "its pull policy is build"),
        ("redis:7", False, "daily", None, True, ""),
        ("redis:7", False, "always", "missing", True, "its image is here"),
        ("redis:7", False, "never", "always", True, ""),
        ("app:1", True, None, None, False, ""),
        (None, True, None, None, False, "it has no image, only a build"),
    ],
)
def test_reasons_to_skip(
    *, image: str | None, builds: bool, written: str | None, policy: str | None, is_there: bool, reason: str
) -> None:
    one = service("a", image=image, pull_policy=written, **({"build": BUILD} if builds else {}))
    found = pull.reason_to_skip(one, is_there=is_there, policy=policy, ignore_buildable=False)
    assert found == reason


def test_buildable_images_can_be_left_out() -> None:
    buildable, plain = service("a", image="app", build=BUILD), service("b")
    skips = [
        pull.reason_to_skip(one, is_there=False, policy=None, ignore_buildable=True)
        for one in (buildable, plain)
    ]
    assert skips == ["its image can be built", ""]


def test_the_services_that_are_meant() -> None:
    wanted = stack(service("db"), service("web", depends_on={"db": needs()}), service("other"))
    assert set(pull.chosen_services(wanted, [], include_dependencies=False)) == {"db", "web", "other"}
    assert set(pull.chosen_services(wanted, ["web"], include_dependencies=False)) == {"web"}
    assert set(pull.chosen_services(wanted, ["web"], include_dependencies=True)) == {"db", "web"}
    with pytest.raises(errors.UsageError, match="no such service: nope"):
        pull.chosen_services(wanted, ["nope"], include_dependencies=False)


def test_only_what_is_built_under_a_name_is_pushed() -> None:
    assert push.names_to_push(service("a", image="app:1", build=BUILD)) == ("app:1", "app:extra")
    assert push.names_to_push(service("a", build=BUILD)) == ()
    assert push.names_to_push(service("a")) == ()


def test_a_dry_run_fetches_nothing_and_says_what_it_would() -> None:
    stage = Stage(None, ["--dry-run"])

    def call(_report: object, _interrupt: object) -> None:
        raise AssertionError("nothing is done")

    transfers.run(stage.session, [transfers.Job("pull", "redis:7", call)], is_quiet=True)
    assert stage.out.getvalue() == "DRY-RUN MODE - pull image redis:7\n"


def test_jobs_keep_their_errors_and_the_others_go_on() -> None:
    stage = Stage(None, ["--progress", "plain"])

    def fail(_report: object, _interrupt: object) -> None:
        raise errors.RegistryNotFound("q.io does not have it")

    jobs = [
        transfers.Job("pull", "bad", fail),
        transfers.Job("pull", "good", lambda _report, _interrupt: None),
    ]
    transfers.run(stage.session, jobs, is_quiet=False)
    assert "Image good Pulled" in stage.err.getvalue()
    assert "Image bad Error" in stage.err.getvalue()
    with pytest.raises(errors.RegistryNotFound):
        transfers.raise_first(jobs)
