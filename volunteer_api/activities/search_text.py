"""Finding activities by Chinese text, by an index that SQLite and PostgreSQL both have (docs/decisions/0011).

Chinese has no spaces, so a text is cut into grams: each two neighboring characters, and the last one alone. A plain
index on these leads to whatever may contain what is looked for; the folded text itself judges. Every character begins a
gram, so one character alone is found as a range. What is typed in Latin letters also finds the title by its pinyin or
initials, from any of its characters on. Spaces, punctuation and symbols count on neither side: they part the words of
what is looked for, and join what they stand between in a text.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial, reduce
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, false, func, literal, or_, select, union
from sqlalchemy.orm import aliased

from volunteer_api.activities.models import Activity, ActivityGram, ActivityRename, ActivityText, Campaign
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.pinyin import spelled_from_each
from volunteer_api.core.statements import insert
from volunteer_api.core.tasks import enqueue
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.organizations.models import Organization
from volunteer_api.teams.models import Team

# What of a description is looked at: the rest would make most of the index.
HEAD = 120
LONGEST_GRAM = 24
MOST_WORDS = 10
MOST_PROBES = 24
MOST_TOGETHER = 6
# What so few activities have leads straight to them; what more of them have is met soon by walking the list.
FEW = 1000
INDEX_RENAMED = "activities.index_renamed"
BATCH = 100
SURROGATES = 0xD800, 0xE000
LAST_CHARACTER = 0x10FFFF
TYPED = re.compile(r"(?=.*[a-z])[a-z0-9]+", re.ASCII)
NOT_TYPED = re.compile(r"[^a-z0-9]", re.ASCII)
# What is left out of a title where somebody says it short.
IN_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|【[^【】]*】|〔[^〔〕]*〕")
# With the names kept beside a text: which form of text and grams was made. Another one is made anew by the sweep.
FORM = "3"
# By the first letter of their Unicode category, by the whole of it, and those that only choose how another is drawn.
MARKS = "PS"
UNSEEN = "Cf"
VARIATIONS = 0xFE00, 0xFE0F


def fold(text: str) -> str:
    """The text without what people don't tell apart: full width and half width, cases, spaces, punctuation."""
    return "".join(_parts(text))


def words_of(q: str) -> list[str]:
    """What must all be found: the folded text's parts between spaces and punctuation, the first ten of them."""
    return list(dict.fromkeys(_parts(q)))[:MOST_WORDS]


def says(name: str, q: str) -> bool:
    """Whether a name contains every word of `q`."""
    words, folded = words_of(q), fold(name)
    return bool(words) and all(word in folded for word in words)


def titles_of(title: str) -> list[str]:
    """The title folded, and without what it has in brackets: “清洁湛河”（第三期）行动 is also 清洁湛河行动."""
    return list(filter(None, dict.fromkeys((fold(title), fold(IN_BRACKETS.sub("", same_width(title)))))))


def text_of(title: str, others: Iterable[str]) -> str:
    """What a search looks at of an activity: its title and the other fields, folded, one a line."""
    return "\n".join((*titles_of(title), *filter(None, map(fold, others))))


def names_kept(names: Iterable[str]) -> str:
    """The names of organization, team and campaign as they are kept beside the text that was made of them."""
    return "\n".join((FORM, *names))


def grams_of(folded: str) -> set[str]:
    """The grams of folded text; none reaches over the end of a line."""
    return {line[start : start + 2] for line in folded.split("\n") for start in range(len(line))}


def spellings_of(title: str) -> set[str]:
    """How the title is typed from each of its characters on, cut to the length of a gram."""
    ways = [one for folded in titles_of(title) for one in spelled_from_each(folded)]
    spelled = [NOT_TYPED.sub("", text) for one in ways for text in (one.initials, one.pinyin)]
    return {text[:LONGEST_GRAM] for text in spelled if text}


@dataclass(frozen=True)
class Search:
    """The conditions of a search. `leads` where they lead to the few activities that can be meant."""

    conditions: Sequence[ColumnElement[bool]]
    leads: bool


