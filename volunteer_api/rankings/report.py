"""The monthly report of an organization on paper: its figures against the month before, its parts, its pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, cast, func, select

from volunteer_api.activities.models import Activity, Shift, Unit
from volunteer_api.activities.outcome_kinds import kind_of, name_of
from volunteer_api.attendance.models import Attendance
from volunteer_api.core import clock, texts
from volunteer_api.core.database import db
from volunteer_api.core.documents import Picture, typeset
from volunteer_api.core.downloads import PDF, Download
from volunteer_api.core.periods import Period
from volunteer_api.hours import deadlines
from volunteer_api.organizations.models import Organization
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.rankings import changes, snapshots, sums, words
from volunteer_api.rankings.charts import told_number
from volunteer_api.rankings.facts import Question, Rows, attended_shifts, in_scope
from volunteer_api.rankings.files import draw_ranking, draw_weeks
from volunteer_api.rankings.outcomes import sum_outcomes
from volunteer_api.rankings.problems import MonthNotBegun
from volunteer_api.rankings.queries import ended, ranked, scope_total
from volunteer_api.rankings.registered import divisions_of
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.rankings.service import registered_in, rule_of
from volunteer_api.rankings.shapes import values_of
from volunteer_api.rankings.statistics import registered_percent
from volunteer_api.stations.models import Station
from volunteer_api.stations.queries import was_open

TEMPLATE = Path(__file__).resolve().parent / "report.typ"
MOST_PARTS, MOST_ACTIVITIES, MOST_IDLE, MOST_BARS = 100, 20, 60, 15
DAYS_SHOWN = 26 * 7
UNITS = {
    Unit.METER: "m",
    Unit.SQUARE_METER: "m²",
    Unit.KILOGRAM: "kg",
    Unit.TRUCKLOAD: "truckloads",
    Unit.PIECE: "pieces",
    Unit.PERSON: "persons",
    Unit.HOUSEHOLD: "households",
    Unit.TIME: "times",
}


@dataclass(frozen=True)
class Figure:
    """One number of the month, its own part, and that of the month before."""

    metric: Metric
    value: int
    own: int
    before: int


def monthly_report(organization: Organization, month: Period | None) -> Download:
    """The report of a local month, of the one before the present one where none is named.

    All of it is counted at one moment, in some twenty statements. Raises MonthNotBegun (409).
    """
    now = clock.now()
    today = clock.local_date(now)
    last_before = today.replace(day=1) - timedelta(days=1)
    first, last = (month and month.first) or last_before.replace(day=1), (month and month.last) or last_before
    if first > today:
        raise MonthNotBegun()
    question = Question(Subject.ORGANIZATION, Metric.ACTIVITY_COUNT, now, scope=organization.id, first=first, last=last)
    figures = [_figure(replace(question, metric=metric)) for metric in Metric]
    parts, bars = _parts(question, figures)
    idle = _idle(replace(question, subject=Subject.STATION), organization.id, first, last)
    data = {
        "title": texts.translate("Monthly report of volunteer service"),
        "organization": organization.name,
        "lines": [
            words.told_days(first, last),
            texts.translate("counted at %(moment)s", moment=words.told_moment(now)),
            *_ended(organization),
            *_standing(last, today),
            *_registered(organization),
        ],
        "figures": [_told_figure(figure) for figure in figures],
        "pictures": [
            # What has nothing below it has no bars.
            *([Picture(draw_ranking(question, MOST_BARS))] if bars else []),
            # Of a month that runs, no day to come looks like one without service.
            Picture(draw_weeks(replace(question, first=last - timedelta(days=DAYS_SHOWN - 1), last=min(last, today)))),
        ],
        "tables": [
            *_published(organization, figures, f"{first:%Y-%m}"),
            parts,
            _activities(question),
            _outcomes(organization.id, first, last),
            _best(replace(question, subject=Subject.TEAM, metric=Metric.ATTENDANCE_COUNT)),
            _best(replace(question, subject=Subject.STATION)),
        ],
        "idle": {
            "heading": texts.translate("Stations without an activity"),
            "text": "、".join(idle[:MOST_IDLE]) or texts.translate("None."),
            "more": texts.translate("There are more.") if len(idle) > MOST_IDLE else "",
        },
        "rules": [
            f"{words.metric_name(metric)}: {rule_of(replace(question, metric=metric))['text']}" for metric in Metric
        ],
        "none": texts.translate("None."),
    }
    name = f"{organization.name}-{first:%Y-%m}-{texts.translate('Monthly report of volunteer service')}.pdf"
    return Download(partial(typeset, TEMPLATE, data, made_at=now), PDF, name)


def _ended(organization: Organization) -> list[str]:
    """That the organization is closed by now, and into what it went."""
    if organization.closed_at is None:
        return []
    on = clock.local_date(organization.closed_at).isoformat()
    if organization.merged_into_id is None:
        return [texts.translate("closed on %(on)s", on=on)]
    into = db.session.get_one(Organization, organization.merged_into_id)
    return [texts.translate("merged into %(into)s on %(on)s", into=into.name, on=on)]


def _standing(last: date, today: date) -> list[str]:
    """What of the month may still come: it goes on, or its service may be recorded for some working days."""
    if last >= today:
        return [texts.translate("The month is not over yet.")]
    final_after = deadlines.due_on(last)
    is_final = final_after.is_surely_past(today)
    return [] if is_final else [words.told_finality(final_after.on, final_after.is_certain)]


def _published(organization: Organization, figures: Sequence[Figure], month: str) -> list[dict[str, Any]]:
    """The figures that were published for the month beside those of now; no table where nothing was."""
    found = snapshots.published_figures(organization, month)
    if found is None:
        return []
    # Of what was closed by then, only what it had was written.
    snapshot, values = found
    return [
        _table(
            " · ".join([texts.translate("As published"), *snapshots.told_closing(snapshot)]),
            [
                texts.translate("Figure"),
                texts.translate("As published"),
                texts.translate("Now"),
                texts.translate("Adjustment"),
            ],
            [
                [
                    words.metric_name(figure.metric),
                    f"{values.get(figure.metric, 0):,}",
                    f"{figure.value:,}",
                    f"{figure.value - values.get(figure.metric, 0):+,}",
                ]
                for figure in figures
            ],
        )
    ]


def _registered(organization: Organization) -> list[str]:
    """How many volunteers are registered there now, and of how many residents, where that is known."""
    registered, residents = registered_in(divisions_of(organization)), organization.resident_count
    percent = registered_percent(registered, residents)
    if registered is None:
        return []
    if percent is None:
        return [texts.translate("%(count)s volunteers registered now", count=f"{registered:,}")]
    return [
        texts.translate(
            "%(count)s volunteers registered now, %(percent)s %% of %(residents)s residents",
            count=f"{registered:,}",
            percent=str(percent),
            residents=f"{residents:,}",
        )
    ]


def _figure(question: Question) -> Figure:
    total = db.session.execute(scope_total(question), values_of(question)).one()
    if question.first is None:
        raise ValueError("a report has a first day")
    last_before = question.first - timedelta(days=1)
    earlier = replace(question, first=last_before.replace(day=1), last=last_before)
    before = db.session.execute(scope_total(earlier), values_of(earlier)).one()
    return Figure(question.metric, int(total.value), int(total.own), int(before.value))


def _told_figure(figure: Figure) -> dict[str, str]:
    change = figure.value - figure.before
    return {
        "name": words.metric_name(figure.metric),
        "value": f"{figure.value:,}",
        "change": texts.translate("%(change)s against the month before", change=f"{change:+,}")
        if change
        else texts.translate("as in the month before"),
    }


def _parts(question: Question, figures: Sequence[Figure]) -> tuple[dict[str, Any], int]:
    """The children with all four metrics, the organization's own share and the sum; and how many children there are."""
    found: dict[UUID, dict[Metric, int]] = {}
    names: dict[UUID, str] = {}
    for metric in Metric:
        asked = replace(question, metric=metric)
        rows = ranked(asked)
        for row in db.session.execute(select(rows.c.id, rows.c.name, rows.c.value), values_of(asked)):
            names[row.id] = row.name
            found.setdefault(row.id, {})[metric] = int(row.value)
    ordered = sorted(found, key=lambda one: (-found[one].get(Metric.ACTIVITY_COUNT, 0), one))
    gone = ended(ordered)
    told_names = {one: words.told_name(names[one], gone.get(one), briefly=True) for one in ordered}
    rows_of_parts = [[told_names[one], *(f"{found[one].get(metric, 0):,}" for metric in Metric)] for one in ordered]
    # So that the lines add up however many there are; of their volunteers there is no sum.
    rest = ordered[MOST_PARTS:]
    sums = [sum(found[one].get(metric, 0) for one in rest) for metric in Metric]
    told = [
        f"{value:,}" if metric is not Metric.VOLUNTEER_COUNT else "" for metric, value in zip(Metric, sums, strict=True)
    ]
    others = [[texts.translate("%(count)s others", count=len(rest)), *told]] if rest else []
    own = [texts.translate("Of its own"), *(f"{figure.own:,}" for figure in figures)]
    whole = [texts.translate("In all"), *(f"{figure.value:,}" for figure in figures)]
    made = _table(
        texts.translate("By organization"),
        [words.subject_name(Subject.ORGANIZATION), *(words.metric_name(metric) for metric in Metric)],
        [*rows_of_parts[:MOST_PARTS], *others, own, whole],
        note=texts.translate("Volunteers do not add up: who serves two organizations is one volunteer of both."),
    )
    return made, len(ordered)


