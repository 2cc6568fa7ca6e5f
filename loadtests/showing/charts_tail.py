"""How long requests took: the percentile curve, and the heat map over time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from servespec.target.objective import Measure, Objective

from .charts import (
    LEFT,
    RIGHT,
    Box,
    Scale,
    Series,
    axes,
    element,
    fitted,
    legend,
    line,
    svg,
    text,
    whole,
)
from .wording import range_text, seconds_text

__all__ = ["heat_map", "percentile_curve"]

_PERCENTS = (50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 99.999, 99.9999)
_SHADES = 8  # of the heat map
_COLUMNS = 150  # of the heat map, at most: of a longer run each stands for several seconds


def percentile_curve(report: Mapping[str, Any]) -> Markup:
    """The response time at each percentile, 1 / (1 - p) on a logarithmic scale."""
    summary = report["summary"]
    points = [(_nines(percent), seconds) for percent, seconds in summary["curve"]]
    if not points:
        return Markup()
    lines, lags = summary["lines"], summary["lags"]
    asked = [Objective.parse(each["objective"]) for each in report["judgements"]]
    bounds = [each for each in asked if each.measure is Measure.PERCENTILE]
    across = Scale(2, max(points[-1][0], 10), LEFT, RIGHT, logarithmic=True)
    seen = [seconds for _, seconds in points]
    ends = [each[end] for each in lines for end in ("low", "high")]
    up = fitted([*seen, *ends, *lags, *(each.bound for each in bounds)], 330, 40)
    box = Box(across, up, "response time")
    late = [(_nines(each["percent"]), lag) for each, lag in zip(lines, lags, strict=False)]
    series = [
        Series("all requests", "first", points),
        Series("the generator's lateness in it", "lag", _within(late, across)),
    ]
    below = {
        _nines(each): f"{each:g} %" for each in _PERCENTS if _nines(each) <= across.high * 1.01
    }
    return svg("percentile curve", 372, [
        *_unanswered(points, box),
        *axes(box, below, seconds_text, "percentile"),
        *(_whisker(each, box) for each in lines if _nines(each["percent"]) <= across.high),
        *(line(each, box) for each in series),
        *(part for each in bounds for part in _bound(each, box)),
        *legend([*series, Series("95 % within", "whisker", ())], 14),
    ])  # fmt: skip


def _nines(percent: float) -> float:
    return 1 / (1 - percent / 100)


def _within(points: Sequence[tuple[float, float]], across: Scale) -> list[tuple[float, float]]:
    return [point for point in points if point[0] <= across.high]


def _unanswered(points: Sequence[tuple[float, float | None]], box: Box) -> list[Markup]:
    """The part of the requests that has no time."""
    without = [place for place, seconds in points if seconds is None]
    if not without:
        return []
    x, end = box.across(without[0]), box.across.end
    words = "not answered" if end - x > 90 else ""
    return [
        element("rect", x=x, y=box.up.end, width=end - x, height=box.up.start - box.up.end,
                style_="unanswered"),
        text((x + end) / 2, (box.up.start + box.up.end) / 2, words, "middle", "label"),
    ]  # fmt: skip


def _whisker(each: Mapping[str, Any], box: Box) -> Markup:
    """The interval of one percentile; up to the top where it has no end."""
    if each["low"] is None:
        return Markup()
    x, low = box.across(_nines(each["percent"])), box.up(each["low"])
    high = box.up.end if each["high"] is None else box.up(each["high"])
    top = "" if each["high"] is None else "m-5 0h10"
    ends = f"M{x - 5:.1f} {low:.1f}h10m-5 0V{high:.1f}{top}"
    told = f"p{each['percent']:g}: {seconds_text(each['seconds'])}, " + (
        f"95 % within {range_text(each['low'], each['high'])}"
    )
    return element("path", element("title", told), d=ends, style_="line whisker")


def _bound(each: Objective, box: Box) -> list[Markup]:
    """An objective: up to its percentile the curve has to run below the line."""
    x, y = box.across(_nines(each.percent)), box.up(each.bound)
    return [
        element("path", d=f"M{LEFT} {y:.1f}H{x:.1f}v8", style_="line bound"),
        text(max(x, LEFT + 90), y - 6, str(each), "end", "bound"),
    ]


@dataclass(frozen=True, slots=True)
class Heat:
    """What a heat map shows.

    Attributes:
        counts: how many requests took how long, column by column.
        bounds: the ends of the rows, seconds.
        failed: how many were not answered, for each column.
        width: seconds of a column.
    """

    counts: Sequence[Sequence[int]]
    bounds: Sequence[float]
    failed: Sequence[int]
    width: int

    @property
    def most(self) -> int:
        """In one cell; 1 at least."""
        return max(*(cell for column in self.counts for cell in column), 1)

    @property
    def rows(self) -> range:
        """Those that are worth a place: the ones in use, with some around them."""
        count = len(self.bounds) - 1
        used = [row for row in range(count) if any(column[row] for column in self.counts)]
        used = used or [count // 2]
        return range(max(0, used[0] - 2), min(count, used[-1] + 3))


def heat_map(report: Mapping[str, Any]) -> Markup:
    """How many requests took how long in each second, and how many were not answered."""
    summary = report["summary"]
    if not summary["heat"]:
        return Markup()
    merged = math.ceil(len(summary["heat"]) / _COLUMNS)
    unanswered = [[each["offered"] - each["answered"]] for each in summary["moments"]]
    failed = [count for (count,) in _merged(unanswered, merged)]
    counts, width = _merged(summary["heat"], merged), merged * summary["width"]
    heat = Heat(counts, summary["heat_bounds"], failed, width)
    across = Scale(0, len(counts) * width, LEFT, RIGHT)
    low, high = heat.bounds[heat.rows[0]], heat.bounds[heat.rows[-1] + 1]
    box = Box(across, Scale(low, high, 350, 88, logarithmic=True), "response time")
    name = "second of the schedule in which the request was due"
    return svg("heat map", 392, [
        *axes(box, whole(across), seconds_text, name),
        *_cells(heat, box), *_failures(heat, box), *_shade_legend(heat.most),
    ])  # fmt: skip


def _merged(columns: Sequence[Sequence[int]], width: int) -> list[list[int]]:
    starts = range(0, len(columns), width)
    return [
        [sum(cells) for cells in zip(*columns[start : start + width], strict=True)]
        for start in starts
    ]


def _cells(heat: Heat, box: Box) -> list[Markup]:
    """One path for each shade: thousands of cells stay a small page."""
    paths: list[list[str]] = [[] for _ in range(_SHADES)]
    most = heat.most
    for number, column in enumerate(heat.counts):
        left, right = _sides(number, heat, box)
        for row in heat.rows:
            if column[row]:
                low, high = box.up(heat.bounds[row]), box.up(heat.bounds[row + 1])
                paths[_shade(column[row], most)].append(
                    f"M{left:.1f} {high:.1f}H{right:.1f}V{low:.1f}H{left:.1f}z"
                )
    return [
        element("path", d="".join(path), style_="heat", fill_opacity=f"{_opacity(shade):.2f}")
        for shade, path in enumerate(paths)
        if path
    ]


def _sides(number: int, heat: Heat, box: Box) -> tuple[float, float]:
    return box.across(number * heat.width), box.across((number + 1) * heat.width)


def _shade(count: int, most: int) -> int:
    return min(_SHADES - 1, int(_SHADES * math.log1p(count - 1) / math.log1p(most)))


def _opacity(shade: int) -> float:
    return 0.16 + 0.84 * shade / (_SHADES - 1)


def _failures(heat: Heat, box: Box) -> list[Markup]:
    """A row of its own above the plot: what was not answered has no time."""
    most, top, cells = max(heat.failed), box.up.end - 40, []
    for number, count in enumerate(heat.failed):
        left, right = _sides(number, heat, box)
        if count:
            opacity = f"{_opacity(_shade(count, most)):.2f}"
            told = element("title", f"{count:,} not answered")
            cells.append(element("rect", told, x=left, y=top, width=right - left, height=14,
                                 style_="failures", fill_opacity=opacity))  # fmt: skip
    words = f"not answered: up to {most:,} in a column" if most else ""
    return [*cells, text(RIGHT, top - 6, words, "end")]


def _shade_legend(most: int) -> list[Markup]:
    x = LEFT + 130
    samples = [
        element("rect", x=x + 16 * shade, y=4, width=16, height=12, style_="heat",
                fill_opacity=f"{_opacity(shade):.2f}")
        for shade in range(_SHADES)
    ]  # fmt: skip
    words = text(LEFT, 14, "requests in a cell: 1", "start")
    return [words, *samples, text(x + 16 * _SHADES + 8, 14, f"{most:,}", "start")]
