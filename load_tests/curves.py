"""Delays as a picture: for each run one curve over the share of tokens that came later. SVG, written by hand, so that
nothing needs to be installed for it."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from load_tests.figures import Run

WIDTH, HEIGHT = 860, 480
LEFT, RIGHT, TOP, BOTTOM = 70, 250, 50, 110
LOWEST_MS: Final = 0.1
HIGHEST_MS: Final = 1_000.0
LAST_PERCENT: Final = 99.99
MARKED_PERCENTS: Final = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)
COLOURS: Final = {"bare": "#8a8f98", "tallylight": "#0b7285", "beside": "#e8590c"}
DASHES: Final = ("", "6 3", "2 3", "8 3 2 3")


def draw(title: str, runs: Sequence[Run], source: Mapping[str, str]) -> str:
    """The picture of these runs, with where they come from below it."""
    sizes = list(dict.fromkeys(run.size for run in runs))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(LEFT, 26, title, size=16),
        *_grid(),
    ]
    for place, run in enumerate(runs):
        dash = DASHES[sizes.index(run.size) % len(DASHES)]
        colour = COLOURS.get(run.server, "#000")
        style = f'fill="none" stroke="{colour}" stroke-width="1.5" stroke-dasharray="{dash}"'
        points = " ".join(
            f"{_x(percent):.1f},{_y(ms):.1f}" for percent, ms in run.delays.at_ms.items() if percent <= LAST_PERCENT
        )
        y = TOP + 14 + 18 * place
        x = WIDTH - RIGHT + 16
        flags = f" ({', '.join(run.load.flags)})" if run.load.flags else ""
        parts += [
            f'<polyline points="{points}" {style}/>',
            f'<line x1="{x}" y1="{y - 4}" x2="{x + 34}" y2="{y - 4}" {style}/>',
            _text(x + 40, y, f"{run.server} {run.size}, round {run.round}{flags}"),
        ]
    below = [f"{name}: {value}" for name, value in source.items()]
    parts += [
        _text(LEFT, HEIGHT - 58 + 16 * row, " · ".join(below[row * 3 : row * 3 + 3]), size=10) for row in range(3)
    ]
    return "\n".join([*parts, "</svg>", ""])


def _grid() -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for power in range(round(math.log10(LOWEST_MS)), round(math.log10(HIGHEST_MS)) + 1):
        y = _y(10.0**power)
        parts += [_line(LEFT, y, right, y), _text(LEFT - 8, y + 4, f"{10.0**power:g} ms", anchor="end")]
    for percent in MARKED_PERCENTS:
        x = _x(percent)
        parts += [_line(x, TOP, x, bottom), _text(x, bottom + 16, f"{percent:g} %", anchor="middle")]
    return parts


def _x(percent: float) -> float:
    """The nines grow to the right: 90, 99 and 99.9 % are equally far from each other."""
    nines = -math.log10(1 - min(percent, LAST_PERCENT) / 100)
    return LEFT + nines / -math.log10(1 - LAST_PERCENT / 100) * (WIDTH - RIGHT - LEFT)


def _y(ms: float) -> float:
    share = math.log(min(max(ms, LOWEST_MS), HIGHEST_MS) / LOWEST_MS) / math.log(HIGHEST_MS / LOWEST_MS)
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#e3e5e8"/>'


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="#222">{escape(text)}</text>'
