"""A page as one document: style and modules are inlined, and a policy forbids to run or load anything else."""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable

_CHARSET = '<meta charset="utf-8">\n'
_LINK = re.compile(r'<link rel="stylesheet" href="(?P<file>[\w-]+\.css)">')
_SOURCE = re.compile(r'<script type="module" src="(?P<file>[\w-]+\.js)"></script>')
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_SCRIPT = re.compile(r'<script type="module">(.*?)</script>', re.DOTALL)
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(?P<file>[\w-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(async )?function|const|class)", re.MULTILINE)


def document(folder: Traversable, file: str, allowed: Mapping[str, str] | None = None) -> str:
    """Return the page `file` of `folder` as one document.

    `allowed` adds directives to its Content Security Policy, such as `connect-src`.
    """
    page = _read(folder, file)
    page = _LINK.sub(lambda link: f"<style>{_read(folder, link['file'])}</style>", page)
    page = _SOURCE.sub(lambda link: f'<script type="module">{_bundle(folder, link["file"])}</script>', page)
    policy = {
        "default-src": "'none'",
        "script-src": _hashes(_SCRIPT.findall(page)),
        "style-src": _hashes(_STYLE.findall(page)),
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
        **(allowed or {}),
    }
    content = "; ".join(f"{directive} {value}" for directive, value in policy.items())
    return page.replace(_CHARSET, f'{_CHARSET}<meta http-equiv="Content-Security-Policy" content="{content}">\n', 1)


def _bundle(folder: Traversable, file: str) -> str:
    """Return the module `file` after the modules that it imports, each once.

    All share one scope, so no two of them may define the same name.
    """
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", text)) for text in _modules(folder, file, set()))


def _modules(folder: Traversable, file: str, seen: set[str]) -> Iterator[str]:
    if file in seen:
        return
    seen.add(file)
    text = _read(folder, file)
    for imported in _IMPORT.finditer(text):
        yield from _modules(folder, imported["file"], seen)
    yield text


def _hashes(texts: list[str]) -> str:
    """Return the hash sources of a Content Security Policy that allow exactly these texts."""
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def _read(folder: Traversable, file: str) -> str:
    return (folder / file).read_text(encoding="utf-8")
