"""Proxies, as Go reads the variables (golang.org/x/net/http/httpproxy, its own test table in part)."""

from __future__ import annotations

import pytest

from composer.registry import proxies

PROXIES = {"HTTP_PROXY": "http://plain:1", "HTTPS_PROXY": "http://secure:2"}


@pytest.mark.parametrize(
    ("scheme", "host", "port", "no_proxy", "expected"),
    [
        ("https", "registry.example", 443, "", "http://secure:2"),
        ("http", "registry.example", 80, "", "http://plain:1"),
        ("https", "registry.example", 443, "*", ""),
        ("https", "registry.example", 443, "registry.example", ""),
        ("https", "REGISTRY.example", 443, "registry.EXAMPLE", ""),
        ("https", "a.registry.example", 443, "registry.example", ""),
        ("https", "aregistry.example", 443, "registry.example", "http://secure:2"),
        ("https", "registry.example", 443, ".registry.example", "http://secure:2"),
        ("https", "a.registry.example", 443, ".registry.example", ""),
        ("https", "a.registry.example", 443, "*.registry.example", ""),
        ("https", "registry.example", 443, "registry.example:443", ""),
        ("https", "registry.example", 444, "registry.example:443", "http://secure:2"),
        ("https", "10.1.2.3", 443, "10.0.0.0/8", ""),
        ("https", "11.1.2.3", 443, "10.0.0.0/8", "http://secure:2"),
        ("https", "10.1.2.3", 443, "10.1.2.3", ""),
        ("https", "10.1.2.3", 5000, "10.1.2.3:443", "http://secure:2"),
        ("https", "fd00::1", 443, "fd00::/8", ""),
        ("https", "fd00::1", 443, "[fd00::1]:443", ""),
        ("https", "registry.example", 443, "10.0.0.0/8, nonsense/, ,other", "http://secure:2"),
        ("https", "localhost", 443, "", ""),
        ("https", "a.localhost", 443, "", ""),
        ("http", "127.5.5.5", 5000, "", ""),
        ("http", "::1", 5000, "", ""),
    ],
)
def test_rules(scheme: str, host: str, port: int, no_proxy: str, expected: str) -> None:
    assert proxies.proxy_for(scheme, host, port, {**PROXIES, "NO_PROXY": no_proxy}) == expected


def test_lower_case_counts_where_upper_case_is_not_set() -> None:
    assert proxies.proxy_for("https", "a.b", 443, {"https_proxy": "one:1"}) == "http://one:1"
    assert (
        proxies.proxy_for("https", "a.b", 443, {"https_proxy": "one:1", "HTTPS_PROXY": "two:2"})
        == "http://two:2"
    )
    assert proxies.proxy_for("https", "a.b", 443, {**PROXIES, "no_proxy": "a.b"}) == ""


def test_a_client_of_a_cgi_program_sets_no_proxy() -> None:
    assert proxies.proxy_for("http", "a.b", 80, {**PROXIES, "REQUEST_METHOD": "GET"}) == ""
    assert proxies.proxy_for("https", "a.b", 443, {**PROXIES, "REQUEST_METHOD": "GET"}) == "http://secure:2"
