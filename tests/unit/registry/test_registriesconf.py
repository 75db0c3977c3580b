"""``registries.conf``: which files, in which order, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer import errors
from composer.registry import registriesconf
from composer.registry.registriesconf import Mirror, RegistriesConf, Rule


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def load(tmp_path: Path, **environment: str) -> RegistriesConf:
    return registriesconf.load(
        {"HOME": str(tmp_path / "home"), **environment}, system=tmp_path / "etc/containers"
    )


def test_no_file_says_nothing(tmp_path: Path) -> None:
    assert load(tmp_path) == RegistriesConf()


def test_everything_a_table_can_say(tmp_path: Path) -> None:
    text = """
        unqualified-search-registries = ["one.org", "docker.io"]
        short-name-mode = "enforcing"
        credential-helpers = ["containers-auth.json"]
        [aliases]
        fedora = "registry.fedoraproject.org/fedora"
        [[registry]]
        prefix = "docker.io"
        location = "proxy.local:5000/hub/"
        insecure = true
        mirror-by-digest-only = true
        [[registry.mirror]]
        location = "m.org"
        [[registry]]
        prefix = "*.bad.org"
        blocked = true
        [[registry]]
        location = "quay.io"
        [[registry.mirror]]
        location = "n.org/q"
        insecure = true
        pull-from-mirror = "tag-only"
    """
    write(tmp_path / "etc/containers/registries.conf", text)
    assert load(tmp_path) == RegistriesConf(
        search=("one.org", "docker.io"),
        mode="enforcing",
        aliases={"fedora": "registry.fedoraproject.org/fedora"},
        helpers=("containers-auth.json",),
        rules=(
            Rule(
                prefix="docker.io",
                location="proxy.local:5000/hub",
                is_insecure=True,
                mirrors=(Mirror(location="m.org", pulls="digest-only"),),
            ),
            Rule(prefix="*.bad.org", is_blocked=True),
            Rule(
                prefix="quay.io",
                location="quay.io",
                mirrors=(Mirror(location="n.org/q", is_insecure=True, pulls="tag-only"),),
            ),
        ),
    )


def test_the_users_file_replaces_the_systems_and_drop_ins_add(tmp_path: Path) -> None:
    system, user = tmp_path / "etc/containers", tmp_path / "home/.config/containers"
    write(system / "registries.conf", 'unqualified-search-registries = ["system.org"]\n')
    write(system / "registries.conf.d/20-b.conf", '[aliases]\nx = "b.org/x"\ny = "b.org/y"\nz = "b.org/z"\n')
    write(
        system / "registries.conf.d/10-a.conf", '[aliases]\nx = "a.org/x"\n[[registry]]\nlocation = "q.io"\n'
    )
    write(system / "registries.conf.d/README", "not TOML at all")
    assert load(tmp_path).search == ("system.org",)
    write(user / "registries.conf", 'short-name-mode = "disabled"\n')
    write(
        user / "registries.conf.d/00.conf",
        '[aliases]\ny = ""\n[[registry]]\nlocation = "q.io"\nblocked = true\n',
    )
    found = load(tmp_path)
    assert (found.search, found.mode) == ((), "disabled")
    assert found.aliases == {"x": "b.org/x", "z": "b.org/z"}
    assert found.rules == (Rule(prefix="q.io", location="q.io", is_blocked=True),)


def test_a_named_file_stands_alone(tmp_path: Path) -> None:
    write(tmp_path / "etc/containers/registries.conf.d/a.conf", '[aliases]\nx = "a.org/x"\n')
    write(tmp_path / "own.conf", 'unqualified-search-registries = ["own.org"]\n')
    found = load(tmp_path, CONTAINERS_REGISTRIES_CONF=str(tmp_path / "own.conf"))
    assert found == RegistriesConf(search=("own.org",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[registries.search]\nregistries = []\n", "version 1"),
        ("not = toml = x", "cannot use"),
        ('short-name-mode = "sometimes"\n', "sometimes"),
        ("[[registry]]\ninsecure = true\n", "neither prefix nor location"),
        ('[[registry]]\nlocation = "a"\n[[registry.mirror]]\ninsecure = true\n', "no location"),
        (
            '[[registry]]\nlocation = "a"\n[[registry.mirror]]\nlocation="b"\npull-from-mirror="x"\n',
            "pull-from",
        ),
        ("registry = 5\n", "cannot use"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path / "etc/containers/registries.conf", text)
    with pytest.raises(errors.RegistryError, match=said) as caught:
        load(tmp_path)
    assert "etc/containers/registries.conf" in caught.value.message


def test_a_named_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(errors.RegistryError, match="No such file"):
        load(tmp_path, CONTAINERS_REGISTRIES_CONF=str(tmp_path / "nowhere"))
