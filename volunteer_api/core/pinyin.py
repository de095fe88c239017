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
    initials, whole = _read(name)
    return Spelling(_compact(initials), _compact(whole))


def search_text(name: str) -> str:
    """The initials and the whole pinyin of a name in one text, like "wyljd wuyilujiedao"."""
    spelling = spelled(name)
    return f"{spelling.initials} {spelling.pinyin}"


def spelled_from_each(name: str) -> list[Spelling]:
    """How the rest of the name is typed from each of its characters on, from each word on where it has words.

    Of 清洁湛河: `qjzh` and `qingjiezhanhe`, `jzh` and `jiezhanhe`, `zh` and `zhanhe`, `h` and `he`.
    """
    initials, whole = _read(name)
    return [Spelling(_compact(initials[start:]), _compact(whole[start:])) for start in range(len(whole))]


class _Kept(str):
    """A run of other letters, which has no initial but itself."""


def _read(name: str) -> tuple[list[str], list[str]]:
    # Its dictionaries take a third of a second to load, and only whoever gives a name needs them: not every start.
    library = import_module("pypinyin")
    # By phrases, as lazy_pinyin reads them: 重 in 重庆 is chong, alone it is zhong.
    whole = library.lazy_pinyin(name, errors=lambda run: [_Kept(run)])
    # Not by a second reading in the style of first letters, which gives the same.
    return [part if isinstance(part, _Kept) else part[:1] for part in whole], whole


def _compact(syllables: list[str]) -> str:
    return "".join("".join(syllables).split()).lower()
