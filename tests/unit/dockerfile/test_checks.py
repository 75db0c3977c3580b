"""Each check by its cases: a Dockerfile, and what is said of it with the line."""

from __future__ import annotations

import pytest

from composer.dockerfile import ignore, lint, parser
from composer.dockerfile.checks import Finding
from composer.model.image import ImageConfig

KNOWN = {
    "base": ImageConfig(environment={"PATH": "/bin", "FROM_BASE": "1"}),
    "shelled": ImageConfig(shell=("/bin/bash", "-c")),
}

SHELL = "JSON arguments recommended for {} to prevent unintended behavior related to OS signals"
ONCE = "Multiple {} instructions should not be used in the same stage because only the last one will be used"
RELATIVE = 'Relative workdir "{}" can have unexpected results if the base image changes'
REDUNDANT = (
    "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"
)
SECRET = "Do not use ARG or ENV instructions for sensitive data ({})"
MAPPED = "EXPOSE instruction should not define an IP address or host-port mapping, found '{}'"

CASES = {
    "StageNameCasing": [
        ("FROM base AS Build", [(1, "Stage name 'Build' should be lowercase")]),
        ("FROM base AS build", []),
    ],
    "FromAsCasing": [
        ("FROM base as a", [(1, "'as' and 'FROM' keywords' casing do not match")]),
        ("from base AS a", [(1, "'AS' and 'from' keywords' casing do not match")]),
        ("from base as a", []),
        ("From base as a", []),  # the odd FROM is another check's
        ("FROM base", []),
    ],
    "NoEmptyContinuation": [
        ("FROM base\nCOPY a \\\n\n  /b\nRUN x", [(2, "Empty continuation line")]),
        ("FROM base\nCOPY a \\\n# comment\n  /b", []),
        ("FROM base\nRUN <<EOF\n\nx\nEOF", []),
    ],
    "ConsistentInstructionCasing": [
        (
            "FROM base\nrun x\nRUN y",
            [(2, "Command 'run' should match the case of the command majority (uppercase)")],
        ),
        (
            "from base\nrun x\nRUN y",
            [(3, "Command 'RUN' should match the case of the command majority (lowercase)")],
        ),
        ("From base", [(1, "Command 'From' should match the case of the command majority (uppercase)")]),
        ("from base\nrun x", []),
    ],
    "DuplicateStageName": [
        (
            "FROM base AS a\nFROM base AS b\nFROM base AS A",
            [(3, 'Duplicate stage name "a", stage names should be unique')],
        ),
    ],
    "ReservedStageName": [
        (
            "FROM base AS context",
            [(1, 'Stage name should not use the same name as reserved stage "context"')],
        ),
        (
            "FROM base AS Scratch",
            [(1, 'Stage name should not use the same name as reserved stage "scratch"')],
        ),
    ],
    "JSONArgsRecommended": [
        ("FROM base\nCMD x", [(2, SHELL.format("CMD"))]),
        ("FROM base\nENTRYPOINT x y", [(2, SHELL.format("ENTRYPOINT"))]),
        ('FROM base\nCMD ["x"]\nENTRYPOINT ["y"]\nHEALTHCHECK CMD z', []),
        ('FROM base\nSHELL ["/bin/bash", "-c"]\nCMD x', []),
        ('FROM base AS a\nSHELL ["/bin/bash", "-c"]\nFROM a\nCMD x', []),
        ("FROM shelled\nCMD x", []),
    ],
    "MaintainerDeprecated": [
        ("FROM base\nMAINTAINER me", [(2, "Maintainer instruction is deprecated in favor of using label")]),
    ],
    "UndefinedArgInFrom": [
        ("FROM base:$TAG", [(1, "FROM argument 'TAG' is not declared")]),
        ("ARG TAGS=1\nFROM base:${TAG}", [(2, "FROM argument 'TAG' is not declared (did you mean TAGS?)")]),
        ("ARG TAG=1\nFROM base:$TAG", []),
        ("FROM base:${TAG:-1}", []),
        ("FROM --platform=$BUILDPLATFORM base", []),
        (
            "FROM --platform=$BUILDPLATFROM base",
            [(1, "FROM argument 'BUILDPLATFROM' is not declared (did you mean BUILDPLATFORM?)")],
        ),
    ],
    "UndefinedVar": [
        ("FROM base\nCOPY $foo /x", [(2, "Usage of undefined variable '$foo'")]),
        (
            "FROM base\nENV PATH=$PAHT:/app",
            [(2, "Usage of undefined variable '$PAHT' (did you mean $PATH?)")],
        ),
        ("FROM base\nARG foo\nCOPY $foo /x\nENV a=1\nLABEL b=$a c=$FROM_BASE d=$PATH", []),
        ("FROM base\nENV a=1 b=$a", [(2, "Usage of undefined variable '$a'")]),
        ("FROM base\nENV b='$a' c=\\$a d=${a:-x} e=${a+x}", []),
        ("FROM base\nRUN echo $anything\nCMD echo $anything", []),
        ("FROM base\nCOPY --chown=$who a /b", [(2, "Usage of undefined variable '$who'")]),
        (
            "ARG global=1\nFROM base\nLABEL a=$global",
            [(3, "Usage of undefined variable '$global'")],
        ),
        ("FROM base AS a\nARG v=1\nFROM a\nLABEL x=$v", []),
        ("FROM base AS a\nARG v=1\nFROM base\nLABEL x=$v", [(4, "Usage of undefined variable '$v'")]),
        ("FROM scratch\nLABEL x=$PATH y=$NO", [(2, "Usage of undefined variable '$NO'")]),
        ("FROM nobody/knows:it\nENV PYTHONPATH=$PYTHONPATH:/x", []),
        ("FROM base\nLABEL proxy=$HTTP_PROXY", []),
    ],
    "MultipleInstructionsDisallowed": [
        ('FROM base\nCMD ["a"]\nCMD ["b"]', [(2, ONCE.format("CMD"))]),
        (
            'FROM base\nENTRYPOINT ["a"]\nENTRYPOINT ["b"]\nENTRYPOINT ["c"]',
            [(2, ONCE.format("ENTRYPOINT")), (3, ONCE.format("ENTRYPOINT"))],
        ),
        ("FROM base\nHEALTHCHECK NONE\nHEALTHCHECK CMD x", [(2, ONCE.format("HEALTHCHECK"))]),
        ('FROM base AS a\nCMD ["a"]\nFROM a\nCMD ["b"]', []),
    ],
    "LegacyKeyValueFormat": [
        (
            "FROM base\nENV a b\nLABEL c d",
            [
                (2, '"ENV key=value" should be used instead of legacy "ENV key value" format'),
                (3, '"LABEL key=value" should be used instead of legacy "LABEL key value" format'),
            ],
        ),
        ('FROM base\nENV a=b\nLABEL "c d"=e', []),
    ],
    "InvalidDefaultArgInFrom": [
        (
            "ARG TAG\nFROM base:$TAG",
            [(2, "Default value for ARG base:$TAG results in empty or invalid base image name")],
        ),
        ("ARG TAG=latest\nFROM base:${TAG}", []),
        ("ARG TAG\nFROM base:${TAG:-latest}", []),
    ],
    "RedundantTargetPlatform": [
        (
            "FROM --platform=$TARGETPLATFORM base",
            [
                (1, REDUNDANT),
            ],
        ),
        ("FROM --platform=$BUILDPLATFORM base", []),
    ],
    "SecretsUsedInArgOrEnv": [
        ("FROM base\nARG AWS_SECRET_ACCESS_KEY", [(2, SECRET.format('ARG "AWS_SECRET_ACCESS_KEY"'))]),
        (
            "ARG token\nFROM base\nENV Db_Password=x OTHER=y",
            [(1, SECRET.format('ARG "token"')), (3, SECRET.format('ENV "Db_Password"'))],
        ),
        ("FROM base\nENV MONKEY=1 PUBLIC_KEY=2 AUTHOR=3 TOKENS=4", []),
    ],
    "WorkdirRelativePath": [
        ("FROM base\nWORKDIR app/src", [(2, RELATIVE.format("app/src"))]),
        ("FROM base\nWORKDIR /app\nWORKDIR src", []),
        ("FROM base\nARG d=/x\nWORKDIR $d\nWORKDIR y", []),
        ("FROM base AS a\nWORKDIR /app\nFROM a\nWORKDIR src", []),
    ],
    "FromPlatformFlagConstDisallowed": [
        (
            "FROM --platform=linux/amd64 base AS x",
            [(1, 'FROM --platform flag should not use constant value "linux/amd64"')],
        ),
        ("FROM --platform=linux/amd64 base AS build_amd64", []),
        ("FROM base", []),
    ],
    "CopyIgnoredFile": [
        (
            "FROM base\nCOPY secret.txt /x\nADD ./docs/a /x",
            [
                (2, 'Attempting to Copy file "secret.txt" that is excluded by .dockerignore'),
                (3, 'Attempting to Add file "./docs/a" that is excluded by .dockerignore'),
            ],
        ),
        ("FROM base\nCOPY plain . *.txt $x /x/\nCOPY --from=base secret.txt /x", []),
    ],
    "InvalidDefinitionDescription": [
        (
            "# check=experimental=all\n# not about it\nARG V=1\n# nor this\nFROM base AS a",
            [
                (3, "Comment for ARG should follow the format: `# V <description>`"),
                (5, "Comment for FROM should follow the format: `# a <description>`"),
            ],
        ),
        ("# check=experimental=all\n# V is a version\nARG V=1\n\n# free\n\nFROM base AS a", []),
        ("# nothing is said unless asked for\nARG V=1\nFROM base", []),
    ],
    "ExposeProtoCasing": [
        (
            "FROM base\nEXPOSE 80/TcP 81/udp",
            [(2, "Defined protocol '80/TcP' in EXPOSE instruction should be lowercase")],
        ),
    ],
    "ExposeInvalidFormat": [
        (
            "FROM base\nEXPOSE 127.0.0.1:80:80 5000-5005:5000-5005 80",
            [(2, MAPPED.format("127.0.0.1:80:80")), (2, MAPPED.format("5000-5005:5000-5005"))],
        ),
    ],
}


def found_in(text: str) -> list[Finding]:
    return list(
        lint.review(
            parser.parse(text),
            rules=ignore.parse("secret.txt\ndocs\n"),
            config_of=lambda name: KNOWN.get(name.partition(":")[0]),
        ).findings
    )


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        pytest.param(rule, text, expected, id=f"{rule}-{number}")
        for rule, cases in CASES.items()
        for number, (text, expected) in enumerate(cases, 1)
    ],
)
def test_each_check(rule: str, text: str, expected: list[tuple[int, str]]) -> None:
    found = [(one.line, one.message) for one in found_in(text) if one.rule == rule]
    assert found == expected


def test_a_clean_file_has_no_findings() -> None:
    text = 'ARG V=1\nFROM base:$V AS a\nWORKDIR /x\nCOPY plain .\nRUN make\nFROM a\nCMD ["x"]\n'
    assert found_in(text) == []
