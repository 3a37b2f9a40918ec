"""A pool with a rare class in it."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """As the worker does: small fits on busy cores take a hundred times longer with more threads."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def blobs():
    """X ``(600, 5)`` float32 and y: three classes, of which the third has 18 members away from the others."""
    rng = np.random.default_rng(7)
    y = np.repeat([0, 1, 2], [382, 200, 18])
    centres = np.array([[0, 0, 0, 0, 0], [2.5, 0, 0, 0, 0], [0, 3.5, 2, 0, 0]])
    X = centres[y] + rng.normal(size=(600, 5))
    order = rng.permutation(600)
    return X[order].astype(np.float32), y[order]


@pytest.fixture
def foreign(monkeypatch):
    """Put an object where ``module:object`` finds it, and return that name."""
    module = types.ModuleType("somebody_elses")
    monkeypatch.setitem(sys.modules, "somebody_elses", module)

    def offer(thing):
        module.thing = thing
        return "somebody_elses:thing"

    return offer
