"""The language of an answer."""

from flask import Flask

from volunteer_api.core import texts


def test_sentences_are_joined_as_each_language_does(app: Flask) -> None:
    """The same words, asked by two phones: nothing of the first answer is kept for the second."""
    joined = []
    for tag in ("zh-CN", "en"):
        with app.test_request_context(headers={"Accept-Language": tag}):
            joined.append(texts.sentences("A.", "B."))
    assert joined == ["A.B.", "A. B."]


def test_a_header_is_parsed_once(app: Flask) -> None:
    with app.test_request_context(headers={"Accept-Language": "en;q=0.73"}):
        texts.language()
        known = texts._best.cache_info().hits
        texts.language()
        assert texts._best.cache_info().hits == known + 1
