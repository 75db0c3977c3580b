"""What changes of files call for."""

import attrs
import pytest

from composer.cli import watchrules
from composer.model.build import Build
from composer.model.deploy import Develop, Hook, Watch
from tests.builders import service, stack


def rules(*watches: Watch, dockerignore: str = "", **more: object) -> tuple[watchrules.Rule, ...]:
    made = stack(service("web", develop=Develop(watch=watches), **more))
    return watchrules.rules_of(made, [], {"/src": dockerignore})


SYNC = Watch(path="/src/app", action="sync", target="/app")


@pytest.mark.parametrize(
    ("watch", "changed", "expected"),
    [
        (SYNC, "/src/app/a.py", "/app/a.py"),
        (SYNC, "/src/app/deep/er/a.py", "/app/deep/er/a.py"),
        (SYNC, "/src/application", None),
        (SYNC, "/src/app/.git/index", None),
        (SYNC, "/src/app/.a.py.swp", None),
        (SYNC, "/src/app/deep/4913", None),
        (attrs.evolve(SYNC, ignore=("node_modules/",)), "/src/app/node_modules/x.js", None),
        (attrs.evolve(SYNC, ignore=("*.md", "!keep.md")), "/src/app/a.md", None),
        (attrs.evolve(SYNC, ignore=("*.md", "!keep.md")), "/src/app/keep.md", "/app/keep.md"),
        (attrs.evolve(SYNC, include=("**/*.py",)), "/src/app/x/a.js", None),
        (attrs.evolve(SYNC, include=("**/*.py",)), "/src/app/x/a.py", "/app/x/a.py"),
        (Watch(path="/src/conf", action="sync", target="/etc/conf"), "/src/conf", "/etc/conf"),
    ],
)
def test_where_a_file_belongs(watch: Watch, changed: str, expected: str | None) -> None:
    (rule,) = rules(watch)
    assert rule.inside(changed) == expected


def test_the_build_context_ignores() -> None:
    (rule,) = rules(SYNC, dockerignore="app/secret\n", build=Build(context="/src"))
    assert rule.inside("/src/app/secret") is None
    assert rule.inside("/src/app/public") == "/app/public"


def test_each_action() -> None:
    hook = Hook(command=("reload",))
    made = rules(
        SYNC,
        Watch(path="/src/conf", action="sync+restart", target="/conf"),
        Watch(path="/src/hook", action="sync+exec", target="/hook", exec=hook),
        Watch(path="/src/env", action="restart"),
        Watch(path="/src/lock", action="rebuild"),
    )

    def work(*changed: str) -> watchrules.Work:
        return watchrules.work_for(changed, made)

    assert work("/src/app/a") == watchrules.Work(sync={"web": (("/src/app/a", "/app/a"),)})
    assert work("/src/conf/c").restart == ("web",)
    assert work("/src/hook/h").hooks == (("web", hook),)
    assert work("/src/env") == watchrules.Work(restart=("web",))
    # What is built again is made again with everything in it.
    assert work("/src/lock", "/src/app/a", "/src/env", "/src/hook/h") == watchrules.Work(rebuild=("web",))
    assert work("/elsewhere") == watchrules.Work()


def test_what_need_not_be_watched() -> None:
    (rule,) = rules(attrs.evolve(SYNC, ignore=("node_modules",)))
    assert rule.skips("/src/app/node_modules")
    assert rule.skips("/src/app/deep/.git")
    assert not rule.skips("/src/app/deep")
    assert not rule.skips("/src/app")
