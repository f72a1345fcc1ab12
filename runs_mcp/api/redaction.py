"""Keeping tokens out of the log of httpx, which writes whole URLs."""

import logging

import httpx
from typing_extensions import override

SECRET_PARAMETERS = ("access_token", "token")


class MaskTokens(logging.Filter):
    """Masks the parameters of URLs that hold a token."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(masked(one) if isinstance(one, httpx.URL) else one for one in record.args)
        return True


def install() -> None:
    """Mask what httpx logs from now on; once, however often it is called."""
    log = logging.getLogger("httpx")
    if not any(isinstance(one, MaskTokens) for one in log.filters):
        log.addFilter(MaskTokens())


def masked(url: httpx.URL) -> httpx.URL:
    """`url` without the tokens in its query."""
    for name in SECRET_PARAMETERS:
        if name in url.params:
            url = url.copy_set_param(name, "masked")
    return url
