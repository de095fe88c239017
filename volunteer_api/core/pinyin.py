"""Names as they are typed: many who look for 五一路街道 type `wyljd` or `wuyilujiedao`."""

from pypinyin import Style, lazy_pinyin


def search_text(name: str) -> str:
    """The initials and the whole pinyin of a name, lower case, like "wyljd wuyilujiedao"; other letters stay."""
    # By phrases, as lazy_pinyin reads them: 重 in 重庆 is chong, alone it is zhong.
    initials = "".join(lazy_pinyin(name, style=Style.FIRST_LETTER))
    whole = "".join(lazy_pinyin(name))
    return f"{_compact(initials)} {_compact(whole)}"


def _compact(text: str) -> str:
    return "".join(text.split()).lower()
