"""Small pools with rare classes, and labels on them."""

import numpy as np
from rareloop.strategies.audit import Answers, Rates, SealedAudit, Stage, permanent_numbers
from rareloop.strategies.rounds import Labels


def blobs(n_items=600, n_classes=3, share=0.03, seed=0, n_features=4):
    """Class 0 is common; each other class is a rare blob of its own. The matrix is read-only."""
    rng = np.random.default_rng(seed)
    y = np.zeros(n_items, np.int64)
    n_rare = max(int(share * n_items), 4)
    rows = rng.permutation(n_items)
    for c in range(1, n_classes):
        y[rows[(c - 1) * n_rare : c * n_rare]] = c
    centres = np.zeros((n_classes, n_features))
    centres[1:] = 4 * rng.choice([-1, 1], (n_classes - 1, n_features))
    X = (centres[y] + rng.normal(size=(n_items, n_features))).astype(np.float32)
    X.setflags(write=False)
    return X, y


def labels_of(y, n_each=4, n_classes=None, excluded=(), seed=0):
    """Labels of `n_each` items a class."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.permutation(np.flatnonzero(y == c))[:n_each] for c in np.unique(y)])
    return Labels(rows, y[rows], np.array(excluded, np.int64), n_classes or int(y.max()) + 1)


def audit_of(y, n_answers=0, seed=0, n_items=None):
    """A sealed audit of a pool whose first questions have been answered by the truth."""
    n = len(y) if n_items is None else n_items
    numbers = permanent_numbers(np.arange(n, dtype=np.uint64), seed)
    audit = SealedAudit(numbers, (Stage(Rates.uniform(n)),))
    rows, _ = audit.questions(n_answers)
    return SealedAudit(numbers, audit.stages, Answers(rows, y[rows], np.zeros(len(rows), bool)))


class Told:
    """A learner whose class probabilities are the features themselves."""

    def __init__(self, X_training, y_training, classes=None):
        self.X_training = np.asarray(X_training, np.float32)
        self.y_training = np.asarray(y_training)
        self.classes_ = np.arange(self.X_training.shape[1]) if classes is None else np.asarray(classes)

    def predict_proba(self, X):
        return np.asarray(X)


def two_classes(p):
    """Rows for `Told`: probabilities of two classes, from those of the second."""
    p = np.asarray(p, np.float32)
    return np.column_stack([1 - p, p])
