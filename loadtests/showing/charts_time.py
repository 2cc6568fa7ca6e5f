"""How a run went: what was offered, done and under way, and how late, second by second."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

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
from .wording import seconds_text

__all__ = ["budget_bar", "timeline"]

_HEIGHT = 150
_GAP = 54
_SLOTS = 8  # colours of the budget
_COLUMNS = 3  # of its legend
_FLOWS = {
    "offered": ("offered", "offered"),
    "dispatched": ("sent", "first"),
    "answered": ("answered rightly", "third"),
}
_TIMES = {
    "median": ("p50", "third"),
    "tail": ("p99", "second"),
    "lag": ("the generator's lag, p99", "lag"),
}


def timeline(report: Mapping[str, Any]) -> Markup:
    """Three plots with one time axis: requests a second, under way, times."""
    moments = report["summary"]["moments"]
    if not moments:
        return Markup()
    width = report["summary"]["width"]
    across = Scale(0, len(moments) * width, LEFT, RIGHT)
    flows = [
        Series(name, style, _steps(moments, key, width, width))
        for key, (name, style) in _FLOWS.items()
    ]
    under_way = [Series("under way", "second", _steps(moments, "under_way", width))]
    times = [
        Series(name, style, _steps(moments, key, width)) for key, (name, style) in _TIMES.items()
    ]
    parts = [
        *_plot(_counted(flows, across, 0, "requests a second"), flows),
        *_plot(_counted(under_way, across, 1, "requests under way, on average"), under_way),
        *_plot(_timed(times, across), times, seconds_text, "second of the schedule"),
    ]
    return svg("timeline", 3 * (_HEIGHT + _GAP) + 20, parts)


def _steps(
    moments: Sequence[Mapping[str, Any]], key: str, width: int, over: int = 1
) -> list[tuple[float, float | None]]:
    """A value for each moment, from its beginning to its end; `over` so many seconds."""
    return [
        (width * (number + side), None if each[key] is None else each[key] / over)
        for number, each in enumerate(moments)
        for side in (0, 1)
    ]


def _ends(number: int) -> tuple[float, float]:
    top = number * (_HEIGHT + _GAP) + 40
    return top + _HEIGHT - 20.0, float(top)


def _counted(series: Sequence[Series], across: Scale, number: int, label: str) -> Box:
    most = max(value or 0 for each in series for _, value in each.points)
    return Box(across, Scale(0, 1.05 * most or 1, *_ends(number)), label)


def _timed(series: Sequence[Series], across: Scale) -> Box:
    values = [value for each in series for _, value in each.points]
    return Box(across, fitted(values, *_ends(2)), "times of the requests due in it")


def _plot(
    box: Box,
    series: Sequence[Series],
    form: Any = lambda value: f"{value:,g}",
    name: str = "",
) -> list[Markup]:
    lines = [line(each, box) for each in series]
    return [*axes(box, whole(box.across), form, name), *lines, *legend(series, box.up.end - 8)]


def budget_bar(report: Mapping[str, Any]) -> Markup:
    """Where the time of a request goes, part after part, by their means."""
    budget = report["budget"]
    parts = [each for each in budget["parts"] if each["mean"] > 0] if budget else []
    if not parts:
        return Markup()
    across, begun, drawn = Scale(0, sum(each["mean"] for each in parts), LEFT, RIGHT), 0.0, []
    for number, each in enumerate(parts):
        x, end = across(begun), across(begun + each["mean"])
        told = f"{each['name']} {seconds_text(each['mean'])}, {each['mean'] / across.high:.0%}"
        style = f"slot-{number % _SLOTS}"
        drawn.append(element("rect", element("title", told), x=x, y=10, width=end - x, height=40,
                             style_=style))  # fmt: skip
        row, column = divmod(number, _COLUMNS)
        left, top = LEFT + column * (RIGHT - LEFT) / _COLUMNS, 66 + 22 * row
        drawn.append(element("rect", x=left, y=top, width=12, height=12, style_=style))
        drawn.append(text(left + 18, top + 10, told, "start"))
        begun += each["mean"]
    return svg("budget", 66 + 22 * math.ceil(len(parts) / _COLUMNS), drawn)
