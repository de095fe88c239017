"""Pictures of numbers as SVG: bars in order, bars that race through time, and weeks as a heat map.

Plain functions of plain data. What people typed stands in the picture as text and as nothing else, and a picture has
neither scripts nor references to anything outside of itself.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape

from volunteer_api.core.glyphs import printable

# The documents' own font first; a browser has one of the others.
FONTS = "'Noto Sans SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
INK, FAINT = "#1f2328", "#656d76"
# Told apart by people who confuse red and green too (Okabe and Ito's colors, without their yellow and black).
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
# From nothing to much, in even steps of lightness.
HEATS = ("#ebedf0", "#c6dbef", "#6baed6", "#2171b5", "#08306b")
WIDTH, MARGIN = 960, 24
# Labels take what they need, within bounds.
LEAST_LABEL, MOST_LABEL, VALUE_WIDTH = 120, 360, 96
RANK_WIDTH = 42
ROW, BAR = 34, 22
HEAD, FOOT = 84, 40
SECONDS_A_FRAME = 1.2
MOST_BARS = 50
MOST_FRAMES = 60
WEEKDAYS = 7


@dataclass(frozen=True)
class Caption:
    """What stands around a picture: its title, the line below it, and the rule by which it was counted."""

    title: str
    subtitle: str
    rule: str


@dataclass(frozen=True)
class Bar:
    """One subject's place: `label` is its name, `told` its value as a person reads it."""

    rank: int
    label: str
    value: float
    told: str


@dataclass(frozen=True)
class Frame:
    """A moment of a race: `label` says when, `values` what each subject had by then, by its id."""

    label: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Runner:
    """A subject of a race."""

    id: str
    label: str


def bar_chart(caption: Caption, bars: Sequence[Bar], more: str = "") -> str:
    """The bars from above down, at most 50; a negative value is a bar of no length with its number beside it.

    `more` stands below the last of them: who has the same place, and is not shown.
    """
    shown = bars[:MOST_BARS]
    longest = max((bar.value for bar in shown), default=0) or 1
    room = _label_room(bar.label for bar in shown)
    begin = MARGIN + RANK_WIDTH + room + 12
    parts = []
    for place, bar in enumerate(shown):
        top = HEAD + place * ROW
        length = _length(bar.value, longest, begin)
        parts += [
            _text(MARGIN + 30, top + 16, str(bar.rank), anchor="end", fill=FAINT),
            _text(MARGIN + RANK_WIDTH, top + 16, fitting(bar.label, room, 15)),
            _box(begin, top, length, BAR, COLORS[0]),
            _text(begin + length + 8, top + 16, bar.told),
        ]
    rows = max(1, len(shown))
    if more:
        parts.append(_text(MARGIN + RANK_WIDTH, HEAD + rows * ROW + 16, more, fill=FAINT))
        rows += 1
    return _picture(caption, HEAD + rows * ROW + FOOT, parts)


