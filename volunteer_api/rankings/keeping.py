"""Folding what a question asks about as a span of its own, and dropping what nobody asks any more.

It is made of what is folded, as it was folded: what is marked meanwhile, readers add to it as to any other span.
"""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    FromClause,
    Integer,
    Select,
    Uuid,
    and_,
    case,
    cast,
    delete,
    distinct,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import aliased

from volunteer_api.activities.models import Activity
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.statements import insert_found
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import PathMember
from volunteer_api.rankings import headcounts, named_folding
from volunteer_api.rankings.aside import Aside, fill
from volunteer_api.rankings.changes import (
    DAY_KEYS,
    asked,
    in_paths,
    in_period,
    moved_activities,
    waiting_records,
)
from volunteer_api.rankings.facts import Question, Rows, in_facet
from volunteer_api.rankings.headcounts import NO_SUBJECT, OWN, named_by
from volunteer_api.rankings.kept import Counts, kept_questions, raw_unit_of, unit_of
from volunteer_api.rankings.locking import alone
from volunteer_api.rankings.models import (
    KeptQuestion,
    RankingHeadcount,
    RankingHistogram,
    RankingNamed,
    RankingPresence,
    RankingShift,
)
from volunteer_api.rankings.schemas import ADDITIVE, Basis, Metric, Subject
from volunteer_api.rankings.spans import BEGINNING, Unit
from volunteer_api.rankings.sums import all_is_folded, forget

# Who asks for more drops what was asked for longest ago: each makes a fold dearer, and SQLite's keeps all from writing.
MOST_QUESTIONS = {"postgresql": 40, "sqlite": 10}
MOST_ROWS = 3_000_000
# Nobody turns that page any more.
FORGOTTEN_AFTER = timedelta(days=14)
_aside = Aside()
WORTH = _aside.table(
    "kept_worth",
    Column("volunteer_id", Uuid),
    Column("is_named", Boolean),
    # Of the days that growth is set against −1.
    Column("sign", Integer),
    *(Column(metric.value, BigInteger) for metric in ADDITIVE),
)
SEEN = _aside.table("kept_seen", *(Column(name, Uuid) for name in ("path_id", "team_id", "station_id", "volunteer_id")))


def claim() -> int | None:
    """The number of the question that was asked last of those to be kept, None where there is none left.

    What fails is not tried again before somebody asks again.
    """
    forget()
    if not all_is_folded():
        return None
    untried = or_(KeptQuestion.tried_at.is_(None), KeptQuestion.tried_at < KeptQuestion.asked_at)
    waiting = select(KeptQuestion).where(KeptQuestion.made_at.is_(None), untried)
    found = db.session.scalars(waiting.order_by(KeptQuestion.asked_at.desc(), KeptQuestion.id).limit(1)).first()
    if found is None:
        return None
    found.tried_at = clock.now()
    return found.id


def make(number: int) -> None:
    """Fold what a question asks about as a span of its own. To be run in a unit of its own; waits for a fold to end."""
    alone(waits=True)
    forget()
    kept = db.session.get(KeptQuestion, number)
    if kept is None or kept.made_at is not None or not all_is_folded():
        return
    kept.row_count = _fold(kept)
    kept.made_at = clock.now()


def make_again() -> None:
    """Fold anew what is kept: a rebuild does it after all others, from whose rows it is made.

    The questions' own rows stay untouched: a request that notes one must not wait for the rebuild.
    """
    for kept in kept_questions():
        _fold(kept)


def drop() -> None:
    """Forget the questions that nobody asks any more, and those asked longest ago where there are too many."""
    alone(waits=True)
    newest_first = select(KeptQuestion).order_by(KeptQuestion.asked_at.desc(), KeptQuestion.id)
    since, today = clock.now() - FORGOTTEN_AFTER, clock.today()
    gone: list[KeptQuestion] = []
    stay: list[KeptQuestion] = []
    rows = 0
    for kept in db.session.scalars(newest_first):
        is_much = len(stay) >= MOST_QUESTIONS[db.engine.dialect.name] or rows + kept.row_count > MOST_ROWS
        # However large the first one is, somebody is reading it.
        if kept.asked_at < since or _is_past(kept, today) or (stay and is_much):
            gone.append(kept)
        else:
            stay.append(kept)
            rows += kept.row_count
    for kept in gone:
        _forget_rows(kept)
        db.session.delete(kept)


