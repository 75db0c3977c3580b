"""Facts about the host as text."""

from composer.cli.systemverbs import info


def test_a_line_per_fact_and_lists_below_their_name() -> None:
    text = info.text_of(
        {
            "kernel": "6.18",
            "has_overlay": True,
            "missing": [],
            "tools": {"runc": "1.1", "crun": ""},
            "b": ["x", "y"],
        }
    )
    assert text == (
        "kernel:      6.18\n"
        "has overlay: yes\n"
        "missing:     none\n"
        "tools:       runc 1.1\n"
        "             crun none\n"
        "b:           x\n"
        "             y\n"
    )
