"""Comparisons: shares, tests and verdicts, by slice."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ftops.evaluation.calls import ExpectedCall
from ftops.evaluation.comparison import compare, rejections, scores_of
from ftops.evaluation.expectations import Expected
from ftops.evaluation.graders import RIGHT, Grade
from ftops.evaluation.prompts import Prompt
from ftops.evaluation.statistics import mcnemar
from ftops.evaluation.values import Miss

WRONG = Grade(0.0, miss=Miss("no_call"))
UNGRADED = Grade(None, miss=Miss("ungraded"))


def prompt(number: int, part: str = "", function: str = "f", cluster: str = "") -> Prompt:
    expected = Expected((ExpectedCall(function),))
    return Prompt(str(number), ({"role": "user", "content": str(number)},), expected, part, cluster)


def grades(letters: str) -> list[list[Grade]]:
    """A letter for each prompt: + right, - wrong, ? without a grade."""
    return [[{"+": RIGHT, "-": WRONG, "?": UNGRADED}[letter]] for letter in letters]


def verdict(candidate: str, baseline: str, clusters: Sequence[str] = ()) -> str:
    prompts = [prompt(i, cluster=clusters[i] if clusters else "") for i in range(len(candidate))]
    return compare(prompts, scores_of(grades(candidate)), scores_of(grades(baseline)))[0].verdict


@pytest.mark.parametrize(
    ("candidate", "baseline", "expected"),
    [
        ("++++++", "------", "better"),
        ("+++++", "-----", "no measurable change"),  # p = 0.0625: five can't show it
        ("------", "++++++", "significantly worse"),
        ("+++--", "+++++", "worse, within noise"),
        ("++++", "++++", "no measurable change"),
        ("----", "----", "no measurable change"),
        ("+", "-", "no measurable change"),
        ("+++++?", "------", "incomplete"),
        ("++++++", "-----?", "incomplete"),
    ],
)
def test_verdicts(candidate: str, baseline: str, expected: str) -> None:
    assert verdict(candidate, baseline) == expected


def test_an_ungraded_answer_is_counted_by_nobody() -> None:
    row = compare([prompt(i) for i in range(4)], scores_of(grades("++?-")), None)[0]
    assert (row.candidate.right, row.candidate.graded, row.candidate.ungraded) == (2, 3, 1)


def test_the_worked_example() -> None:
    """18 of 20 against 6 of 20: 13 gained, 1 lost, p = 0.0018; the slices are corrected together."""
    prompts = [prompt(i, "easy" if i < 10 else "hard") for i in range(20)]
    candidate = scores_of(grades("++++++++--" + "+" * 10))
    baseline = scores_of(grades("+++++---+-" + "-" * 10))
    whole, easy, hard = compare(prompts, candidate, baseline)
    assert (whole.gained, whole.lost) == (13, 1)
    assert whole.p == pytest.approx(0.0018, abs=5e-5)
    assert whole.verdict == "better"
    assert whole.interval is not None
    assert [round(100 * bound) for bound in whole.interval] == [28, 78]
    assert (easy.slice, easy.gained, easy.lost, easy.verdict) == ("easy", 3, 1, "no measurable change")
    assert easy.p == pytest.approx(0.625)
    assert hard.p == pytest.approx(0.0039, abs=5e-5)
    assert hard.verdict == "better"


def test_28_forty_slices_are_one_family() -> None:
    """In each slice 6 of 6 are gained, p = 0.031: none of forty alone is worth a verdict."""
    prompts = [prompt(i, f"s{i // 6}") for i in range(240)]
    rows = compare(prompts, scores_of(grades("+" * 240)), scores_of(grades("-" * 240)))
    assert rows[0].verdict == "better"
    assert {row.verdict for row in rows[1:]} == {"no measurable change"}


def test_paraphrases_count_once() -> None:
    clusters = [str(i // 10) for i in range(50)]
    assert verdict("+" * 50, "-" * 50) == "better"
    assert verdict("+" * 50, "-" * 50, clusters) == "no measurable change"


def test_a_row_names_its_test() -> None:
    """A slice without clusters is tested by McNemar's test, even if another slice has clusters."""
    prompts = [
        *(prompt(i, "clustered", cluster=str(i // 2)) for i in range(24)),
        *(prompt(i, "independent") for i in range(24, 36)),
        *(prompt(i, "few", cluster=str(i // 2)) for i in range(36, 46)),
    ]
    rows = compare(prompts, scores_of(grades("+" * 46)), scores_of(grades("-" * 46)))
    assert [(row.slice, row.test) for row in rows] == [
        ("", "sign_flip"),
        ("clustered", "sign_flip"),
        ("independent", "mcnemar"),
        ("few", ""),  # ten prompts, but five clusters, which can't show anything
    ]
    assert rows[1].p == rows[2].p
    assert (rows[3].p, rows[3].verdict) == (None, "")


def test_the_interval_of_a_share_counts_clusters() -> None:
    scores = scores_of(grades("+" * 40 + "-" * 40))
    alone, together, few = (
        compare([prompt(i, cluster=f"{i // size}") for i in range(80)], scores, None)[0]
        for size in (1, 4, 10)
    )
    assert alone.candidate.interval is not None
    assert together.candidate.interval is not None
    width = [high - low for low, high in (alone.candidate.interval, together.candidate.interval)]
    assert width[1] > 1.8 * width[0]
    assert few.candidate.interval is None


def test_equal_clusters_are_no_certainty() -> None:
    """Ten clusters that are all right, or all as before, say no more than ten prompts."""
    ten = [prompt(i) for i in range(10)]
    twenty = [prompt(i, cluster=str(i // 2)) for i in range(20)]
    expected = compare(ten, scores_of(grades("+" * 10)), scores_of(grades("+" * 10)))[0]
    row = compare(twenty, scores_of(grades("+" * 20)), scores_of(grades("+" * 20)))[0]
    assert row.candidate.interval == expected.candidate.interval
    assert row.interval == expected.interval
    assert not row.is_equivalent


def test_several_samples_are_a_mean() -> None:
    prompts = [prompt(i) for i in range(12)]
    candidate = scores_of([[RIGHT, RIGHT, WRONG]] * 12)
    baseline = scores_of([[WRONG, RIGHT, WRONG]] * 12)
    row = compare(prompts, candidate, baseline)[0]
    assert row.difference == pytest.approx(1 / 3)
    assert row.candidate.value == pytest.approx(2 / 3)
    assert row.verdict == "better"
    assert scores_of([[RIGHT, UNGRADED]]).values == (None,)
    assert scores_of([[]]).values == (None,)


def test_the_same_is_said_only_within_the_margin() -> None:
    few = compare([prompt(i) for i in range(10)], scores_of(grades("+" * 10)), scores_of(grades("+" * 10)))
    many = compare(
        [prompt(i) for i in range(200)], scores_of(grades("+" * 200)), scores_of(grades("+" * 200))
    )
    assert not few[0].is_equivalent
    assert many[0].is_equivalent


def test_a_slice_too_small_to_show_anything_has_no_verdict() -> None:
    """Nor does it count in the family: five of five gained give p = 0.0625 at best."""
    prompts = [prompt(i, "few" if i < 5 else "many") for i in range(11)]
    _, few, many = compare(prompts, scores_of(grades("+" * 11)), scores_of(grades("-" * 11)))
    assert (few.verdict, few.p, few.gained) == ("", None, 5)
    assert (many.verdict, many.p) == ("better", mcnemar(6, 0))


def test_slices_are_by_slice_and_by_function() -> None:
    prompts = [prompt(0, "a", "f"), prompt(1, "a", "g"), prompt(2, "b", "g")]
    rows = compare(prompts, scores_of(grades("+-+")), None)
    assert [(row.by, row.slice, row.prompts) for row in rows] == [
        ("", "", 3),
        ("slice", "a", 2),
        ("slice", "b", 1),
        ("function", "f", 1),
        ("function", "g", 2),
    ]


def test_rejections_are_counts_of_counts() -> None:
    assert rejections([True, True, False], [True, False, True]) == {"precision": (1, 2), "recall": (1, 2)}
    assert rejections([True], [False])["precision"] == (0, 0)
