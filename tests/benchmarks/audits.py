"""Models trained on actively chosen labels, and audits of what they left, for the benchmark of honesty."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rareloop.strategies.audit import FIRST_STAGE, Answers, Rates, SealedAudit, Stage, model_rates
from rareloop.strategies.calibration import Thresholds
from rareloop.strategies.priors import match_offsets, shift, soften
from rareloop.strategies.totals import AuditSample
from rareloop.tests.benchmarks.sets import load
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

N_START, N_SEEDS_OF_CLASS, BATCH = 40, 3, 20
EXPECTED_F1 = 0.5
LEAST_PREDICTED = 30


@dataclass(frozen=True)
class Model:
    """What is left of a pool after the labels were given: probabilities and true classes ``(n_rest,)``."""

    probabilities: NDArray[np.float64]
    y: NDArray[np.int64]
    n_items: int
    n_found: NDArray[np.int64]
    wanted: tuple[int, ...]


# ---- models -----------------------------------------------------------------------------------------


def make_model(name: str, folder: Path | None, seed: int, n_labels: int) -> Model:
    """Label by turns of the most likely members and of the boundary; touches the whole pool every batch."""
    subject = load(name, folder, seed)
    X, y, wanted = subject.X, subject.y, subject.wanted
    rng = np.random.default_rng([seed, 3])
    rare = [rng.permutation(np.flatnonzero(y == c))[:N_SEEDS_OF_CLASS] for c in wanted]
    rows = np.concatenate([*rare, rng.permutation(len(y))[:N_START]])
    labelled = np.zeros(len(y), bool)
    labelled[rows] = True
    classes = np.unique(y)
    while True:
        fitted = LogisticRegression(C=1.0, class_weight="balanced", max_iter=300).fit(X[labelled], y[labelled])
        p = np.zeros((len(y), int(classes.max()) + 1))
        p[:, fitted.classes_] = fitted.predict_proba(X)
        if labelled.sum() >= n_labels:
            break
        best = p[:, list(wanted)].max(axis=1)
        second, first = np.sort(p, axis=1)[:, -2:].T
        for scores, n in ((best, BATCH // 2), (second - first, BATCH // 2)):
            open_rows = np.flatnonzero(~labelled)
            labelled[open_rows[np.argsort(-scores[open_rows], kind="stable")[:n]]] = True
    rest = ~labelled
    n_found = np.bincount(y[labelled], minlength=p.shape[1])
    return Model(soften(p[rest], int(labelled.sum())), y[rest], len(y), n_found, wanted)


def truth_of(model: Model, decided: NDArray[np.int64], c: int) -> dict[str, float]:
    """The true measures of class c on the rest, NaN where one is not defined or nothing is predicted."""
    member, predicted = model.y == c, decided == c
    tp, n_members, n_predicted = int((member & predicted).sum()), int(member.sum()), int(predicted.sum())
    found = int(model.n_found[c])

    def share(part: int, whole: int) -> float:
        return part / whole if whole else math.nan

    ranked = member.any() and not member.all()
    return {
        "precision": share(tp, n_predicted),
        "recall": share(tp, n_members) if n_predicted else math.nan,
        "f1": share(2 * tp, n_members + n_predicted) if n_predicted else math.nan,
        "prevalence": (found + n_members) / model.n_items,
        "left": n_members,
        "tp": tp,
        "completeness": share(found + tp, found + n_members),
        "purity": share(found + tp, found + n_predicted),
        "ap": average_precision_score(member, model.probabilities[:, c]) if ranked else math.nan,
        "auroc": roc_auc_score(member, model.probabilities[:, c]) if ranked else math.nan,
    }


def fixed_thresholds(model: Model) -> Thresholds:
    """With each class predicted about as often as it is left, at least 30 times: no audit has a part in it."""
    values = np.full(model.probabilities.shape[1], np.nan)
    for c in model.wanted:
        n_predicted = min(max(int((model.y == c).sum()), LEAST_PREDICTED), len(model.y))
        values[c] = np.sort(model.probabilities[:, c])[-n_predicted]
    return Thresholds(values, np.tile(values, (2, 1)), ("fixed",) * len(values))


# ---- audits -----------------------------------------------------------------------------------------


def rolling(model: Model, ends: Sequence[int], rng: np.random.Generator, climbs: bool) -> Iterator[SealedAudit]:
    """The audit after each of these numbers of answers, ascending; where it climbs, with its later stages."""
    audit = SealedAudit(rng.random(len(model.y)), (Stage(Rates.uniform(len(model.y))),))
    stops = {FIRST_STAGE * 2**k for k in range(20)} if climbs else set()
    for end in sorted({stop for stop in stops if stop < ends[-1]} | set(ends)):
        if climbs and audit.next_stage_is_due:
            closed = replace(audit.stages[-1], reach=audit.reach)
            stages = (*audit.stages[:-1], closed, Stage(_rates(model, sample_of(model, audit))))
            audit = SealedAudit(audit.numbers, stages, audit.answers)
        rows = np.r_[audit.answers.rows, audit.questions(end - len(audit.answers.rows))[0]]
        audit = SealedAudit(audit.numbers, audit.stages, Answers(rows, model.y[rows], np.zeros(len(rows), bool)))
        if end in ends:
            yield audit


def sample_of(model: Model, audit: SealedAudit) -> AuditSample:
    """What the audit has been answered."""
    rows, inclusion = audit.answers.rows[audit.in_sample], audit.inclusion[audit.in_sample]
    return AuditSample(rows, model.y[rows], inclusion, audit.numbers[rows])


def matched(model: Model, sample: AuditSample) -> NDArray[np.float64]:
    """Probabilities of wanted classes that add up to what the audit has found."""
    counts = np.bincount(sample.classes, weights=sample.weights, minlength=model.probabilities.shape[1]) + 0.5
    p = shift(model.probabilities, match_offsets(model.probabilities, counts / counts.sum()))
    return p[:, list(model.wanted)].max(axis=1)


def _rates(model: Model, sample: AuditSample) -> Rates:
    predicted = np.isin(fixed_thresholds(model).decide(model.probabilities), model.wanted)
    return model_rates(matched(model, sample), predicted, EXPECTED_F1)