def _is_past(kept: KeptQuestion, today: date) -> bool:
    """Whether it sets a period that ran against fewer days than have begun of it by now: nobody asks for that again."""
    if kept.first is None or kept.before_first is None or kept.before_last is None:
        return False
    return kept.before_last < min(kept.first - timedelta(days=1), kept.before_first + (today - kept.first))


def _fold(kept: KeptQuestion) -> int:
    question = question_of(kept)
    with _aside.made():
        return _keep_people(kept, question) if kept.counts == Counts.PEOPLE else _keep_heads(kept, question)


def question_of(kept: KeptQuestion, metric: Metric = Metric.VOLUNTEER_COUNT) -> Question:
    """One of the questions that something is kept for."""
    before = (kept.before_first, kept.before_last) if kept.before_first and kept.before_last else None
    return Question(
        Subject.VOLUNTEER if kept.counts == Counts.PEOPLE else Subject.ORGANIZATION,
        metric,
        clock.now(),
        scope=kept.scope,
        category=kept.category,
        campaign_id=kept.campaign_id,
        first=kept.first,
        last=kept.last,
        basis=Basis.GROWTH if before else Basis.RAW,
        before=before,
    )


def _forget_rows(kept: KeptQuestion) -> None:
    unit = unit_of(kept.id)
    kinds = [*_kinds(question_of(kept)), *map(named_by, ADDITIVE)]
    of_named = RankingNamed.unit.in_((unit, raw_unit_of(unit))), RankingNamed.starts_on == BEGINNING
    for statement in (
        delete(RankingNamed).where(*of_named),
        delete(RankingHistogram).where(RankingHistogram.metric.in_(ADDITIVE), RankingHistogram.unit == unit),
        delete(RankingHeadcount).where(RankingHeadcount.kind.in_(kinds), RankingHeadcount.unit == unit),
    ):
        db.session.execute(statement, execution_options={"synchronize_session": False})


def _keep_people(kept: KeptQuestion, question: Question) -> int:
    """What each has, and how many have which value; returns how many rows there are of those who may be named.

    Of growth also what they have before anything is taken away, and how many have a place.
    """
    has = _worth(question.raw, 1)
    if question.before is None:
        fill(WORTH, has, to_be_joined=True)
        return _keep_span(unit_of(kept.id), WORTH)
    fill(WORTH, select(union_all(has, _worth(question.earlier, -1)).subquery("both")), to_be_joined=True)
    unit, values = unit_of(kept.id), {metric: WORTH.c[metric.value] for metric in ADDITIVE}
    for metric, value in values.items():
        span = literal(named_by(metric)), literal(unit), literal(BEGINNING, Date), literal(NO_SUBJECT, Uuid)
        placed = select(*span, func.count(distinct(WORTH.c.volunteer_id))).where(WORTH.c.is_named, value != 0)
        insert_found(RankingHeadcount, headcounts.COLUMNS, placed)
    sums = [cast(func.sum(WORTH.c.sign * value), BigInteger).label(metric.value) for metric, value in values.items()]
    each = WORTH.c.volunteer_id, WORTH.c.is_named
    grown = select(*each, *sums).group_by(*each).subquery("grown")
    raw = select(WORTH).where(WORTH.c.sign > 0).subquery("raw")
    return _keep_span(unit, grown) + _keep_named(raw_unit_of(unit), raw)


def _keep_span(unit: str, rows: FromClause) -> int:
    """Keep rows as those of WORTH as a span; returns how many are of the named."""
    number_named = func.sum(case((rows.c.is_named, 1), else_=0))
    names = ["metric", "unit", "starts_on", "value", "volunteer_count", "named_count"]
    for metric in ADDITIVE:
        keys, value = (literal(metric.value), literal(unit), literal(BEGINNING, Date)), rows.c[metric.value]
        counted = select(*keys, value, func.count(), number_named).where(value != 0)
        insert_found(RankingHistogram, names, counted.group_by(value))
    return _keep_named(unit, rows)


def _keep_named(unit: str, rows: FromClause) -> int:
    span, values = (literal(unit), literal(BEGINNING, Date)), [rows.c[metric.value] for metric in ADDITIVE]
    named = select(rows.c.volunteer_id, *span, *values).where(rows.c.is_named)
    return insert_found(RankingNamed, named_folding.COLUMNS, named.order_by(rows.c.volunteer_id))


