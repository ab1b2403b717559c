"""The published formulas of colour, written out for one colour at a time."""

from __future__ import annotations

Colour = tuple[int, int, int]


def literal_linear(code: int) -> float:
    """IEC 61966-2-1, decoding of a code of 0 to 255."""
    c = code / 255
    return c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4


def literal_code(light: float) -> int:
    """IEC 61966-2-1, encoding to the nearest code."""
    c = 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
    return int(255 * c + 0.5)


def literal_lab(colour: Colour) -> tuple[float, float, float]:
    """CIELAB after CIE 15:2004 with the constants of IEC 61966-2-1."""
    r, g, b = (literal_linear(c) for c in colour)
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.0890

    def f(t: float) -> float:
        return t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116

    return 116 * f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))
