"""A load in figures, and in charts over its time."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from xml.etree import ElementTree

from rating_harness.evidence.calls import Call
from rating_harness.evidence.model import Evidence, Exchange
from rating_harness.evidence.statistics import percentile

__all__ = ["Latency", "Load", "kinds_of_calls", "load_charts", "load_of", "ticks"]

_BUCKETS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds that one point of a chart may stand for."""
_POINTS = 60
"""Most points of a chart's line, as long as the buckets allow."""

Points = Sequence[tuple[float, float | None]]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Latency:
    """Times of the same thing, in seconds, by nearest rank; None without one.

    :param silent: of how many no time is known, since nothing came.
    """

    what: str
    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    longest: float | None
    silent: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """:param replies: final reply of the caller's INVITE (``200 OK``, ``none``) -> calls, the most frequent first.
    :param kinds: what became of calls, in words, and of how many.
    :param ratio: answered calls of all, 0 to 1: the answer-seizure ratio; None without a call.
    :param rate: calls begun per second, from the first to the last; None for a single one.
    :param mean_length: seconds that an answered call took on average; None without one.
    """

    calls: int
    answered: int
    ratio: float | None
    rate: float | None
    most_up: int
    mean_length: float | None
    replies: tuple[tuple[str, int], ...]
    kinds: tuple[tuple[str, int], ...]
    latencies: tuple[Latency, ...]


def load_of(calls: Sequence[Call], evidence: Evidence) -> Load:
    """What became of the calls, in numbers."""
    begun = sorted(call.invite.at for call in calls if call.invite is not None)
    took = begun[-1] - begun[0] if begun else 0.0
    answered = sum(call.answered is not None for call in calls)
    lengths = [call.duration for call in calls if call.duration is not None]
    replies = Counter(call.final.first_line if call.final else "none" for call in calls)
    by_kind = _grouped(evidence.exchanges, lambda exchange: exchange.kind)
    return Load(
        calls=len(calls),
        answered=answered,
        ratio=answered / len(calls) if calls else None,
        rate=(len(begun) - 1) / took if took > 0 else None,
        most_up=max((int(count or 0) for _, count in _up(calls)), default=0),
        mean_length=sum(lengths) / len(lengths) if lengths else None,
        replies=tuple(replies.most_common()),
        kinds=tuple((kind, len(alike)) for kind, alike in kinds_of_calls(calls).items()),
        latencies=(
            _latency("set-up", [call.setup for call in calls if call.invite is not None]),
            *(_latency(kind, map(_took, exchanges)) for kind, exchanges in by_kind.items()),
        ),
    )


def kinds_of_calls(calls: Iterable[Call]) -> Mapping[str, Sequence[Call]]:
    """Calls that went alike: the same call of the scenario, reply, carrier, and end. The most frequent kind first."""
    return dict(sorted(_grouped(calls, _kind).items(), key=lambda item: -len(item[1])))


def _kind(call: Call) -> str:
    if call.invite is None:
        return f"{call.id}: never made"
    reply = call.final.first_line if call.final else "no final reply"
    by = f" by {call.answered_by}" if call.answered is not None and call.answered_by else ""
    ended = f", ended by {call.ended_by or 'nobody'}" if call.answered is not None else ""
    return f"{call.id}: {reply}{by}{ended}"