def _activities(question: Question) -> dict[str, Any]:
    rows = db.session.execute(attended_activities(question)).all()
    return _table(
        texts.translate("Activities with most attendances"),
        [texts.translate("Activity"), texts.translate("Held by"), words.metric_name(Metric.ATTENDANCE_COUNT)],
        [[row.title, row.organization, f"{row.value:,}"] for row in rows],
        numbers_from=2,
    )


def attended_activities(question: Question) -> Rows:
    """The activities in a question's scope with most attendances: `title`, `organization` and `value`."""
    if sums.is_folded():
        held = changes.shifts(question)
        value: ColumnElement[int] = cast(func.sum(held.c.attended), BigInteger)
    else:
        held = attended_shifts(question, Shift.id, Attendance.volunteer_id, Activity.id.label("activity_id"))
        value = func.count()
    statement: Rows = (
        select(Activity.title, Organization.name.label("organization"), value.label("value"))
        .select_from(held)
        .join(Activity, Activity.id == held.c.activity_id)
        .join(Organization, Organization.id == Activity.organization_id)
    )
    return (
        in_scope(statement, held, question)
        .group_by(Activity.id, Activity.title, Organization.name)
        .order_by(value.desc(), Activity.id)
        .limit(MOST_ACTIVITIES)
    )


