"""Texts for people, in the language that they asked for.

Sources are English; the catalogs are gettext .po files in the package, read at start: there is no build step and no
compiled file to forget.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import has_request_context, request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

LANGUAGES = ("zh-CN", "en")
CATALOGS = Path(__file__).resolve().parent.parent / "translations"
_spoken: ContextVar[str | None] = ContextVar("spoken_language", default=None)


@contextmanager
def speaking(tag: str) -> Iterator[None]:
    """Let texts be in the language `tag`, one of LANGUAGES, inside the block: for a reader who asks nothing now."""
    token = _spoken.set(tag)
    try:
        yield
    finally:
        _spoken.reset(token)


def language() -> str:
    """The language of this request's answer: one of LANGUAGES, the first where nobody asks."""
    spoken = _spoken.get()
    if spoken is not None:
        return spoken
    if not has_request_context():
        return LANGUAGES[0]
    return _best(request.headers.get("Accept-Language", ""))


class Word(str):
    """A source that is translated itself where it fills a sentence, as the name of a role does."""

    __slots__ = ()


def translate(source: str, **values: object) -> str:
    """`source` in the request's language, with `%(name)s` filled in."""
    text: str = _catalog(language()).gettext(source) if source else ""
    told = {name: translate(value) if isinstance(value, Word) else value for name, value in values.items()}
    return text % told if told else text


def in_all_languages(source: str) -> list[str]:
    """`source` as each language has it."""
    return [_catalog(tag).gettext(source) for tag in LANGUAGES]


def as_sentence(text: str) -> str:
    """A text that somebody gave, with a stop at its end for the next sentence."""
    text = text.rstrip()
    if text.endswith(("。", "！", "？", ".", "!", "?", "…")):
        return text
    return text + ("。" if language().startswith("zh") else ".")


def sentences(*told: str) -> str:
    """Sentences in the request's language as one text: Chinese has no space between them."""
    return ("" if language().startswith("zh") else " ").join(told)


@lru_cache(maxsize=256)
def _best(header: str) -> str:
    # Phones send a few headers; an answer asks for its language many times.
    return parse_accept_header(header, LanguageAccept).best_match(LANGUAGES) or LANGUAGES[0]


@cache
def _catalog(tag: str) -> NullTranslations:
    path = CATALOGS / f"{tag}.po"
    if not path.exists():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source))
    compiled.seek(0)
    return Translations(compiled)
