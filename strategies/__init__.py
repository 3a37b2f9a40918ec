"""What to ask next, and how good we are. Arrays in, arrays out; knows no file and no screen.

The query strategies are callables in modAL's convention:

>>> import numpy as np
>>> from modAL.models import ActiveLearner
>>> from sklearn.linear_model import LogisticRegression
>>> X, y = np.array([[0.0], [1.0]]), np.array([0, 1])
>>> learner = ActiveLearner(LogisticRegression(), query_strategy=Margin(), X_training=X, y_training=y)
>>> positions, _ = learner.query(np.array([[0.1], [0.5], [0.9]]))
>>> positions
array([1])
"""

from .active_search import ActiveSearch
from .anchors import Anchors
from .base import Brief, QueryStrategy, RandomSampling
from .committee import BootstrapCommittee, VoteEntropy
from .coverage import Coverage, ProbCover, TypiClust
from .discovery import Similar, Top
from .diversity import Diverse, Quotas
from .exploration import Contrast, Lookout, Unlike
from .mixture import Auto
from .priors import Correction, PriorCorrected
from .registry import STRATEGIES
from .rounds import Labels, Round, RoundSettings, run_round
from .seals import Seals
from .simulate import labels_to, simulate
from .tail import Tail
from .threshold import Direct
from .uncertainty import Entropy, LeastConfidence, Margin

__all__ = [
    "STRATEGIES",
    "ActiveSearch",
    "Anchors",
    "Auto",
    "BootstrapCommittee",
    "Brief",
    "Contrast",
    "Correction",
    "Coverage",
    "Direct",
    "Diverse",
    "Entropy",
    "Labels",
    "LeastConfidence",
    "Lookout",
    "Margin",
    "PriorCorrected",
    "ProbCover",
    "QueryStrategy",
    "Quotas",
    "RandomSampling",
    "Round",
    "RoundSettings",
    "Seals",
    "Similar",
    "Tail",
    "Top",
    "TypiClust",
    "Unlike",
    "VoteEntropy",
    "labels_to",
    "run_round",
    "simulate",
]
