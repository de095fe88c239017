"""Names as they are typed: many who look for 五一路街道 type `wyljd` or `wuyilujiedao`."""

from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Spelling:
    """`wyljd` and `wuyilujiedao` for 五一路街道."""

    initials: str
    pinyin: str


def spelled(name: str) -> Spelling:
    """How the name is typed, its initials and the whole of it, lower case; other letters stay."""
    # Its dictionaries take a third of a second to load, and only whoever gives a name needs them: not every start.
    library = import_module("pypinyin")
    # By phrases, as lazy_pinyin reads them: 重 in 重庆 is chong, alone it is zhong.
    initials = library.lazy_pinyin(name, style=library.Style.FIRST_LETTER)
    return Spelling(_compact(initials), _compact(library.lazy_pinyin(name)))


def search_text(name: str) -> str:
    """The initials and the whole pinyin of a name in one text, like "wyljd wuyilujiedao"."""
    spelling = spelled(name)
    return f"{spelling.initials} {spelling.pinyin}"


def _compact(syllables: list[str]) -> str:
    return "".join("".join(syllables).split()).lower()
