"""PDFs: what people typed stays data, every glyph is embedded, and no document costs more than it may."""

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.pdf import fonts_of, pages_of, text_of, texts_of
from volunteer_api.core import documents
from volunteer_api.core.documents import DocumentTooLarge, drawable, typeset
from volunteer_api.core.glyphs import breakable, is_covered, printable
from volunteer_api.core.problems import Busy

MADE_AT = datetime.fromisoformat("2026-11-25T08:00:00+00:00")
TEMPLATE = """
#import "page.typ": *
#show: house
#set page(paper: "a6")
#for line in data.lines [#line #parbreak()]
"""
ENDLESS = "#for a in range(100000) { for b in range(100000) { let c = calc.rem(a, b + 1) } }"


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "lines.typ"
    path.write_text(TEMPLATE, encoding="utf-8")
    return path


def test_what_people_typed_is_no_markup(template: Path) -> None:
    lines = [
        "#panic()",
        "$x^2$",
        "*a* _b_ `c`",
        '#read("/etc/passwd")',
        "= 标题",
        "\\",
        "<label>",
        '#import "@preview/x:1.0.0"',
    ]
    pdf = typeset(template, {"lines": lines}, made_at=MADE_AT)
    assert text_of(pdf) == "".join("".join(lines).split())


def test_one_font_of_our_own_is_embedded_as_far_as_it_is_used(template: Path) -> None:
    pdf = typeset(template, {"lines": ["河西社区服务台", "ABC 123"]}, made_at=MADE_AT)
    assert fonts_of(pdf) == ["NotoSansSC-Regular"]
    assert len(pdf) < 20_000
    assert pages_of(pdf) == 1


def test_equal_data_give_equal_bytes(template: Path) -> None:
    one = typeset(template, {"lines": ["雨伞"]}, made_at=MADE_AT)
    assert typeset(template, {"lines": ["雨伞"]}, made_at=MADE_AT) == one
    assert typeset(template, {"lines": ["雨伞"]}, made_at=datetime.now(UTC)) != one


def test_a_long_word_is_broken(template: Path) -> None:
    pdf = typeset(template, {"lines": ["x" * 2000]}, made_at=MADE_AT)
    # In one line it would run off the page.
    lines = [text.replace("\u200b", "") for text in texts_of(pdf)]
    assert len(lines) > 30
    assert max(map(len, lines)) < 70


def test_where_a_narrow_column_may_break() -> None:
    assert breakable("LOT-123 雨伞", 7) == "LOT-123 雨伞"
    assert breakable("雨LOT-1234伞", 7) == "雨L\u200bO\u200bT\u200b-\u200b1\u200b2\u200b3\u200b4伞"
    assert printable(breakable("LOT-1234", 7)) == breakable("LOT-1234", 7)


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("王秀英", "王秀英"),
        ("㐱龘䶮", "㐱龘䶮"),
        ("王\U0002a6a5", "王〔U+2A6A5〕"),
        ("谢谢\U0001f600", "谢谢〔U+1F600〕"),
        ("阿不都·热合曼", "阿不都·热合曼"),
        ("a\tb\r\nc\u2028d", "a b  c d"),
        ("葛\U000e0100城\ufe0f", "葛城"),
        ("e\u0301", "é"),
        ("م", "〔U+0645〕"),
        ("", ""),
    ],
)
def test_what_the_font_lacks_is_named(text: str, drawn: str) -> None:
    assert printable(text) == drawn


def test_the_font_has_what_names_need() -> None:
    """All of the unified ideographs but sixteen added after 2009, and extension A but ten."""
    lacking = [code for code in range(0x4E00, 0xA000) if not is_covered(code)]
    assert len(lacking) == 16
    assert min(lacking) >= 0x9FE0
    assert sum(not is_covered(code) for code in range(0x3400, 0x4DC0)) == 10
    assert all(is_covered(ord(character)) for character in "〔〕·—…、。①（）√○")


def test_rare_characters_do_not_fail_a_document(template: Path) -> None:
    pdf = typeset(template, {"lines": ["王\U0002a6a5", "\U0001f468\u200d\U0001f469"]}, made_at=MADE_AT)
    assert text_of(pdf) == "王〔U+2A6A5〕〔U+1F468〕〔U+1F469〕"


def test_only_texts_are_changed() -> None:
    data: dict[str, Any] = {"n": [1, 2.5, None, True, ("\U0002a6a5",)], "\U0002a6a5": "a"}
    assert drawable(data) == {"n": [1, 2.5, None, True, ["〔U+2A6A5〕"]], "\U0002a6a5": "a"}


def test_memory_is_bounded(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MEMORY_BYTES", 64 * 1024 * 1024)
    with pytest.raises(DocumentTooLarge):
        typeset(template, {"lines": ["河西社区服务台 abc"] * 30_000}, made_at=MADE_AT)


def test_time_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = tmp_path / "slow.typ"
    template.write_text(ENDLESS)
    monkeypatch.setattr(documents, "WALL_SECONDS", 1)
    begun = time.monotonic()
    with pytest.raises(DocumentTooLarge):
        typeset(template, {}, made_at=MADE_AT)
    assert time.monotonic() - begun < 10


def test_the_bound_on_a_core_holds_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = tmp_path / "slow.typ"
    template.write_text(ENDLESS)
    monkeypatch.setattr(documents, "CPU_SECONDS", 1)
    with pytest.raises(DocumentTooLarge):
        typeset(template, {}, made_at=MADE_AT)


def test_a_broken_template_is_our_fault(tmp_path: Path) -> None:
    template = tmp_path / "broken.typ"
    template.write_text("#unknown()")
    with pytest.raises(RuntimeError, match="unknown variable"):
        typeset(template, {}, made_at=MADE_AT)


def test_a_missing_font_is_our_fault(tmp_path: Path) -> None:
    template = tmp_path / "other.typ"
    template.write_text('#set text(font: "Comic Sans MS")\nx')
    with pytest.raises(RuntimeError, match="unknown font family"):
        typeset(template, {}, made_at=MADE_AT)


def test_one_at_a_time(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "PLACES", threading.BoundedSemaphore(1))
    monkeypatch.setattr(documents, "PATIENCE_SECONDS", 0.01)
    with documents.PLACES, pytest.raises(Busy):
        typeset(template, {"lines": ["x"]}, made_at=MADE_AT)
    assert typeset(template, {"lines": ["x"]}, made_at=MADE_AT).startswith(b"%PDF")


def test_the_child_sees_no_secret_of_the_parent(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its environment nor its memory: the library is loaded in the child alone."""
    seen: list[Any] = []
    run = documents.subprocess.run

    def look(command: Any, **options: Any) -> Any:
        seen.append((command, options["env"]))
        return run(command, **options)

    monkeypatch.setenv("SECRET_KEY", "s3cret")
    monkeypatch.setattr(documents.subprocess, "run", look)
    typeset(template, {"lines": ["x"]}, made_at=MADE_AT)
    ((command, environment),) = seen
    assert "-I" in command
    assert set(environment) == {"RAYON_NUM_THREADS"}