def search(q: str) -> Search:
    """What finds the activities that contain every word of `q`. One statement, or two.

    The rarest gram leads; where every one of them is frequent, all together do, unless these are frequent too.
    """
    words = words_of(q)
    if not words:
        return Search([false()], leads=True)
    probes = {gram: _equal(gram) for word in words for gram in _whole_grams(word)}
    probes |= {word: _begins(word[:LONGEST_GRAM]) for word in words if len(word) == 1 or _is_typed(word)}
    counted = list(probes)[:MOST_PROBES]
    counts = db.session.execute(select(*(_few(probes[name]) for name in counted))).one() if counted else ()
    known = dict(zip(counted, counts, strict=True))
    led = [lead for lead in (_lead(word, known) for word in words) if lead is not None]
    conditions = [_contains(word) for word in words]
    if not led:
        together = _together([gram for word in words if not _is_typed(word) for gram in _whole_grams(word)])
        if together is None or db.session.scalars(_at_most(together)).one() > FEW:
            return Search(conditions, leads=False)
        return Search([Activity.id.in_(together), *conditions], leads=True)
    condition, count = min(led, key=lambda lead: lead[1])
    return Search([condition, *conditions], leads=True) if count else Search([false()], leads=True)


def index(activity: Activity, *, is_new: bool = False) -> None:
    """Make the activity found by what it says now. At most four statements, and three where it `is_new`."""
    names = db.session.execute(_names().where(Activity.id == activity.id)).one()
    _index(activity, names.names, is_new=is_new)


def index_what_is_stale() -> int:
    """Index activities that have no text yet, or one of an earlier form, or whose organization, team or campaign is
    called otherwise by now.

    In units of a hundred activities each; returns of how many.
    """
    done = 0
    while count := run_unit(_index_some, writes=True):
        done += count
    return done


def mark_renamed(subject_id: UUID) -> None:
    """An organization, a team or a campaign has another name: its activities are found by it within a minute.

    It may have thousands, so only that is noted in the unit that renames it, and the worker is nudged.
    """
    row = {"renamed_at": clock.now()}
    statement = insert(ActivityRename).values(renamed_id=subject_id, **row)
    db.session.execute(statement.on_conflict_do_update(index_elements=[ActivityRename.renamed_id], set_=row))
    enqueue(INDEX_RENAMED)


def index_renamed() -> int:
    """Index the activities of what was renamed, in units of a hundred each; returns of how many."""
    done = 0
    for subject_id, renamed_at in run_unit(_marks, writes=False):
        work = partial(_index_some, subject_id)
        while count := run_unit(work, writes=True):
            done += count
        # Where it was renamed once more meanwhile, the mark is another one.
        run_unit(partial(_forget, subject_id, renamed_at), writes=True)
    return done


def _marks() -> list[tuple[UUID, datetime]]:
    found = db.session.execute(select(ActivityRename).order_by(ActivityRename.renamed_at, ActivityRename.renamed_id))
    return [(mark.renamed_id, mark.renamed_at) for mark in found.scalars()]


def _forget(subject_id: UUID, renamed_at: datetime) -> None:
    db.session.execute(
        delete(ActivityRename).where(ActivityRename.renamed_id == subject_id, ActivityRename.renamed_at == renamed_at)
    )


def _index_some(subject_id: UUID | None = None) -> int:
    stale = (
        _names()
        .add_columns(Activity)
        .outerjoin(ActivityText, ActivityText.activity_id == Activity.id)
        .where(or_(ActivityText.activity_id.is_(None), ActivityText.names != _joined_names()))
        .order_by(Activity.id)
        .limit(BATCH)
    )
    if subject_id is not None:
        named_after = (Activity.organization_id, Activity.team_id, Activity.campaign_id)
        stale = stale.where(or_(*(column == subject_id for column in named_after)))
    rows = db.session.execute(stale).all()
    for row in rows:
        _index(row.Activity, row.names)
    return len(rows)


def _index(activity: Activity, names: str, *, is_new: bool = False) -> None:
    _, *named = names.split("\n")
    folded = text_of(activity.title, (activity.place_name or "", *named, (activity.description or "")[:HEAD]))
    kept = db.session.get(ActivityText, activity.id) if not is_new else None
    if kept is not None and (kept.text, kept.names) == (folded, names):
        return
    if kept is None:
        db.session.add(ActivityText(activity_id=activity.id, text=folded, names=names))
    else:
        kept.text, kept.names = folded, names
    _replace_grams(activity.id, grams_of(folded) | spellings_of(activity.title), is_new=is_new)
    db.session.flush()


def _replace_grams(activity_id: UUID, grams: set[str], *, is_new: bool) -> None:
    own = select(ActivityGram.gram).where(ActivityGram.activity_id == activity_id)
    there = set(db.session.scalars(own)) if not is_new else set()
    if gone := there - grams:
        db.session.execute(
            delete(ActivityGram).where(ActivityGram.activity_id == activity_id, ActivityGram.gram.in_(gone))
        )
    if new := sorted(grams - there):
        rows = [{"gram": gram, "activity_id": activity_id} for gram in new]
        db.session.execute(insert(ActivityGram.__table__).on_conflict_do_nothing(), rows)


