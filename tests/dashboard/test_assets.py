"""What browsers are sent: pinned files, the palette, and no script in a page."""

import hashlib
import itertools
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "static"
MANIFEST = json.loads((STATIC / "vendor/manifest.json").read_text())["files"]
CSS = (STATIC / "css/devora.css").read_text()


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["path"])
def test_a_carried_file_is_the_one_of_the_manifest(entry):
    content = (STATIC / entry["path"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert entry["version"]
    assert entry["license"]


def test_every_carried_script_and_font_is_in_the_manifest():
    carried = {
        path.relative_to(STATIC).as_posix()
        for pattern in ("vendor/*.js", "**/*.woff2")
        for path in STATIC.glob(pattern)
    }
    assert carried == {entry["path"] for entry in MANIFEST}


def test_every_icon_that_we_name_is_in_the_font():
    known = set(
        (STATIC / "unfold/fonts/material-symbols/icons.txt").read_text().split()
    )
    named = set()
    for path in (ROOT / "templates").rglob("*.html"):
        span = r'material-symbols-outlined"[^>]*>\s*([a-z_0-9]+)\s*<'
        named |= set(re.findall(span, path.read_text()))
    navigation = (ROOT / "devora_ops/dashboard/navigation.py").read_text()
    named |= set(re.findall(r'"([a-z_]+)",\s*"[a-z]+\.[a-z]+"', navigation))
    assert len(named) > 15
    assert named <= known


def test_no_page_of_ours_holds_a_script():
    for path in (ROOT / "templates").rglob("*.html"):
        source = path.read_text()
        for tag in re.findall(r"<script[^>]*>", source):
            assert "src=" in tag, path
        assert not re.search(r"\son[a-z]+=", source), path


def test_no_chart_is_drawn_without_the_shared_configuration():
    source = (STATIC / "js/charts.js").read_text()
    for option in (
        "showSendToCloud: false",
        'plotlyServerURL: ""',
        "displaylogo: false",
    ):
        assert option in source
    calls = re.findall(r"Plotly\.(?:react|newPlot)\(([^;]*)\);", source)
    assert calls
    assert all(call.rstrip().endswith("config") for call in calls)


# --- The palette: contrast, and apart for every kind of colour vision -----------------
def palette(theme):
    block = re.search(theme + r" \{(.*?)\}", CSS, re.DOTALL).group(1)
    slots = dict(re.findall(r"--slot-([1-6]): (#[0-9a-f]{6});", block))
    surface = re.search(r"--surface: (#[0-9a-f]{3,6});", block).group(1)
    return linear(surface), [linear(slots[str(n)]) for n in range(1, 7)]


def linear(code):
    digits = code[1:] if len(code) == 7 else "".join(c * 2 for c in code[1:])
    values = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]


def luminance(rgb):
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def times(matrix, vector):
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def oklab(rgb):
    lms = times(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ],
        rgb,
    )
    return times(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ],
        [max(0.0, value) ** (1 / 3) for value in lms],
    )


# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
VISIONS = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("theme", [":root", r"\.dark"])
def test_the_palette_stands_out_from_the_surface(theme):
    surface, colours = palette(theme)
    assert min(contrast(colour, surface) for colour in colours) >= 3


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize(("theme", "apart"), [(":root", 0.10), (r"\.dark", 0.10)])
def test_any_two_colours_are_told_apart(theme, apart, vision):
    _surface, colours = palette(theme)
    seen = [oklab(times(VISIONS[vision], colour)) for colour in colours]
    for one, other in itertools.combinations(seen, 2):
        assert (
            sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 >= apart
        )
