"""Every text for people has its Chinese: a new message without one fails here."""

import ast
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from volunteer_api.app import create_app
from volunteer_api.attendance.beside_backfills import SENTENCES
from volunteer_api.attendance.schemas import REASON_SENTENCES, REMARK_SENTENCES
from volunteer_api.core.problems import HTTP_TITLES, Problem
from volunteer_api.core.schema import EMPTY, MESSAGES
from volunteer_api.core.texts import CATALOGS
from volunteer_api.notifications.templates import TEMPLATES
from volunteer_api.phone.recommendations import REASONS
from volunteer_api.rankings import report, words
from volunteer_api.rankings.service import (
    BASIS_TEXTS,
    NOT_BEGUN_TEXT,
    ONLY_WITH_ANY_TEXT,
    RUNNING_TEXT,
    SUBJECT_TEXTS,
    TEAM_MINUTES_TEXT,
    TEAM_TEXT,
    TEXTS,
)

PLACEHOLDER = re.compile(r"%\(\w+\)s")


def sources() -> set[str]:
    """Everything that `translate` may be given."""
    create_app()
    found = {
        *HTTP_TITLES.values(),
        *MESSAGES.values(),
        EMPTY,
        *REASON_SENTENCES.values(),
        *REMARK_SENTENCES.values(),
        *SENTENCES.values(),
        *TEXTS.values(),
        *BASIS_TEXTS.values(),
        TEAM_TEXT,
        RUNNING_TEXT,
        NOT_BEGUN_TEXT,
        *SUBJECT_TEXTS.values(),
        ONLY_WITH_ANY_TEXT,
        TEAM_MINUTES_TEXT,
        *(reason.sentence for reason in REASONS.values()),
    }
    for named in (
        words.METRICS,
        words.SUBJECTS,
        words.BASES,
        words.LEVELS,
        words.CATEGORIES,
        report.UNITS,
    ):
        found |= {*named.values()}
    found |= {*words.WEEKDAYS}
    for problem in (Problem, *Problem.known.values()):
        found |= {problem.title, problem.detail, *problem.details.values()}
    for template in TEMPLATES.values():
        found |= {template.title, template.body, *template.without.values()}
    for path in CATALOGS.parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("fault", "Fault"):
                told = [constants.get(one.id, one) if isinstance(one, ast.Name) else one for one in node.args[1:2]]
                found |= {argument.value for argument in told if isinstance(argument, ast.Constant)}
            is_word = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Word"
            is_translated = (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "translate"
            )
            if isinstance(node, ast.Call) and (is_word or is_translated):
                found |= {
                    argument.value
                    for argument in node.args[:1]
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                }
    return found - {""}


@pytest.fixture(scope="module")
def catalog() -> dict[str, str]:
    with Path(CATALOGS / "zh-CN.po").open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id}


def test_no_text_is_without_chinese(catalog: dict[str, str]) -> None:
    assert sorted(source for source in sources() if not catalog.get(source)) == []


def test_no_translation_is_left_over(catalog: dict[str, str]) -> None:
    assert sorted(set(catalog) - sources()) == []


def test_translations_have_the_same_placeholders(catalog: dict[str, str]) -> None:
    for source, translation in catalog.items():
        assert sorted(PLACEHOLDER.findall(source)) == sorted(PLACEHOLDER.findall(translation)), source