def _names() -> Select[str]:
    return (
        select(_joined_names().label("names"))
        .select_from(Activity)
        .join(Organization, Organization.id == Activity.organization_id)
        .outerjoin(Team, Team.id == Activity.team_id)
        .outerjoin(Campaign, Campaign.id == Activity.campaign_id)
    )


def _joined_names() -> ColumnElement[str]:
    parts: Iterable[ColumnElement[str]] = (
        literal(FORM),
        func.coalesce(Organization.name, ""),
        func.coalesce(Team.name, ""),
        func.coalesce(Campaign.name, ""),
    )
    return reduce(lambda joined, part: joined.op("||")(literal("\n")).op("||")(part), parts)


def same_width(text: str) -> str:
    """The text without what people don't tell apart of letters and signs: full width and half width, cases."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _parts(text: str) -> list[str]:
    return "".join(" " if _is_mark(character) else character for character in same_width(text)).split()


def _is_mark(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in MARKS or category == UNSEEN or VARIATIONS[0] <= ord(character) <= VARIATIONS[1]


def _whole_grams(word: str) -> list[str]:
    return list(dict.fromkeys(word[start : start + 2] for start in range(len(word) - 1)))


def _is_typed(word: str) -> bool:
    return TYPED.fullmatch(word) is not None


def _lead(word: str, known: dict[str, int]) -> tuple[ColumnElement[bool], int] | None:
    """The condition that leads to the activities that may contain the word, and how many they are; None: too many."""
    ways: list[tuple[ColumnElement[bool], int]] = []
    if (grams := [gram for gram in _whole_grams(word) if gram in known]) and len(word) > 1:
        rarest = min(grams, key=lambda gram: known[gram])
        ways.append((_equal(rarest), known[rarest]))
    if len(word) == 1 or _is_typed(word):
        if word not in known:
            return None
        ways.append((_begins(word[:LONGEST_GRAM]), known[word]))
    if not ways or sum(count for _, count in ways) > FEW:
        return None
    found = [select(ActivityGram.activity_id).where(way) for way, _ in ways]
    return Activity.id.in_(union(*found) if len(found) > 1 else found[0]), sum(count for _, count in ways)


def _contains(word: str) -> ColumnElement[bool]:
    """That the folded text contains the word, or that the title is spelled so."""
    # One look per row by the key. As an EXISTS, PostgreSQL would read all texts and judge them first.
    own = select(ActivityText.text).where(ActivityText.activity_id == Activity.id).correlate(Activity).scalar_subquery()
    contains = own.contains(word, autoescape=True)
    if not _is_typed(word):
        return contains
    own_gram = select(ActivityGram.gram).where(ActivityGram.activity_id == Activity.id, _begins(word[:LONGEST_GRAM]))
    return or_(contains, own_gram.limit(1).correlate(Activity).scalar_subquery().is_not(None))


def _equal(gram: str) -> ColumnElement[bool]:
    return ActivityGram.gram == gram


def _begins(prefix: str) -> ColumnElement[bool]:
    """That a gram begins so, as a range of code points."""
    last = ord(prefix[-1])
    if last == LAST_CHARACTER:
        return ActivityGram.gram >= prefix
    after = SURROGATES[1] if last + 1 == SURROGATES[0] else last + 1
    return and_(ActivityGram.gram >= prefix, ActivityGram.gram < prefix[:-1] + chr(after))


def _together(grams: Sequence[str]) -> Select[UUID] | None:
    """The ids of what has all of these grams, the first six of them; None where one of them says no more than that."""
    some = list(dict.fromkeys(grams))[:MOST_TOGETHER]
    if len(some) < 2:
        return None
    tables = [aliased(ActivityGram) for _ in some]
    statement = select(tables[0].activity_id)
    for table, gram in zip(tables, some, strict=True):
        if table is not tables[0]:
            statement = statement.join(table, table.activity_id == tables[0].activity_id)
        statement = statement.where(table.gram == gram)
    return statement


def _at_most(ids: Select[UUID]) -> Select[int]:
    return select(func.count()).select_from(ids.limit(FEW + 1).subquery())


def _few(condition: ColumnElement[bool]) -> ColumnElement[int]:
    # In the index's order, so that it is the index that is read.
    order = (ActivityGram.gram, ActivityGram.activity_id)
    some = select(ActivityGram.activity_id).where(condition).order_by(*order).limit(FEW + 1).subquery()
    return select(func.count()).select_from(some).scalar_subquery()
