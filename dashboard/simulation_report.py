"""What runs of a simulation say: means over seeds, labels needed, and differences between strategies."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from ..strategies.simulate import START_ARM, labels_to

SHARES = {"first": 0.0, "50 %": 0.5, "80 %": 0.8, "95 %": 0.95}
COMBINATION = ["strategy", "classifier"]
CONFIDENCE = 0.95


def last_rounds(frame: pd.DataFrame) -> pd.DataFrame:
    """The last round of each run, with its recall and how many labels it took to find each share.

    Parameters
    ----------
    frame
        One row a strategy, classifier, seed and round.

    Returns
    -------
    DataFrame
        One row a run; ``recall`` is the share of the pool's wanted items that was found, ``seconds`` the
        mean time of its rounds, and a column of `SHARES` is infinite where the run ended before.
    """
    ordered = frame.sort_values("round").assign(
        seconds=lambda rounds: rounds["seconds_fit"] + rounds["seconds_query"]
    )
    grouped = ordered.groupby([*COMBINATION, "seed"])
    last = grouped.last().assign(seconds=grouped["seconds"].mean())
    hits = grouped["hits"].agg(lambda lists: list(itertools.chain.from_iterable(lists)))
    last["recall"] = last["n_found"] / last["n_total"]
    for name, share in SHARES.items():
        last[name] = [labels_to(h, n, share) for h, n in zip(hits, last["n_total"], strict=True)]
    return last.reset_index()


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """Each strategy and classifier over its seeds, the one that found most first.

    Returns
    -------
    DataFrame
        Means, and standard errors in the columns that end in ``_se`` (NaN with one seed); the measures of
        the model are over the ``seeds_with_model``. The columns of `SHARES` are medians, infinite where
        they lie beyond the end of the runs, and those that end in ``_reached`` the shares of seeds that got
        there.
    """
    runs = last_rounds(frame)
    grouped = runs.groupby(COMBINATION)
    summary = pd.DataFrame({"seeds": grouped.size(), "labels": grouped["n_labels"].mean()})
    for name in ("n_found", "n_total", "recall", "average_precision", "f1", "n_parts_found", "n_parts", "seconds"):
        summary[name] = grouped[name].mean()
        summary[f"{name}_se"] = grouped[name].std(ddof=1) / np.sqrt(grouped[name].count())
    summary["seeds_with_model"] = grouped["average_precision"].count()
    for name in SHARES:
        summary[name] = grouped[name].agg(_median)
        summary[f"{name}_reached"] = grouped[name].agg(lambda labels: np.isfinite(labels).mean())
    return summary.reset_index().sort_values(
        ["n_found", "average_precision"], ascending=False, ignore_index=True, kind="stable"
    )


def _median(labels: pd.Series) -> float:
    """The median; infinite when one of the two in the middle is."""
    values = np.sort(labels.to_numpy(float))
    return float((values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2)


def difference(values: ArrayLike, reference: ArrayLike) -> tuple[float, float, float, float, int]:
    """The mean of paired differences, with its standard error and interval.

    Parameters
    ----------
    values, reference
        One value a seed, in the same order, ``(n_seeds,)``; pairs with NaN are left out.

    Returns
    -------
    tuple
        Mean, standard error, both ends of the 95 % interval of Student's t, and the number of pairs. With
        one pair there is no error, with none no mean: NaN.
    """
    differences = np.asarray(values, float) - np.asarray(reference, float)
    differences = differences[np.isfinite(differences)]
    n = len(differences)
    if n == 0:
        return np.nan, np.nan, np.nan, np.nan, 0
    mean = float(differences.mean())
    if n == 1:
        return mean, np.nan, np.nan, np.nan, 1
    error = float(differences.std(ddof=1) / np.sqrt(n))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * error
    return mean, error, mean - half, mean + half, n


def compare(frame: pd.DataFrame, against: str | None = None) -> pd.DataFrame:
    """Differences over the same seeds, in items found and in average precision.

    Parameters
    ----------
    against
        The strategy that the others are compared with, each with the same classifier. By default, all are
        compared with the one strategy and classifier that found most on average.

    Returns
    -------
    DataFrame
        One row a strategy and classifier but the reference: ``against``, ``against_classifier``, and for
        ``found`` and ``ap`` the mean difference, and with ``_se``, ``_low``, ``_high`` and ``_pairs`` at
        the end its standard error, its 95 % t interval and the number of pairs.
    """
    runs = last_rounds(frame).set_index("seed")
    order = [(str(s), str(c)) for s, c in summarise(frame)[COMBINATION].itertuples(index=False)]
    values = {(str(s), str(c)): group for (s, c), group in runs.groupby(COMBINATION)}
    rows: list[dict[str, Any]] = []
    for strategy, classifier in order:
        reference = order[0] if against is None else (against, classifier)
        if reference == (strategy, classifier):
            continue
        row: dict[str, Any] = {"strategy": strategy, "classifier": classifier,
                               "against": reference[0], "against_classifier": reference[1]}  # fmt: skip
        for name, column in (("found", "n_found"), ("ap", "average_precision")):
            pair = pd.concat([values[strategy, classifier][column], values[reference][column]], axis=1).to_numpy()
            ends = ("", "_se", "_low", "_high", "_pairs")
            row |= {name + end: v for end, v in zip(ends, difference(pair[:, 0], pair[:, 1]), strict=True)}
        rows.append(row)
    return pd.DataFrame(rows)


# ---- printing ---------------------------------------------------------------------------------------


def print_report(frame: pd.DataFrame, say: Callable[[str], None], against: str | None = None) -> None:
    """Print the means, the labels needed, the differences, and what the strategies complained of."""
    summary = summarise(frame)
    say("Found on the pool, AP and F1 on the rows held out: mean ± standard error over the seeds")
    _print_means(summary, say)
    say("")
    say("Labels it took to find the first, and shares of all: median (share of the seeds that got there)")
    _print_labels(summary, say)
    differences = compare(frame, against)
    if len(differences):
        say("")
        say("Differences on the same seeds: mean ± standard error [95 % interval]")
        _print_differences(differences, say)
    _print_arms(frame, say)
    _print_messages(frame, say)


def _print_means(summary: pd.DataFrame, say: Callable[[str], None]) -> None:
    has_parts = bool((summary["n_parts"] > 0).any())
    header = [*COMBINATION, "seeds", "labels", "found", "of", "recall", "AP", "F1", "parts", "s/round"]
    rows = [
        [
            line["strategy"],
            line["classifier"],
            str(line["seeds"]),
            f"{line['labels']:.0f}",
            _plus_minus(line["n_found"], line["n_found_se"], 1),
            f"{line['n_total']:.0f}",
            _plus_minus(line["recall"], line["recall_se"], 3),
            _plus_minus(line["average_precision"], line["average_precision_se"], 3),
            _plus_minus(line["f1"], line["f1_se"], 3)
            + _of_seeds(line["seeds_with_model"], line["seeds"], "seeds"),
            _plus_minus(line["n_parts_found"], line["n_parts_found_se"], 1) + f" of {line['n_parts']:.0f}",
            f"{line['seconds']:.3f}",
        ]
        for line in summary.to_dict("records")
    ]
    if not has_parts:
        for row in (header, *rows):
            del row[-2]
    _print_table(header, rows, say)


def _print_labels(summary: pd.DataFrame, say: Callable[[str], None]) -> None:
    rows = [
        [line["strategy"], line["classifier"]]
        + [_labels(line[name], line[f"{name}_reached"], line["labels"]) for name in SHARES]
        for line in summary.to_dict("records")
    ]
    _print_table([*COMBINATION, *SHARES], rows, say)


def _labels(median: float, reached: float, n_labels: float) -> str:
    text = f"{median:g}" if np.isfinite(median) else f">{n_labels:.0f}"
    return text if reached == 1 else f"{text} ({100 * reached:.0f} %)"


def _print_differences(differences: pd.DataFrame, say: Callable[[str], None]) -> None:
    rows = [
        [
            line["strategy"],
            line["classifier"],
            f"{line['against']}, {line['against_classifier']}",
            str(line["found_pairs"]),
            _interval(line["found"], line["found_se"], line["found_low"], line["found_high"], 1),
            _interval(line["ap"], line["ap_se"], line["ap_low"], line["ap_high"], 3)
            + _of_seeds(line["ap_pairs"], line["found_pairs"], "pairs"),
        ]
        for line in differences.to_dict("records")
    ]
    _print_table([*COMBINATION, "against", "pairs", "found", "AP"], rows, say, n_left=3)


def _print_arms(frame: pd.DataFrame, say: Callable[[str], None]) -> None:
    """The labels of each arm, where a strategy has several."""
    rows = []
    for (strategy, classifier), runs in last_rounds(frame).groupby(COMBINATION):
        counts: dict[str, Any] = {}
        for arms in runs["arms"]:
            for arm, count in arms.items():
                counts[arm] = counts.get(arm, np.zeros(2)) + np.array(count)
        counts.pop(START_ARM, None)
        if len(counts) > 1:
            for arm, (asked, found) in sorted(counts.items(), key=lambda entry: -entry[1][0]):
                n = len(runs)
                rows.append([str(strategy), str(classifier), arm, f"{asked / n:.1f}", f"{found / n:.1f}",
                             f"{found / asked:.3f}"])  # fmt: skip
    if rows:
        say("")
        say("What asked the labels after the start, where it was more than one thing: means over the seeds")
        _print_table([*COMBINATION, "arm", "labels", "found", "yield"], rows, say, n_left=3)


def _print_messages(frame: pd.DataFrame, say: Callable[[str], None]) -> None:
    """The most frequent message of each strategy and classifier: a strategy that fails is random."""
    for (strategy, classifier), rounds in frame.groupby(COMBINATION):
        told = Counter(itertools.chain.from_iterable(rounds["messages"]))
        if told:
            message, count = told.most_common(1)[0]
            say(f"{strategy}, {classifier}: in {count:,} of {len(rounds):,} rounds: {message}")


def _print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], say: Callable[[str], None], n_left: int = 2
) -> None:
    """Columns as wide as what they hold; the first `n_left` begin at the left, the others end at the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        texts = [
            c.ljust(w) if i < n_left else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(texts).rstrip()

    say(line(header))
    say("-" * (sum(widths) + 2 * (len(widths) - 1)))
    for row in rows:
        say(line(row))


def _plus_minus(mean: Any, error: Any, digits: int) -> str:
    if not np.isfinite(mean):
        return "–"
    return f"{mean:.{digits}f}" + (f" ± {error:.{digits}f}" if np.isfinite(error) else "")


def _of_seeds(known: Any, n: Any, what: str) -> str:
    """What AP and F1 rest on, where some runs ended without a model."""
    return f" ({known} {what})" if 0 < known < n else ""


def _interval(mean: float, error: float, low: float, high: float, digits: int) -> str:
    if not np.isfinite(mean):
        return "–"
    if not np.isfinite(error):
        return f"{mean:+.{digits}f}"
    return f"{mean:+.{digits}f} ± {error:.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
