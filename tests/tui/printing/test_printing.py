"""Charts on paper tell the same numbers in every format."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tomotui.tui.printing.files import PrintError, write_all_kinds, write_chart
from tomotui.tui.printing.page import Grid, lay_out
from tomotui.tui.printing.png import png_bytes
from tomotui.tui.printing.svg import svg_text
from tomotui.tui.printing.table import csv_text
from tomotui.tui.raster.chart import Axis, Chart, layer

SVG = "{http://www.w3.org/2000/svg}"


def fsc_chart() -> Chart:
    x = np.linspace(0.01, 0.2, 40)
    return Chart(
        (
            layer(x, 1 / (1 + (x / 0.1) ** 6), "series.0", name="corrected"),
            layer(x, np.where(x > 0.15, np.nan, 0.4), "warning", name="random phases"),
            layer([0.05, 0.1], [0.5, 0.2], "error", "marks", "✗", name="left out"),
        ),
        uprights=((0.1, "success", "10.0 Å"),),
        levels=((0.143, "accent"),),
        title="FSC <half maps> & more",
        x_axis=Axis("frequency", "1/Å"),
        y_axis=Axis("correlation"),
        y_range=(-0.1, 1.02),
    )


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_page_has_title_axes_units_and_a_legend() -> None:
    svg = svg_text(lay_out(fsc_chart()))
    said = texts(svg)
    for words in ("FSC <half maps> & more", "frequency (1/Å)", "correlation", "corrected"):
        assert words in said
    assert {"random phases", "left out", "10.0 Å", "0.05", "1.0"} <= set(said)
    assert "<image" not in svg
    curves = list(ElementTree.fromstring(svg).iter(f"{SVG}polyline"))
    assert any(len((curve.get("points") or "").split()) == 40 for curve in curves)


def test_a_value_lies_where_the_axis_says() -> None:
    chart = Chart((layer([0, 10], [0, 100]),), x_range=(0, 10), y_range=(0, 100))
    page = lay_out(chart)
    left, top, right, bottom = page.window
    curve = next(s for s in page.inside if getattr(s, "width", 0) == 1.6)
    assert curve.points == ((left, bottom), (right, top))  # type: ignore[union-attr]


def test_a_table_has_units_in_its_header_and_every_value() -> None:
    rows = list(csv.reader(io.StringIO(csv_text(fsc_chart()))))
    assert rows[0] == ["series", "frequency (1/Å)", "correlation"]
    assert len(rows) == 1 + 40 + 40 + 2
    assert rows[-1] == ["left out", "0.1", "0.2"]
    assert rows[80] == ["random phases", "0.2", ""]


def test_a_logarithmic_axis_says_powers_and_the_table_keeps_the_values() -> None:
    chart = Chart((layer([1, 2, 3], [1e-3, 1.0, -5.0], name="loss"),), y_log=True)
    assert {"0.001", "0.01", "0.1", "1"} <= set(texts(svg_text(lay_out(chart))))
    assert "loss,3,-5" in csv_text(chart)


def test_a_grid_is_drawn_with_the_scale_of_its_colours() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    azimuth, cosine = Axis("azimuth", "°"), Axis("cosine")
    grid = Grid(values, (-180, 180), (-1, 1), "views", azimuth, cosine, Axis("particles"))
    assert {"views", "azimuth (°)", "cosine", "particles", "10"} <= set(
        texts(svg_text(lay_out(grid)))
    )
    rows = list(csv.reader(io.StringIO(csv_text(grid))))
    assert rows[0] == ["azimuth (°)", "cosine", "particles"]
    assert [float(word) for word in rows[1]] == pytest.approx([-135, 2 / 3, 0])
    assert [float(word) for word in rows[-1]] == pytest.approx([135, -2 / 3, 11])


def test_the_pixels_show_the_curve_and_nothing_outside_the_axes() -> None:
    x = np.linspace(0, 1, 50)
    chart = Chart((layer(x, np.full(50, 5.0)), layer(x, x * 99, "error")), y_range=(0, 10))
    image = Image.open(io.BytesIO(png_bytes(lay_out(chart)))).convert("RGB")
    assert image.size == (1280, 840)
    pixels = np.asarray(image).astype(int)
    blue = (pixels[..., 2] - pixels[..., 0]) > 100
    assert blue.sum() > 500
    red = (pixels[..., 0] - pixels[..., 2]) > 100
    top = round(lay_out(chart).window[1] * 2)
    assert red[top + 4 :].any()
    assert not red[: top - 2].any()


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    first = write_all_kinds(fsc_chart(), tmp_path / "exports", "FSC of ribo/1")
    assert [path.name for path in first] == [f"FSC-of-ribo-1{k}" for k in (".svg", ".png", ".csv")]
    again = write_all_kinds(fsc_chart(), tmp_path / "exports", "FSC of ribo/1")
    assert [path.stem for path in again] == ["FSC-of-ribo-1-2"] * 3
    mine = tmp_path / "mine.csv"
    mine.write_text("precious")
    with pytest.raises(PrintError, match=r"mine\.csv is there already: give another name"):
        write_chart(fsc_chart(), mine)
    assert mine.read_text() == "precious"
    with pytest.raises(PrintError, match=r"ends with \.svg, \.png, \.csv"):
        write_chart(fsc_chart(), tmp_path / "plot.pdf")
    blocked = mine / "plot.svg"
    with pytest.raises(PrintError, match="cannot be written"):
        write_chart(fsc_chart(), blocked)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exports", "mine.csv"]


def test_a_chart_of_nothing_is_a_page_of_nothing() -> None:
    chart = Chart((layer([], []), layer([math.nan], [math.nan])))
    assert "<svg" in svg_text(lay_out(chart))
    assert csv_text(chart) == "series,x,y\n"
