"""Shares of pieces: sums, sizes, pictures of every layout, hostile text, wrong arrays."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from widgets.attribution import AttributionView
from widgets.view import palette

attribution = runpy.run_path(str(Path(__file__).with_name("view_data.py")))["attribution"]
HOSTILE = ("<img src=x onerror=hacked=1>", "</script><script>hacked=1</script>", "a\u202eb")


@pytest.fixture(scope="module")
def view() -> AttributionView:
    return AttributionView(**attribution())


def words(**more) -> AttributionView:
    """Over a written question."""
    how = {"values": [1.0, -0.5, 0.0], "labels": ["What", " is", " it?"], "answer": ["No", "."]}
    return AttributionView(**how | {"full": [-1.0, -0.5], "empty": [-1.5, -0.5]} | more)


def cells(**more) -> AttributionView:
    """Over a picture of two halves."""
    image = np.full((40, 60, 3), 90, np.uint8)
    halves = (np.arange(60) >= 30).astype(int)[None].repeat(40, 0)
    how = {"values": [2.0, -1.0], "labels": ["left", "right"], "answer": ["cat"]}
    how |= {"image": image, "cells": halves, "kind": [2, 2], "full": [-1.0], "empty": [-2.0]}
    return AttributionView(**how | more)


def test_sums_are_told(view):
    data = attribution()
    assert view.change == pytest.approx((data["full"] - data["empty"]).sum(), abs=1e-4)
    assert abs(view.gap) < 1e-4 and "off by" not in view.subtitle
    assert f"add up to {view.values.sum():+.2f}." in view.subtitle
    off = words()
    assert off.gap == pytest.approx(0.0) and "(they need not)" in off.subtitle
    assert "off by +1.00 (they need not)" in words(values=[2.0, -0.5, 0.0]).subtitle
    assert "all pieces replaced by silence" in view.alt


def test_the_largest_come_first_whatever_their_sign(view):
    ranked = view.ranking()
    sizes = [abs(share) for *_, share in ranked]
    assert sizes == sorted(sizes, reverse=True) and len(ranked) == 14
    assert words().ranking()[1] == (1, " is", -0.5)


def test_the_table_holds_every_piece_and_target(view):
    assert view.table.head[:5] == ("piece", "seconds from", "to", "share", "standard error")
    assert len(view.table.head) == 5 + 6 and len(view.table.rows) == 14
    assert view.table.rows[2][3] == pytest.approx(float(view.values[2]), abs=1e-4)


@pytest.mark.parametrize("make", [lambda: AttributionView(**attribution()), words, cells])
def test_every_layout_is_a_page_and_a_picture(make):
    one = make()
    text = one.html()
    assert len(text) < 500_000 and not re.search(r"https?://", text)
    for theme in ("light", "dark"):
        one.figure(palette(theme))
    assert one.png()[:4] == b"\x89PNG"


def test_moments_are_pins_on_the_axis():
    data = attribution()
    data |= {"t1": data["t0"], "error": None}
    one = AttributionView(**data)
    assert one.timed and one.meta["hi"] == pytest.approx(len(data["audio"]) / 24000)
    one.figure(palette("light"))


def test_a_large_picture_is_sent_small():
    image = np.zeros((900, 1200, 3), np.uint8)
    one = cells(image=image, cells=(np.arange(1200) >= 600).astype(int)[None].repeat(900, 0))
    assert one.arrays["image"].shape == (225, 300, 3) == (*one.arrays["cells"].shape, 3)
    assert one.data["image"].shape == image.shape, "whole in .data"


def test_many_pieces_stay_small():
    N = 2000
    t = np.arange(N) * 0.3
    values = np.sin(np.arange(N))
    one = AttributionView(
        values=values, each=values[None], labels=[f"{a:.1f} s" for a in t], t0=t, t1=t + 0.3,
        full=[-1.0], empty=[-2.0], answer=["yes"],
    )  # fmt: skip
    assert len(one.html()) < 400_000 and len(one.table.cut()["rows"]) == 200


def test_targets_among_other_words():
    one = words(target=[-1, 0, 1, -1], answer=["Well", ",", " no", "."])
    assert "', \u2026 no'" in one.subtitle
    assert one.arrays["target"].tolist() == [-1, 0, 1, -1]


def test_hostile_text_is_text():
    one = words(labels=HOSTILE, answer=HOSTILE[:2], title=HOSTILE[0], absent=HOSTILE[1])
    for text in (one.html(), one.frame(), one.snapshot(), one._repr_mimebundle_()["text/html"]):
        assert "<img src=x" not in text and "<script>hacked" not in text and "\u202e" not in text
    one.figure(palette("dark"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"values": np.zeros((2, 3))}, r"values has shape \(2, 3\), expected \(N\)"),
        ({"values": []}, "values has 0 pieces"),
        ({"values": np.full(14, np.nan)}, "0 finite shares of 14"),
        ({"labels": ["a"]}, "labels has 1 strings, expected 14"),
        ({"each": np.zeros((6, 3))}, r"each has shape \(6, 3\), expected \(J=6, N=14\)"),
        ({"empty": [0.0]}, r"empty has shape \(1,\)"),
        ({"full": [], "empty": []}, "full has 0 targets"),
        ({"error": [0.0]}, r"error has shape \(1,\)"),
        ({"t1": np.zeros(14)}, "piece 1 ends before it begins"),
        ({"kind": np.full(14, 9)}, "kind holds 9, there are 7 modalities"),
        ({"target": [0, 1, 2, 3, 4, 4]}, "each of the 6 targets once"),
        ({"members": [[1]]}, "members has 1 lists"),
        ({"sr": None}, "audio needs its sample rate"),
        ({"image": np.zeros((4, 4, 3), np.uint8)}, "a picture needs its cells"),
        (
            {"image": np.zeros((4, 4, 3), np.uint8), "cells": np.full((4, 4), 14)},
            "cells holds 14, there are 14 pieces",
        ),
    ],
)
def test_wrong_arrays_are_refused_in_one_line(change, told):
    with pytest.raises(ValueError, match=told) as error:
        AttributionView(**(attribution() | change))
    assert "\n" not in str(error.value)