def bar_race(caption: Caption, runners: Sequence[Runner], frames: Sequence[Frame], most: int) -> str:
    """The first `most` of each frame as bars that grow and overtake, once through, in some 1.2 seconds a frame.

    Animated by SVG's own means, without a script. A viewer that does not move shows the last frame. At least one
    frame; equal values stand in the order of the runners.
    """
    frames = frames[-MOST_FRAMES:]
    places = [_places(runners, frame) for frame in frames]
    seen = [runner for runner in runners if any(place[runner.id] < most for place in places)]
    longest = max((value for frame in frames for value in frame.values.values()), default=0) or 1
    time = _Time(len(frames))
    room = _label_room(runner.label for runner in seen)
    begin = MARGIN + room + 10
    parts = [f'<clipPath id="field"><rect x="0" y="{HEAD - 6}" width="{WIDTH}" height="{most * ROW}"/></clipPath>']
    parts.append('<g clip-path="url(#field)">')
    for number, runner in enumerate(seen):
        # Below the field, where it is cut off, stands who is not among the first.
        tops = [HEAD + min(place[runner.id], most) * ROW for place in places]
        values = [frame.values.get(runner.id, 0) for frame in frames]
        lengths = [_length(value, longest, begin) for value in values]
        color = COLORS[number % len(COLORS)]
        last = len(frames) - 1
        parts += [
            f'<g transform="translate(0 {tops[last]})">',
            time.moved([f"0 {top}" for top in tops]),
            _text(begin - 10, 16, fitting(runner.label, room, 15), anchor="end"),
            f'<rect x="{begin:.1f}" y="0" height="{BAR}" rx="3" fill="{color}" width="{lengths[last]:.1f}">',
            time.changed("width", [f"{length:.1f}" for length in lengths]),
            "</rect>",
            *(
                _shown_in(time, index, _text(begin + lengths[index] + 8, 16, told_number(values[index])))
                for index in range(len(frames))
            ),
            "</g>",
        ]
    parts.append("</g>")
    foot = HEAD + most * ROW
    for index, frame in enumerate(frames):
        parts.append(
            _shown_in(time, index, _text(WIDTH - MARGIN, foot - 8, frame.label, anchor="end", size=28, fill=FAINT))
        )
    return _picture(caption, foot + FOOT, parts)


def heat_map(caption: Caption, values: Mapping[date, int], first: date, last: date, weekdays: Sequence[str]) -> str:
    """A column for each week from the one of `first` to the one of `last`, a row for each of the seven `weekdays`.

    The first weekday is Monday. Days beyond `first` and `last` are left out; the steps of the color are fifths of
    the largest value, and what has none is gray.
    """
    monday = first - timedelta(days=first.weekday())
    weeks = (last - monday).days // WEEKDAYS + 1
    side = min(26.0, (WIDTH - 2 * MARGIN - 36) / weeks)
    largest = max(values.values(), default=0)
    # The months stand between the line below the title and the days.
    head = HEAD + 14
    parts = [
        _text(MARGIN, head + row * side + side * 0.72, name, size=11, fill=FAINT)
        for row, name in enumerate(weekdays)
        if row % 2 == 0
    ]
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        column, row = divmod((day - monday).days, WEEKDAYS)
        value = values.get(day, 0)
        left, top = MARGIN + 36 + column * side, head + row * side
        box = f'x="{left:.1f}" y="{top:.1f}" width="{side - 2:.1f}" height="{side - 2:.1f}" rx="2"'
        parts.append(f'<rect {box} fill="{HEATS[heat(value, largest)]}"><title>{day}: {value:,}</title></rect>')
        if day.day == 1:
            parts.append(_text(left, head - 8, f"{day:%Y-%m}", size=11, fill=FAINT))
    bottom = head + WEEKDAYS * side + 22
    legend = [_text(MARGIN + 36, bottom + 11, "0", size=11, fill=FAINT)]
    for step, color in enumerate(HEATS):
        legend.append(_box(MARGIN + 56 + step * 18, bottom, 14, 14, color))
    legend.append(_text(MARGIN + 56 + len(HEATS) * 18 + 6, bottom + 11, f"{largest:,}", size=11, fill=FAINT))
    return _picture(caption, bottom + 20 + FOOT, [*parts, *legend])


