"""`/docs/problems`: every code that an answer may have, with what it says, for whoever writes a client."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from werkzeug.exceptions import default_exceptions

from volunteer_api.core import texts
from volunteer_api.core.problems import HTTP_TITLES, UNREAD, Problem, http_code

# Written by `python -m tests.fault_codes`: the faults stand where they are found, in a hundred places.
FAULTS = Path(__file__).with_name("fault_codes.json")
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Codes of the Volunteer API</title></head>
<body><h1>Codes</h1>
<p>Decide by the code; the sentences are for people, and may change. Words in braces are filled in. New codes and kinds
come: show those that you do not know by their sentence.</p>
<ul>{% for section in sections %}<li><a href="#{{ section.anchor }}">{{ section.title }}</a></li>{% endfor %}</ul>
{% for section in sections %}
<h2 id="{{ section.anchor }}">{{ section.title }}</h2>
<p>{{ section.told }}</p>
<dl>{% for entry in section.entries %}
<dt id="{{ section.prefix }}{{ entry.code }}"><code>{{ entry.code }}</code>{% if entry.status %} ({{ entry.status }}){% endif %}</dt>
{% for sentence in entry.sentences %}<dd>{% for language, text in sentence %}<span lang="{{ language }}">{{ text }}</span>
{% if not loop.last %}<br>{% endif %}{% endfor %}</dd>{% endfor %}{% endfor %}
</dl>{% endfor %}</body></html>
"""  # noqa: E501  # a line of the page


@dataclass(frozen=True)
class Entry:
    """A code; its sentences as English sources, and the status where it is a problem's."""

    code: str
    sources: tuple[str, ...]
    status: int | None = None

    @property
    def sentences(self) -> list[list[tuple[str, str]]]:
        """Each sentence in every language, by the language's tag."""
        return [
            [
                (tag, PLACEHOLDER.sub(r"{\1}", text))
                for tag, text in zip(texts.LANGUAGES, texts.in_all_languages(source), strict=True)
            ]
            for source in self.sources
        ]


@dataclass(frozen=True)
class Section:
    """Codes of one sort. Problems' stand at their bare names: the `type` of a problem document leads there."""

    title: str
    told: str
    anchor: str
    entries: list[Entry]
    prefix: str = ""


Read = Callable[[], Iterable[Entry]]
_more: list[tuple[str, str, str, Read]] = []


def listed(title: str, told: str, anchor: str) -> Callable[[Read], Read]:
    """Decorate what a feature has to list on the page."""

    def add(read: Read) -> Read:
        _more.append((title, told, anchor, read))
        return read

    return add


def sections() -> list[Section]:
    """The page's content."""
    faults: dict[str, list[str]] = json.loads(FAULTS.read_text(encoding="utf-8"))
    return [
        Section(
            "Problems",
            "Each refusal is an application/problem+json document with one of these codes; its type leads here. So are "
            "the refusals in the results of calls that do several things.",
            "problems",
            _sorted(_problems()),
        ),
        Section(
            "Faults of a payload",
            "The codes in errors, with the pointer to what is meant, of 422 invalid_payload and of tables; and the "
            "reasons of a refusal.",
            "errors",
            _sorted(Entry(code, tuple(sources)) for code, sources in faults.items()),
            "errors-",
        ),
        *(Section(title, told, anchor, _sorted(read()), f"{anchor}-") for title, told, anchor, read in _more),
    ]


def _problems() -> list[Entry]:
    named = {
        code: Entry(code, _told(problem.title, problem.detail, *problem.details.values()), problem.status)
        for code, problem in Problem.known.items()
    }
    plain = {
        code: Entry(code, _told(title), status)
        for status, title in HTTP_TITLES.items()
        if status in default_exceptions and (code := http_code(default_exceptions[status]().name))
    }
    unread = {code: Entry(code, _told(title), status) for status, (code, title) in UNREAD.items()}
    return [*(unread | plain | named).values()]


def _told(*sources: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source for source in sources if source))


def _sorted(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.code)
