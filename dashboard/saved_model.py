"""A model that was saved with ``rareloop model``: opened without its workspace, and without unpickling."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..data.errors import InputError
from ..data.model_archive import CARD, MANIFEST, MOST_BYTES, MOST_TEXT, SCHEMA, SKOPS_FILE, look_into, member
from ..data.recipes import FeatureRecipe, plain_columns
from ..later import Later
from ..strategies.fitted import Fitted
from ..strategies.priors import Correction

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = Later("pandas")

ensemble = Later("sklearn.ensemble")

FORMAT = 1
BLOCK_VALUES = 2**22
BLOCK_ROWS = 16_384
MOST_CLASSES = 10_000
# What the classifiers on offer are, and what they are made of beside what skops trusts by itself.
OFFERED = frozenset(
    {
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
        "rareloop.strategies.classifiers.ShrinkageLDA",
    }
)
PARTS = frozenset(
    {
        "sklearn.tree._tree.Tree",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    }
)
NEEDS = "a saved model needs skops: install it with pip install 'rareloop[model]'"


class SavedModel:
    """A model with the recipe of its features; made by `load_model`.

    Attributes
    ----------
    classes : list of str
        The names of the classes, in the order of the probabilities.
    columns : list of str
        The columns that a table must have; others are ignored.
    card : str
        The model card, Markdown.
    manifest : dict
        Everything that was saved with the model, as plain values.
    """

    def __init__(self, fitted: Fitted, recipe: FeatureRecipe, manifest: dict[str, Any], card: str) -> None:
        self._fitted = fitted
        self._recipe = recipe
        self.manifest = manifest
        self.classes: list[str] = list(manifest["classes"])
        self.columns: list[str] = list(recipe.columns)
        self.card = card

    def __repr__(self) -> str:
        """What it predicts, from how many columns."""
        return f"<SavedModel of {', '.join(self.classes)} from {len(self.columns)} columns>"

    def predict(self, df: Any) -> NDArray[np.object_]:
        """The predicted classes.

        Parameters
        ----------
        df : pandas.DataFrame or pyarrow.Table
            Rows with the columns of the table that the model was made from, as they were there.

        Returns
        -------
        numpy.ndarray of str, ``(n_rows,)``
            By the thresholds of the model where it has some, else the likeliest class.

        Raises
        ------
        InputError
            When a column is missing or holds other values than the model knows; names it.
        """
        names = np.array(self.classes, dtype=object)
        parts = [names[self._fitted.decide(p)] for p in self._blocks(df)]
        return np.concatenate([np.empty(0, object), *parts])

    def predict_proba(self, df: Any) -> pd.DataFrame:
        """The probability of each class, corrected to the prevalence as the model card says.

        Parameters
        ----------
        df : pandas.DataFrame or pyarrow.Table
            As in `predict`.

        Returns
        -------
        pandas.DataFrame, ``(n_rows, n_classes)``
            One column for each class, with the index of `df`.

        Raises
        ------
        InputError
            As `predict`.
        """
        p = np.concatenate([np.empty((0, len(self.classes))), *self._blocks(df)])
        return pd.DataFrame(p, columns=self.classes, index=getattr(df, "index", None))

    def _blocks(self, df: Any) -> Iterator[NDArray[np.float64]]:
        if not isinstance(df, pd.DataFrame | pa.Table):
            raise InputError(f"a model takes a pandas DataFrame or an Arrow table, not {type(df).__name__}")
        where = "the table"
        table = plain_columns(df, self.columns)
        self._recipe.check_schema(table.schema, where)
        size = min(max(BLOCK_VALUES // self._recipe.n_features, 1), BLOCK_ROWS)
        for start in range(0, table.num_rows, size):
            X = self._recipe.features(table.slice(start, size), where, start)
            yield self._fitted.probabilities(X)


def load_model(path: str | Path, *, trusted: Sequence[str] = ()) -> SavedModel:
    """Open a model that ``rareloop model`` saved; nothing of the file is run, and nothing is unpickled.

    Parameters
    ----------
    path : str or pathlib.Path
        The .skops file, or the folder with model.skops in it.
    trusted : sequence of str
        Types that may be loaded beside those of the classifiers on offer, as ``"module.Class"``: for a classifier
        of your own, when you know where the file is from.

    Returns
    -------
    SavedModel
        With ``predict``, ``predict_proba``, ``classes``, ``columns`` and ``card``.

    Raises
    ------
    InputError
        When skops is not installed, or the file is missing, damaged, no model of rareloop, made by a newer one, or
        holds types that are not trusted.

    Examples
    --------
    >>> model = rareloop.load_model("quasars.skops")  # doctest: +SKIP
    >>> model.predict_proba(frame)["quasar"]  # doctest: +SKIP
    """
    place = Path(path)
    name = place.name
    if not place.exists():
        raise InputError(f"there is no model {place}: check the path")
    data = _read(place / SKOPS_FILE if place.is_dir() else place, MOST_BYTES, name)
    sums, texts = look_into(data, name)
    if place.is_dir():
        texts = {each: _read(place / each, MOST_TEXT, name) for each in (MANIFEST, CARD)}
    try:
        manifest = json.loads(texts[MANIFEST])
        _check_kind(manifest, name)
        expected = dict(manifest["members"])
        fitted, recipe = _described(manifest)
        card = texts[CARD].decode()
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{name} is no model that rareloop wrote, or damaged: save the model again") from error
    if {each: s for each, s in sums.items() if each not in (MANIFEST, CARD)} != expected:
        raise InputError(f"{name} has been changed since it was saved: get or save the model again")
    fitted = replace(fitted, estimator=_loaded(data, name, set(trusted)))
    _check_estimator(fitted, recipe, name)
    return SavedModel(fitted, recipe, manifest, card)


def _read(path: Path, most: int, name: str) -> bytes:
    """A file as a whole; raises InputError when it is not there or too large."""
    try:
        if path.stat().st_size > most:
            raise InputError(f"{name} is larger than a model may be: do not use it")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{name} is no model: {path.name} cannot be read ({error.strerror})") from error


# ---- what the manifest says -------------------------------------------------------------------------


def _check_kind(manifest: Any, name: str) -> None:
    """Raise InputError for what another program, a newer rareloop or another format has written."""
    if not isinstance(manifest, dict) or not isinstance(manifest.get("model_format"), int):
        raise ValueError("no manifest of a model")
    if manifest["model_format"] > FORMAT:
        raise InputError(
            f"{name} was made by a newer rareloop (model format {manifest['model_format']}, this one knows "
            f"{FORMAT}): "
            "install the newer one"
        )


def _described(manifest: Mapping[str, Any]) -> tuple[Fitted, FeatureRecipe]:
    """The model without its classifier, and its recipe; raises ValueError, KeyError or TypeError for nonsense."""
    classes, places = manifest["classes"], [int(place) for place in manifest["places"]]
    n = len(classes)
    if not (2 <= n <= MOST_CLASSES and all(isinstance(each, str) for each in classes) and n == len(set(classes))):
        raise ValueError("its classes make no sense")
    correction = manifest["correction"]
    offsets, scale = (_numbers(correction[key], n) for key in ("offsets", "scale"))
    thresholds = [each["value"] for each in manifest["thresholds"]]
    values = np.array([np.nan if value is None else float(value) for value in thresholds])
    if len(values) != n or len(places) != n or (offsets is None) != (scale is None):
        raise ValueError("its numbers are not those of its classes")
    n_labels = int(correction["n_labels"])
    if n_labels < 1:
        raise ValueError("it has learned from nothing")
    fitted = Fitted(
        estimator=None,
        classes=np.array(places, np.int64),
        n_labels=n_labels,
        correction=Correction(correction["kind"]),
        offsets=offsets,
        scale=scale,
        thresholds=values,
        threshold_sources=tuple(str(each["source"]) for each in manifest["thresholds"]),
        prevalence=np.full(n, np.nan),
        prevalence_source=str(correction["prevalence_source"]),
    )
    return fitted, FeatureRecipe.from_dict(manifest["features"])


def _numbers(values: Any, n: int) -> NDArray[np.float64] | None:
    if values is None:
        return None
    numbers = np.array([float(value) for value in values])
    if numbers.shape != (n,) or not np.isfinite(numbers).all():
        raise ValueError("its correction makes no sense")
    return numbers


# ---- the classifier ---------------------------------------------------------------------------------


def _loaded(data: bytes, name: str, trusted: set[str]) -> Any:
    """The classifier of an archive that `look_into` has passed, if all its types are trusted."""
    try:
        import skops.io
    except ImportError as error:
        raise InputError(NEEDS) from error
    try:
        foreign = set(skops.io.get_untrusted_types(data=data)) - PARTS - OFFERED - trusted
        kind = _kind(data)
        foreign |= {kind} - OFFERED - trusted
        if foreign:
            raise InputError(
                f"{name} holds {', '.join(sorted(foreign))[:300]}, no classifier on offer: if you know where "
                "it is "
                f"from, load it with trusted={sorted(foreign)!r}"[:900]
            )
        return skops.io.loads(data, trusted=sorted(PARTS | OFFERED | trusted))
    except InputError:
        raise
    except Exception as error:  # whatever a damaged schema leads to
        reason = f"{type(error).__name__}: {error}"[:200]
        raise InputError(f"{name} cannot be loaded ({reason}): save the model again") from error


def _kind(data: bytes) -> str:
    """The type of the outermost object of an archive of skops."""
    schema = json.loads(member(data, SCHEMA))
    return f"{schema['__module__']}.{schema['__class__']}"


def _check_estimator(fitted: Fitted, recipe: FeatureRecipe, name: str) -> None:
    """Raise InputError unless the classifier is one of the classes and features that the manifest tells of."""
    try:
        fits = _fits(fitted, recipe)
    except Exception as error:  # whatever a classifier does of which parts are missing
        raise InputError(f"{name} holds a classifier that does not work: save the model again") from error
    if not fits:
        raise InputError(f"{name} holds a classifier that is not the one it tells of: do not use it")


def _fits(fitted: Fitted, recipe: FeatureRecipe) -> bool:
    """Whether the classifier has these classes and features, and says something of a row that is all zero."""
    estimator = fitted.estimator
    known = np.asarray(estimator.classes_)
    n_features = getattr(estimator, "n_features_in_", recipe.n_features)
    if known.shape != fitted.classes.shape or (known != fitted.classes).any() or n_features != recipe.n_features:
        return False
    if not _are_sound(estimator):
        return False
    p = fitted.probabilities(np.zeros((1, recipe.n_features), np.float32))
    return p.shape == (1, len(known)) and bool(np.isfinite(p).all()) and abs(p.sum() - 1) < 1e-3


def _are_sound(estimator: Any) -> bool:
    """Whether the trees of a forest or of boosting lead from each node to later nodes and known features alone."""
    n = getattr(estimator, "n_features_in_", 0)
    if isinstance(estimator, ensemble.RandomForestClassifier):
        trees = [one.tree_ for one in estimator.estimators_]
        return all(
            _is_sound(t.children_left, t.children_right, t.feature, t.children_left == -1, n) for t in trees
        )
    if isinstance(estimator, ensemble.HistGradientBoostingClassifier):
        return all(_leads_on(one.nodes, n) for stage in estimator._predictors for one in stage)
    return True


def _leads_on(nodes: NDArray[Any], n_features: int) -> bool:
    """The same for one tree of boosting; those of ours split no categories."""
    left, right, feature = (nodes[key].astype(np.int64) for key in ("left", "right", "feature_idx"))
    return not nodes["is_categorical"].any() and _is_sound(left, right, feature, nodes["is_leaf"] != 0, n_features)


def _is_sound(left: Any, right: Any, feature: Any, is_leaf: NDArray[np.bool_], n_features: int) -> bool:
    """Whether inner nodes have children that come after them, and ask for a feature that there is."""
    inner = np.flatnonzero(~is_leaf)
    children = np.stack([left[inner], right[inner]])
    asked = feature[inner]
    return bool(
        len(is_leaf)
        and (children > inner).all()
        and (children < len(is_leaf)).all()
        and (asked >= 0).all()
        and (asked < n_features).all()
    )