def _worth(question: Question, sign: int) -> Rows:
    """Who has any, as rows of WORTH."""
    shift, record = RankingShift, ServiceRecord
    joined = RankingPresence.shift_id == shift.shift_id
    # By all that the fold tells the days of an activity by: an edit may be folded of one of its shifts, and not yet of
    # the other.
    day = (RankingPresence.volunteer_id, *(getattr(shift, key) for key in DAY_KEYS))
    days = (
        select(*day, func.count().label("number"))
        .join_from(RankingPresence, shift, joined)
        .where(*asked(question, shift))
        .group_by(*day)
        .subquery("days")
    )
    nothing = literal(0)
    # An activity counts once for each of its days.
    present = select(
        days.c.volunteer_id,
        func.count().label(Metric.ACTIVITY_COUNT.value),
        func.sum(days.c.number).label(Metric.ATTENDANCE_COUNT.value),
        nothing.label(Metric.CREDITED_MINUTES.value),
    ).group_by(days.c.volunteer_id)
    recorded = select(record.volunteer_id, nothing, nothing, func.sum(record.minutes)).where(
        record.id.not_in(waiting_records()),
        *in_paths(question, record.organization_path_id),
        *in_period(question, record.on),
    )
    if question.is_filtered:
        # What an activity counted for before it was changed: its minutes are folded for that.
        moved = moved_activities()
        before = and_(moved.c.activity_id == record.activity_id, moved.c.number < 0)
        same = moved.c.activity_id.is_(None)
        recorded = (
            recorded.join(Activity, Activity.id == record.activity_id)
            .outerjoin(moved, before)
            .where(or_(and_(same, *in_facet(question, Activity)), and_(~same, *in_facet(question, moved.c))))
        )
    both = union_all(present, recorded.group_by(record.volunteer_id)).subquery("both")
    sums = [cast(func.sum(both.c[metric.value]), BigInteger).label(metric.value) for metric in ADDITIVE]
    each = select(both.c.volunteer_id, *sums).group_by(both.c.volunteer_id).subquery("each")
    # Who is named as it is folded: of whom that has changed since, readers and the next fold look anew.
    named = aliased(RankingNamed)
    has_row = and_(named.volunteer_id == each.c.volunteer_id, named.unit == Unit.ALL.value)
    is_named = case((named.volunteer_id.is_not(None), true()), else_=false())
    values = [each.c[metric.value] for metric in ADDITIVE]
    return (
        select(each.c.volunteer_id, is_named, literal(sign), *values)
        .outerjoin_from(each, named, has_row)
        # Minutes that were all taken back are none.
        .where(or_(*(value != 0 for value in values)))
    )


def _keep_heads(kept: KeptQuestion, question: Question) -> int:
    """How many different volunteers each subject had; returns how many subjects had any."""
    shift = RankingShift
    keys = (shift.path_id, shift.team_id, shift.station_id, RankingPresence.volunteer_id)
    joined = RankingPresence.shift_id == shift.shift_id
    present = select(*keys).join_from(RankingPresence, shift, joined)
    fill(SEEN, present.where(*asked(question, shift)).distinct(), to_be_joined=True)
    of_paths = select().join_from(SEEN, PathMember, PathMember.path_id == SEEN.c.path_id)
    own = of_paths.where(PathMember.depth == 0)
    number = 0
    for kind, rows, subject_id in zip(
        _kinds(question),
        (of_paths, own, select(), select()),
        (PathMember.ancestor_id, PathMember.ancestor_id, SEEN.c.team_id, SEEN.c.station_id),
        strict=True,
    ):
        span = literal(kind), literal(unit_of(kept.id)), literal(BEGINNING, Date)
        heads: Select[Any] = rows.add_columns(*span, subject_id, func.count(distinct(SEEN.c.volunteer_id)))
        counted = heads.where(subject_id.is_not(None)).group_by(subject_id)
        number += insert_found(RankingHeadcount, headcounts.COLUMNS, counted)
    return number


def _kinds(question: Question) -> list[str]:
    """Of what there are headcounts, in the order of the subjects' columns in `_keep_heads`."""
    return [kind + question.facet for kind in (Subject.ORGANIZATION, OWN, Subject.TEAM, Subject.STATION)]
