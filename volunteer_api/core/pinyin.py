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


def spelled_from_each(name: str) -> list[Spelling]:
    """How the rest of the name is typed from each of its characters on, from each word on where it has words.

    Of 清洁湛河: `qjzh` and `qingjiezhanhe`, `jzh` and `jiezhanhe`, `zh` and `zhanhe`, `h` and `he`.
    """
    library = import_module("pypinyin")
    initials = library.lazy_pinyin(name, style=library.Style.FIRST_LETTER)
    whole = library.lazy_pinyin(name)
    return [Spelling(_compact(initials[start:]), _compact(whole[start:])) for start in range(len(whole))]


def _compact(syllables: list[str]) -> str:
    return "".join("".join(syllables).split()).lower()
