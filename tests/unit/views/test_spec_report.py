"""Layout of the graph of a report, and its plots."""

from __future__ import annotations

import random
from collections import Counter
from xml.etree.ElementTree import Element, tostring

import pytest

from ftops.core.address import Address
from ftops.session.report.values import ReportedObject
from ftops.views.charts import ticks
from ftops.views.spec_report.graph import MOST_BOXES, draw_graph
from ftops.views.spec_report.layers import layered
from ftops.views.spec_report.plots import Coordinate, Line, Mark, line_plot, parallel_plot


def dag(nodes: int, seed: int) -> list[list[int]]:
    chance = random.Random(seed)
    return [chance.sample(range(node), min(node, chance.randrange(4))) for node in range(nodes)]


@pytest.mark.parametrize("seed", range(20))
def test_a_layout_leads_from_left_to_right_and_covers_nothing(seed: int) -> None:
    needs = dag(25, seed)
    layout = layered(needs)
    taken = Counter(layout.places)
    for node, needed in enumerate(needs):
        assert layout.places[node].layer == 1 + max((layout.places[n].layer for n in needed), default=-1)
        for start in needed:
            route = layout.routes[start, node]
            assert (route[0], route[-1]) == (layout.places[start], layout.places[node])
            layers = [place.layer for place in route]
            assert layers == list(range(layers[0], layers[-1] + 1)), "one place in each layer between"
            taken.update(route[1:-1])
    assert set(taken.values()) == {1}, "boxes and edges have places of their own"


def test_parallel_chains_do_not_cross() -> None:
    """Twenty chains whose nodes are listed in opposite orders."""
    count = 20
    needs: list[list[int]] = [[] for _ in range(count)] + [[count - 1 - n] for n in range(count)]
    layout = layered(needs)
    for n in range(count):
        assert layout.places[count + n].position == layout.places[count - 1 - n].position


def test_no_nodes() -> None:
    assert layered([]).rows == 1
    assert draw_graph((), str) is None


def objects(jobs: int, names: int = 1) -> list[ReportedObject]:
    data = Address("dataset", "train")
    found = [ReportedObject(data, "ready", True)]
    for number in range(jobs):
        address = Address("job", f"tone-{number % names}", f"n={number}")
        found.append(ReportedObject(address, "pending" if not number else "ready", True, (data,)))
    return found


def names_of(drawn: tuple[Element, Element] | None) -> list[str]:
    """Of the boxes, which are the same in both drawings."""
    assert drawn is not None
    across, column = (
        [text.text or "" for text in graph.iter("text") if text.get("class") == "name"] for graph in drawn
    )
    assert across == column
    return across


def test_a_job_of_a_matrix_is_named_by_what_differs() -> None:
    jobs = [Address("job", "s", f"learning_rate_multiplier={rate},n_epochs=2") for rate in (0.5, 1)]
    found = [ReportedObject(address, "ready", True) for address in jobs]
    lines = ["learning_rate_multiplier 0.5", "n_epochs 2", "learning_rate_multiplier 1", "n_epochs 2"]
    assert names_of(draw_graph(found, str)) == lines
    long = [Address("job", "s", f"{'x' * 60}={n},n_epochs=2") for n in (0.25, 1)]
    drawn = draw_graph([ReportedObject(address, "ready", True) for address in long], str)
    assert drawn is not None
    for graph in drawn:
        texts = [text.text or "" for text in graph.iter("text") if text.get("class") == "name"]
        assert texts[0].endswith("x… 0.25") and len(texts[0]) < 40


def test_a_graph_of_up_to_sixty_resources_has_a_box_for_each() -> None:
    assert len(names_of(draw_graph(objects(MOST_BOXES - 1), str))) == MOST_BOXES


def test_larger_graphs_have_a_box_for_a_for_each_or_a_kind() -> None:
    assert names_of(draw_graph(objects(MOST_BOXES), str)) == ["train", "tone-0 × 60"]
    drawn = draw_graph(objects(400, names=100), str)
    assert names_of(drawn) == ["train", "400 jobs"]
    assert drawn is not None
    (title,) = [t.text for t in drawn[0].iter("title") if t.text and t.text.startswith("400")]
    assert title == "400 jobs: 1 pending, 399 ready"


def test_instances_that_need_each_other_are_not_put_into_a_circle() -> None:
    """`job.a["2"]` needs `job.b["1"]`, which needs `job.a["1"]`: boxes for `a` and `b` would be a circle."""
    found = objects(MOST_BOXES)
    first, second, third = (Address("job", *words) for words in (("a", "1"), ("b", "1"), ("a", "2")))
    found += [
        ReportedObject(a, "ready", True, n) for a, n in ((first, ()), (second, (first,)), (third, (second,)))
    ]
    assert names_of(draw_graph(found, str)) == ["train", "1", "61 jobs", "2"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 96, [0, 20, 40, 60, 80]),
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (3, 3, [3]),
        (-2, 2, [-2, -1, 0, 1, 2]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high, 5) == pytest.approx(expected)


@pytest.mark.parametrize(
    "points", [((1, 2.0),), ((1, 0.5), (2, 0.5)), ((1, 1e-9), (2, 2.5)), ((1, -3.0), (9, 4.0))]
)
def test_a_line_of_any_values_can_be_drawn(points: tuple[tuple[int, float], ...]) -> None:
    drawn = tostring(
        line_plot("loss", [Line("training", points, "train", dots=True)], Mark(1, points[0][1], "best"))
    )
    assert b"nan" not in drawn and b"inf" not in drawn
    assert drawn.count(b"<circle") == len(points) + 1


def test_a_long_curve_is_drawn_through_some_of_its_points_and_its_last_one() -> None:
    points = tuple((step, 1 / step) for step in range(1, 100_001))
    (path,) = line_plot("loss", [Line("training", points, "train")]).iter("path")
    places = (path.get("d") or "").split("L")
    assert 200 < len(places) < 260
    assert places[-1].startswith("1000.0 ")


def test_parallel_coordinates_have_an_axis_for_numbers_and_for_words() -> None:
    plot = parallel_plot(
        "sweep",
        [
            Coordinate("rate", [0.001, 0.01, 0.1]),
            Coordinate("data", ["dataset.a", "dataset.b", None]),
            Coordinate("loss", [0.5, 0.25, 1.0]),
        ],
        ["one", "two", "three"],
        [1, 0, 5],
    )
    texts = [text.text for text in plot.iter("text")]
    assert {"rate", "data", "loss", "0.001", "0.01", "0.1", "dataset.a", "dataset.b", "0.25"} <= set(texts)
    paths = [(one.get("class"), (one.get("d") or "").count("L")) for one in plot.iter("path")]
    assert paths == [("line rank5", 1), ("line rank1", 2), ("line rank0", 2)], "the best is drawn last"
    heights = {text.text: float(text.get("y") or 0) for text in plot.iter("text")}
    middle = (heights["0.001"] + heights["0.1"]) / 2
    assert heights["0.01"] == pytest.approx(middle, abs=0.2), "a wide range is logarithmic"
