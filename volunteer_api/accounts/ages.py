"""What holds at which age. It follows from the date of birth and today, so nothing must be done on a birthday."""

from datetime import date

# Under this age only the guardian can consent [PIPL 31].
GUARDIAN_AGE = 14
# [Civil Code 17]
ADULT_AGE = 18


def age_on(birth_date: date, day: date) -> int:
    """How many full years old somebody is on a day; somebody born on February 29 grows older on March 1."""
    had_birthday = (day.month, day.day) >= (birth_date.month, birth_date.day)
    return day.year - birth_date.year - (not had_birthday)


def needs_guardian(birth_date: date | None, day: date) -> bool:
    """Whether only a guardian can consent. An unknown date of birth is that of an adult: nobody is made to tell it."""
    return birth_date is not None and age_on(birth_date, day) < GUARDIAN_AGE


def is_under_age(birth_date: date | None, day: date) -> bool:
    """Whether somebody is a minor on a day; not where the date of birth is unknown."""
    return birth_date is not None and age_on(birth_date, day) < ADULT_AGE


def of_age_on(birth_date: date) -> date:
    """The day on which somebody is of age."""
    try:
        return birth_date.replace(year=birth_date.year + ADULT_AGE)
    except ValueError:
        return date(birth_date.year + ADULT_AGE, 3, 1)


def youngest_adult(day: date) -> date:
    """The latest date of birth of an adult on a day, for a condition in SQL: who was born after it is a minor."""
    try:
        return day.replace(year=day.year - ADULT_AGE)
    except ValueError:
        return date(day.year - ADULT_AGE, 2, 28)