def heat(value: int, largest: int) -> int:
    """The step of the color of a value: 0 for nothing, 4 for the largest."""
    if value <= 0 or largest <= 0:
        return 0
    return min(len(HEATS) - 1, 1 + (value * (len(HEATS) - 1) - 1) // largest)


def told_number(value: float) -> str:
    """A number as a person reads it: its thousands apart, at most four decimals, whole where it is."""
    return f"{round(value, 4):,}".removesuffix(".0")


def fitting(text: str, width: float, size: float) -> str:
    """The text, cut with an ellipsis where it is wider than so many points; a Chinese character is as wide as high."""
    letters = printable(text)
    if _width(letters, size) <= width:
        return letters
    kept = ""
    for letter in letters:
        if _width(kept + letter, size) > width - size:
            break
        kept += letter
    return kept + "…"


class _Time:
    """When the frames of a race are shown: evenly, and the last one for good."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.seconds = max(1, frames - 1) * SECONDS_A_FRAME

    def moved(self, values: Sequence[str]) -> str:
        return (
            f'<animateTransform attributeName="transform" type="translate" values="{self._listed(values)}" '
            f'dur="{self.seconds:g}s" fill="freeze"/>'
        )

    def changed(self, name: str, values: Sequence[str]) -> str:
        return (
            f'<animate attributeName="{name}" values="{self._listed(values)}" dur="{self.seconds:g}s" fill="freeze"/>'
        )

    @staticmethod
    def _listed(values: Sequence[str]) -> str:
        # One value alone is a picture that does not move.
        return ";".join(values if len(values) > 1 else [*values, *values])


def _shown_in(time: _Time, index: int, what: str) -> str:
    """Something that is there in one frame only; the last frame is what a viewer shows that does not move."""
    last = index == time.frames - 1
    if time.frames == 1:
        return what
    states = ["inline" if place == index else "none" for place in range(time.frames)]
    animation = (
        f'<animate attributeName="display" calcMode="discrete" values="{";".join(states)}" '
        f'dur="{time.seconds:g}s" fill="freeze"/>'
    )
    return f'<g display="{"inline" if last else "none"}">{what}{animation}</g>'


def _places(runners: Iterable[Runner], frame: Frame) -> dict[str, int]:
    ordered = sorted(runners, key=lambda runner: -frame.values.get(runner.id, 0))
    return {runner.id: place for place, runner in enumerate(ordered)}


def _length(value: float, longest: float, begin: float) -> float:
    return max(0.0, value) / longest * (WIDTH - MARGIN - VALUE_WIDTH - begin)


def _label_room(labels: Iterable[str]) -> float:
    widest = max((_width(printable(label), 15) for label in labels), default=0)
    return min(max(widest, LEAST_LABEL), MOST_LABEL)


def _width(text: str, size: float) -> float:
    return sum(size * (0.56 if letter.isascii() else 1.0) for letter in text)


def _text(
    left: float, base: float, text: str, *, anchor: str = "start", size: int = 15, fill: str = INK, weight: str = "400"
) -> str:
    return (
        f'<text x="{left:.1f}" y="{base:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="{fill}">{escape(printable(text))}</text>'
    )


def _box(left: float, top: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" fill="{fill}"/>'


def wrapped(text: str, width: float, size: float) -> list[str]:
    """The text in lines of at most so many points, broken at spaces and between Chinese characters."""
    lines, line = [], ""
    for piece in re.findall(r"[!-~]+\s*|\s+|[^!-~\s]", printable(text)):
        if line and _width(line + piece.rstrip(), size) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece
    return [*lines, line.rstrip()]


def _picture(caption: Caption, height: float, parts: Sequence[str]) -> str:
    title, subtitle, rule = (printable(text) for text in (caption.title, caption.subtitle, caption.rule))
    room = WIDTH - 2 * MARGIN
    # The rule is never cut: it is what the picture stands on.
    rules = wrapped(rule, room, 11)
    first_line = height - 14
    height += 15 * (len(rules) - 1)
    # A long title is set smaller before it is cut.
    size = next((size for size in (22, 20, 18, 16) if _width(title, size) <= room), 14)
    body = "\n".join(
        [
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
            _text(MARGIN, 36, fitting(title, room, size), size=size, weight="700"),
            _text(MARGIN, 60, fitting(subtitle, room, 14), size=14, fill=FAINT),
            *parts,
            *(_text(MARGIN, first_line + place * 15, line, size=11, fill=FAINT) for place, line in enumerate(rules)),
        ]
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" font-family="{FONTS}" role="img" aria-label="{escape(title)}">\n'
        f"<title>{escape(title)}</title>\n{body}\n</svg>\n"
    )