def _grouped(items: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """In the order in which each group's first was met."""
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def _took(exchange: Exchange) -> float | None:
    """Seconds; None where Kamailio got no answer."""
    if exchange.answered is None or exchange.status is None:
        return None
    return exchange.answered - exchange.received


def _latency(what: str, times: Iterable[float | None]) -> Latency:
    every = list(times)
    known = sorted(time for time in every if time is not None)
    p50, p95, p99, longest = (percentile(known, share) for share in (0.5, 0.95, 0.99, 1.0))
    return Latency(what, len(every), p50, p95, p99, longest, len(every) - len(known))


# --- charts ---------------------------------------------------------------------------------------------------------


def load_charts(calls: Sequence[Call], evidence: Evidence, name: str) -> list[str]:
    """Charts over time as SVG, in the page's colours: rate and failures, set-up, the agent's answers, calls up.

    :param name: unique in the page: what the charts' styles are bound to.
    """
    begun = [call.invite.at for call in calls if call.invite is not None]
    if not begun:
        return []
    zero = min(begun)
    ended = max(max((m.at for m in call.messages), default=zero) for call in calls)
    width = next((each for each in _BUCKETS if each >= (ended - zero) / _POINTS), _BUCKETS[-1])
    grid = _Grid(zero, max(ended, zero + width), width)
    answered = [call.final.at for call in calls if call.answered is not None and call.final]
    failed = [call.final.at for call in calls if call.answered is None and call.final]
    failed += [call.invite.at for call in calls if call.invite is not None and call.final is None]
    setups = [(call.invite.at, call.setup * 1000) for call in calls if call.invite and call.setup is not None]
    agent = [(each.received, took * 1000) for each in evidence.exchanges if (took := _took(each)) is not None]
    charts: dict[str, Mapping[str, Points]] = {
        "Calls per second": {
            "begun": grid.rate(begun),
            "answered": grid.rate(answered),
            "not answered": grid.rate(failed),
        },
        "Set-up, ms": {"half": grid.share(setups, 0.5), "95 of 100": grid.share(setups, 0.95)},
        "The agent's answers, ms": {"half": grid.share(agent, 0.5), "95 of 100": grid.share(agent, 0.95)},
        "Calls up": {"up": [(at - zero, count) for at, count in _up(calls)]},
    }
    return [_chart(title, series, f"{name}-{index}") for index, (title, series) in enumerate(charts.items())]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Time in buckets of ``width`` seconds, from ``zero`` to ``end``."""

    zero: float
    end: float
    width: float

    def rate(self, times: Iterable[float]) -> Points:
        """How many per second."""
        counts = Counter(int((time - self.zero) / self.width) for time in times)
        return [(index * self.width, counts[index] / self.width) for index in self._indexes()]

    def share(self, values: Iterable[tuple[float, float]], share: float) -> Points:
        """What a share of the values in a bucket needs at most; None where there's no value."""
        found: dict[int, list[float]] = {}
        for at, value in values:
            found.setdefault(int((at - self.zero) / self.width), []).append(value)
        return [(index * self.width, percentile(sorted(found.get(index, ())), share)) for index in self._indexes()]

    def _indexes(self) -> range:
        return range(int((self.end - self.zero) / self.width) + 1)


def _up(calls: Iterable[Call]) -> Iterator[tuple[float, float | None]]:
    """How many calls are answered and not ended, at each moment at which that changes, and just before it."""
    changes: Counter[float] = Counter()
    for call in calls:
        if call.answered is not None:
            changes[call.answered] += 1
            if call.byes:
                changes[max(call.answered, call.byes[0].at)] -= 1
    count = 0
    for at in sorted(changes):
        yield at, count
        count += changes[at]
        yield at, count


def _chart(title: str, series: Mapping[str, Points], name: str) -> str:
    pygal = _pygal()
    style = pygal.style.Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--ink)",
        foreground_strong="var(--ink)",
        foreground_subtle="var(--line)",
        colors=("var(--http)", "var(--good)", "var(--bad)"),
        font_family="inherit",
        title_font_size=15,
        legend_font_size=12,
        label_font_size=11,
        major_label_font_size=11,
        transition="0s",
    )
    chart = pygal.XY(
        style=style,
        js=(),
        title=title,
        x_title="s",
        width=500,
        height=260,
        show_dots=False,
        legend_at_bottom=True,
        legend_box_size=10,
        include_x_axis=True,
        no_data_text="nothing to show",
        disable_xml_declaration=True,
    )
    shown = [(x, y) for points in series.values() for x, y in points if y is not None]
    chart.x_labels = ticks(max((x for x, _ in shown), default=0.0), 8)
    chart.y_labels = ticks(max((y for _, y in shown), default=0.0), 5)
    for label, points in series.items():
        chart.add(label, list(points))
    chart.uuid = name
    return _static(chart.render_tree())


def ticks(most: float, count: int) -> list[float]:
    """0 and further values of an axis up to ``most`` or just above, evenly spaced: ``count`` steps at most, of 1, 2
    or 5 units of ten.
    """
    raw = max(most, 1.0) / count
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw * (1 - 1e-9))
    return [round(index * step, 9) for index in range(math.ceil(max(most, 1.0) / step - 1e-9) + 1)]


def _pygal() -> Any:
    """The library, which is imported only where there's a load: it takes its time."""
    import pygal
    import pygal.style

    # Its finder, for maps that aren't installed, is of a kind that Python 3.11 warns of at each failed import.
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, pygal.PluginImportFixer)]
    return pygal


def _static(svg: Any) -> str:
    """The picture without the library's script, and without the texts that only this script shows."""
    for parent in list(svg.iter()):
        for child in list(parent):
            is_comment = not isinstance(child.tag, str)
            kind = child.get("class") or ""
            if is_comment or child.tag.endswith("script") or "tooltip" in kind or "text-overlay" in kind:
                parent.remove(child)
    return ElementTree.tostring(svg, encoding="unicode")
