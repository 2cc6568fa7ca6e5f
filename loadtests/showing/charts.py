"""What every chart is drawn with: scales, axes and lines, as SVG that needs nothing beside it."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

__all__ = [
    "LEFT", "RIGHT", "WIDTH", "Box", "Scale", "Series", "axes", "element", "fitted", "legend",
    "line", "svg", "text", "whole",
]  # fmt: skip

WIDTH = 960
LEFT = 72
"""Where all plots begin, so that charts over time stand exactly below one another."""
RIGHT = WIDTH - 16
_ROUND = (1, 2, 5, 10)
_MOST_TICKS = 7
_TICK = 5
_HALF = 22  # of what is written below a tick

Point = tuple[float, float | None]
"""A place on the first axis, and a value; None where there is none."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places.

    Attributes:
        low: the value at `start`.
        high: the value at `end`, above `low`.
        start: a place in the drawing.
        end: the other one; smaller than `start` where values grow upwards.
        logarithmic: whether equal ratios are equally far apart.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value; of one beyond the ends, the end."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values between the ends, few enough to be read."""
        return self._powers() if self.logarithmic else self._steps()

    def _steps(self) -> list[float]:
        rough = (self.high - self.low) / _MOST_TICKS
        power = 10 ** math.floor(math.log10(rough))
        step = power * next(size for size in _ROUND if size * power >= rough * 0.999)
        first, last = math.ceil(self.low / step), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]

    def _powers(self) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        sizes = (1, 2, 5) if len(decades) <= 3 else (1,)
        values = (size * 10.0**decade for decade in decades for size in sizes)
        return [value for value in values if self.low * 0.999 <= value <= self.high * 1.001]


@dataclass(frozen=True, slots=True)
class Box:
    """Where a plot lies, and its two scales; `label` names the upright one, with its unit."""

    across: Scale
    up: Scale
    label: str


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a chart; `style` is a class of the page's style sheet."""

    name: str
    style: str
    points: Sequence[Point]


def fitted(values: Iterable[float | None], start: float, end: float) -> Scale:
    """A logarithmic scale that holds all positive values, its ends round."""
    positive = [value for value in values if value is not None and value > 0] or [1e-3]
    low, high = _rounded(min(positive), down=True), _rounded(max(positive), down=False)
    return Scale(low, high if high > low else 10 * low, start, end, logarithmic=True)


def _rounded(value: float, *, down: bool) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    ends = [size * power for size in _ROUND]
    if down:
        return max(end for end in ends if end <= value * 1.001)
    return min(end for end in ends if end >= value * 0.999)


def element(name: str, content: str = "", **attributes: object) -> Markup:
    """An element; `style_` is its class, an underscore in a name a hyphen."""
    written = "".join(
        f' {_attribute(key)}="{escape(_number(value))}"' for key, value in attributes.items()
    )
    return Markup(f"<{name}{written}>{escape(content)}</{name}>")


def _attribute(key: str) -> str:
    return "class" if key == "style_" else key.replace("_", "-")


def _number(value: object) -> object:
    return f"{value:.1f}" if isinstance(value, float) else value


def svg(title: str, height: float, parts: Iterable[Markup]) -> Markup:
    """A whole drawing; the title is what those hear who do not see it."""
    return element(
        "svg", Markup().join(parts), viewBox=f"0 0 {WIDTH} {height:g}", role="img",
        aria_label=title, style_="chart",
    )  # fmt: skip


def axes(
    box: Box, below: Mapping[float, str], form: Callable[[float], str], name: str = ""
) -> list[Markup]:
    """The two axes with lines across the plot.

    Args:
        box: the plot.
        below: the ticks of the first axis, with what is written below each.
        form: writes a tick of the upright one.
        name: of the first axis, with its unit.
    """
    across, up = box.across, box.up
    parts = []
    for value in up.ticks():
        y = up(value)
        parts.append(_rule(across.start, across.end, y, y))
        parts.append(text(across.start - _TICK, y + 4, form(value), "end"))
    for value, words in below.items():
        x = across(value)
        parts.append(_rule(x, x, up.start, up.end))
        anchor = "end" if x + _HALF > WIDTH else "middle"
        parts.append(text(x, up.start + 16, words, anchor))
    parts.append(text(across.start, up.end - 8, box.label, "start", "label"))
    parts.append(text(across.end, up.start + 34, name, "end", "label"))
    return parts


def whole(across: Scale) -> dict[float, str]:
    """Ticks at whole numbers, with what is written below each."""
    return {value: f"{value:.0f}" for value in across.ticks() if value == round(value)}


def line(series: Series, box: Box) -> Markup:
    """The line, broken where there is no value."""
    words, pen = [], "M"
    for place, value in series.points:
        if value is None:
            pen = "M"
            continue
        words.append(f"{pen}{box.across(place):.1f} {box.up(value):.1f}")
        pen = "L"
    return element("path", d="".join(words), style_=f"line {series.style}")


def legend(entries: Sequence[Series], y: float) -> list[Markup]:
    """What the lines are, from right to left."""
    parts, x = [], float(RIGHT)
    for series in reversed(entries):
        parts.append(text(x, y, series.name, "end"))
        x -= 6.3 * len(series.name) + 12
        sample = f"M{x - 22:.1f} {y - 4:.1f}h20"
        parts.append(element("path", d=sample, style_=f"line {series.style}"))
        x -= 40
    return parts


def _rule(x1: float, x2: float, y1: float, y2: float) -> Markup:
    return element("line", x1=x1, x2=x2, y1=y1, y2=y2, style_="rule")


def text(x: float, y: float, words: str, anchor: str, style: str = "tick") -> Markup:
    """Words; `anchor` says which end of them lies at `x`."""
    return element("text", words, x=x, y=y, text_anchor=anchor, style_=style)
