from __future__ import annotations

from composer.dockerfile import outline, parser

TEXT = """\
ARG V=1
FROM base AS one
ARG V
ARG W=2
RUN --mount=type=secret,id=tok,required --mount=type=ssh a
FROM other
COPY --from=one /a /b
"""


def test_targets() -> None:
    found = outline.targets_of(parser.parse(TEXT), {})
    assert [(one.name, one.description, one.is_default) for one in found] == [
        ("one", "from base", False), ("1", "from other", True),
    ]  # fmt: skip


def test_what_a_target_takes() -> None:
    found = outline.outline_of(parser.parse(TEXT), {"W": "3"}, None)
    assert found.target == "stage-1"
    assert found.arguments == (("V", "1"), ("W", "3"))
    assert (found.secrets, found.agents) == ((("tok", "true"),), (("default", ""),))
