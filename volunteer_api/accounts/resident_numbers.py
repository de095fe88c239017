"""The form of the resident ID number: 18 characters with a date of birth and a check character [GB 11643-1999]."""

import re
from datetime import date

from stdnum.cn import ric
from stdnum.exceptions import ValidationError

from volunteer_api.core import clock
from volunteer_api.core.schema import half_width

FORM = re.compile(r"[1-9][0-9]{16}[0-9X]", re.ASCII)


def normalized(text: str) -> str | None:
    """The number as it is stored, with full-width characters, spaces and a lower-case x made plain; None for none.

    The code of the place is not looked up: numbers issued long after birth have places that did not exist at birth,
    and residence permits of Hong Kong, Macau and Taiwan have 81, 82 and 83.
    """
    number = half_width(text).replace(" ", "").replace("-", "").upper()
    if not FORM.fullmatch(number) or number[-1] != ric.calc_check_digit(number):
        return None
    try:
        born = birth_date_of(number)
    except ValidationError:
        return None
    return number if born.year >= 1900 and born <= clock.today() else None


def birth_date_of(number: str) -> date:
    """The date of birth that a normalized number names. Raises ValidationError where there is no such day."""
    return ric.get_birth_date(number)


def masked(number: str) -> str:
    """A number as it is shown: `410***********1234`."""
    return f"{number[:3]}{'*' * (len(number) - 7)}{number[-4:]}"