def _outcomes(organization_id: UUID, first: date, last: date) -> dict[str, Any]:
    sums: dict[tuple[str, str], list[float]] = {}
    for one in sum_outcomes({"organization_id": organization_id, "first_day": first, "last_day": last}):
        # By what is shown: before kinds were known by their names, one was written in several ways.
        total = sums.setdefault((name_of(kind_of(one["kind"])), one["unit"]), [0, 0])
        total[0] += one["quantity"]
        total[1] += one["activity_count"]
    return _table(
        texts.translate("Outcomes of activities completed in the month"),
        [texts.translate("What"), texts.translate("How much"), texts.translate("Activities")],
        [
            [kind, f"{told_number(quantity)} {_unit(unit)}", f"{count:,}"]
            for (kind, unit), (quantity, count) in sums.items()
        ],
    )


def _unit(unit: str) -> str:
    # What was recorded in a unit of its own before there was a list keeps it.
    return texts.translate(UNITS[Unit(unit)]) if unit in list(Unit) else unit


def _best(question: Question) -> dict[str, Any]:
    rows = ranked(question)
    best = db.session.execute(
        select(rows).where(rows.c.value > 0).order_by(rows.c.value.desc(), rows.c.id).limit(MOST_BARS),
        values_of(question),
    )
    return _table(
        f"{words.subject_name(question.subject)} · {words.metric_name(question.metric)}",
        [texts.translate("Rank"), words.subject_name(question.subject), words.metric_name(question.metric)],
        [[str(row.rank), row.name, f"{row.value:,}"] for row in best],
        wide=1,
        numbers_from=2,
    )


def _idle(question: Question, scope: UUID, first: date, last: date) -> Sequence[str]:
    """The stations that were open on a day of the month and held nothing, with what was credited there: on duty.

    Those that are the scope's now, with what they held for whomever they were then.
    """
    anywhere = replace(question, scope=None)
    held = ranked(anywhere).alias("held")
    credited = ranked(replace(anywhere, metric=Metric.CREDITED_MINUTES)).alias("credited")
    minutes: ColumnElement[int] = func.coalesce(credited.c.value, 0)
    rows = db.session.execute(
        select(Station.name, minutes.label("minutes"))
        .outerjoin(held, held.c.id == Station.id)
        .outerjoin(credited, credited.c.id == Station.id)
        .where(
            Station.organization_id.in_(subtree_ids(scope)),
            func.coalesce(held.c.value, 0) == 0,
            was_open(first, last),
        )
        .order_by(Station.name, Station.id)
        .limit(MOST_IDLE + 1),
        values_of(anywhere),
    )
    return [
        texts.translate("%(station)s (%(minutes)s minutes on duty)", station=row.name, minutes=f"{row.minutes:,}")
        if row.minutes
        else row.name
        for row in rows
    ]


def _table(
    heading: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    note: str = "",
    wide: int = 0,
    numbers_from: int = 1,
) -> dict[str, Any]:
    """A table whose column `wide` takes what room is left, with numbers from a column on."""
    return {
        "heading": heading,
        "headers": headers,
        "rows": rows,
        "note": note,
        "wide": wide,
        "numbers_from": numbers_from,
    }
