"""JSON documents and paths with `{{placeholders}}`, compiled once."""

import re
from collections.abc import Callable, Iterator
from collections.abc import Mapping as Dictionary
from typing import Any
from urllib.parse import quote

import orjson

from sitehub.rules.mapping import Mapping
from sitehub.rules.site import Site

PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
PATH_CHARACTERS = "/?&=%:@!$'()*+,;~"
"""Stay as they are in the text of a path; what else is no letter, digit or one of -._ is percent-encoded."""

Renderer = Callable[[Site, list[str]], Any]
"""The value for a site; names that the site does not have are added to the list."""


def placeholders(template: Any) -> Iterator[str]:
    """All names in a template, in their order."""
    match template:
        case str():
            yield from PLACEHOLDER.findall(template)
        case dict():
            for value in template.values():
                yield from placeholders(value)
        case list():
            for value in template:
                yield from placeholders(value)


def compile_body(template: Any, mapping: Mapping, key: str | None = None) -> Renderer:
    """A document: text that is one placeholder becomes its JSON value, inside other text it is converted."""
    match template:
        case dict():
            fields = [(name, compile_body(value, mapping, name)) for name, value in template.items()]
            return lambda site, missing: {name: render(site, missing) for name, render in fields}
        case list():
            items = [compile_body(value, mapping, key) for value in template]
            return lambda site, missing: [render(site, missing) for render in items]
        case str() if whole := PLACEHOLDER.fullmatch(template):
            return _value(whole[1], mapping, key)
        case str() if PLACEHOLDER.search(template):
            return _text(template, mapping, key, _as_text, str)
        case _:
            return lambda _site, _missing: template


def compile_path(template: str, mapping: Mapping) -> Renderer:
    """A path: each placeholder's value is percent-encoded, so that it stays within its segment."""
    return _text(template, mapping, None, _as_segment, _as_path)


def compile_texts(templates: Dictionary[str, str], mapping: Mapping) -> Renderer:
    """Texts by name, as headers and parameters are: each placeholder's value is converted."""
    renderers = [(name, _text(template, mapping, None, _as_text, str)) for name, template in templates.items()]
    return lambda site, missing: {name: render(site, missing) for name, render in renderers}


def _value(name: str, mapping: Mapping, key: str | None) -> Renderer:
    find = mapping.finder(name, key)

    def render(site: Site, missing: list[str]) -> Any:
        value = find(site)
        if value is None:
            missing.append(name)
        return value

    return render


def _text(
    template: str, mapping: Mapping, key: str | None, convert: Callable[[Any], str], literal: Callable[[str], str]
) -> Renderer:
    parts = PLACEHOLDER.split(template)  # text, name, text, name, …, text
    texts = [literal(text) for text in parts[::2]]
    values = [_value(name, mapping, key) for name in parts[1::2]]

    def render(site: Site, missing: list[str]) -> str:
        rendered = [texts[0]]
        for value, text in zip(values, texts[1:], strict=True):
            rendered += [convert(value(site, missing)), text]
        return "".join(rendered)

    return render


def _as_path(text: str) -> str:
    return quote(text, safe=PATH_CHARACTERS)


def _as_segment(value: Any) -> str:
    """Dots alone would name the folder or the one above it: clients resolve them unless they are encoded too."""
    text = quote(_as_text(value), safe="")
    return text.replace(".", "%2E") if text in {".", ".."} else text


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
