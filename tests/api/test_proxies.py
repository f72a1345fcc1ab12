"""Proxies of the environment: which requests use one, and which settings are rejected."""

import pytest

from runs_mcp.api import ProxySettingsError, connect
from runs_mcp.api.requests.proxies import Proxies

API = "https://api.example.com/api/v1/runs"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("variable", "value", "proxy"),
    [
        pytest.param("HTTPS_PROXY", "http://proxy:3128", "http://proxy:3128", id="a URL"),
        pytest.param("https_proxy", "http://proxy:3128", "http://proxy:3128", id="in lower case"),
        pytest.param("HTTPS_PROXY", "proxy:3128", "http://proxy:3128", id="without a scheme"),
        pytest.param("HTTPS_PROXY", "proxy", "http://proxy", id="a host alone"),
        pytest.param("HTTPS_PROXY", "https://proxy", "https://proxy", id="over TLS"),
        pytest.param("HTTPS_PROXY", "http://user:pass@proxy:3128", "http://user:pass@proxy:3128", id="with a password"),
        pytest.param("ALL_PROXY", "http://proxy:3128", "http://proxy:3128", id="for every scheme"),
        pytest.param("HTTP_PROXY", "http://proxy:3128", None, id="for another scheme"),
        pytest.param("HTTPS_PROXY", "", None, id="empty"),
    ],
)
def test_a_proxy_is_named_by_a_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, proxy: str | None
) -> None:
    monkeypatch.setenv(variable, value)
    assert Proxies.from_environment().find(API) == proxy


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        pytest.param("ALL_PROXY", "socks5://u:pass@proxy:1080", "ALL_PROXY: socks5 proxies are not supported", id="5"),
        pytest.param("HTTPS_PROXY", "socks4a://proxy", "HTTPS_PROXY: socks4a proxies are not supported", id="4"),
        pytest.param("HTTPS_PROXY", "http://", "HTTPS_PROXY names no host", id="no host"),
        pytest.param("HTTPS_PROXY", "http://proxy:port", "HTTPS_PROXY is not the URL of a proxy", id="no port"),
    ],
)
def test_an_unusable_proxy_is_rejected_at_start_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ProxySettingsError, match=message) as rejected:
        connect(token="a-token")
    assert "pass" not in str(rejected.value)


def test_settings_of_proxies_do_not_show_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:the-password@proxy:3128")
    assert "the-password" not in repr(Proxies.from_environment())


@pytest.mark.parametrize(
    ("exceptions", "url", "direct"),
    [
        ("*", API, True),
        ("example.com", API, True),
        (".example.com", API, True),
        ("*.example.com", API, True),
        ("API.EXAMPLE.COM", API, True),
        ("other.org, example.com", API, True),
        ("other.org example.com", API, True),
        ("example.com.", API, True),
        ("ample.com", API, False),
        ("example.com.evil.org", API, False),
        ("v1.api.example.com", API, False),
        ("", API, False),
        (".", API, False),
        ("example.com:443", API, True),
        ("example.com:8443", API, False),
        ("example.com:8443", "https://api.example.com:8443/", True),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.1.2.3", "https://10.1.2.3/", True),
        ("10.1.2.3:443", "https://10.1.2.3/", True),
        ("10.1.2.3:444", "https://10.1.2.3/", False),
        ("fd00::/8", "https://[fd00::1]/", True),
        ("[fd00::1]", "https://[fd00::1]/", True),
        ("[fd00::1]:443", "https://[fd00::1]/", True),
        ("[fd00::1]:444", "https://[fd00::1]/", False),
        ("2.3", "https://10.1.2.3/", False),
    ],
)
def test_no_proxy_is_read_as_curl_reads_it(
    monkeypatch: pytest.MonkeyPatch, exceptions: str, url: str, *, direct: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert (Proxies.from_environment().find(url) is None) is direct


@pytest.mark.parametrize("host", ["localhost", "api.localhost", "127.0.0.1", "127.8.9.1", "[::1]", "LOCALHOST"])
def test_loopback_is_always_direct(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy:3128")
    assert Proxies.from_environment().find(f"http://{host}:8080/api/v1") is None
