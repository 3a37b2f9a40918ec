"""Rules over columns, such as ``mag_r < 17 and class == '?'``: read with a whitelist, never run as Python."""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..data.errors import InputError
from .columns import CLASS, PREDICTED, SCORES, Columns, Numbers

BLOCK = 131_072
LONGEST = 20_000
DEEPEST = 40
FUNCTIONS = ("isnull", "contains", "startswith")
SAMPLE = "mag_r < 17 and class == '?'"

Truth = NDArray[np.bool_]
TermKind = Literal["number", "flag", "text", "date", "truth"]

_PARTS = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`([^`]*)`|\bclass\b")
_STAND_INS = 0xA000  # letters of a script that no column is named in, one for each quoted name
_MOST_NAMES = 1_000


class RuleError(InputError):
    """What is wrong with a rule: one sentence with the place and what to do."""


@dataclass(frozen=True)
class Term:
    """A part of a rule: what its values are, and how to get them for the rows from start to stop.

    Conditions (``truth``) give bool arrays, numbers, flags and dates `Numbers`, texts Arrow arrays; a
    constant gives itself. `is_class` is for texts that name classes.
    """

    kind: TermKind
    values: Callable[[Columns, int, int], Any]
    constant: Any = None
    is_class: bool = False


@dataclass(frozen=True)
class Rule:
    """A rule that fits the columns; `names` are those it reads."""

    text: str
    names: frozenset[str]
    _condition: Term

    def mask(self, columns: Columns) -> Truth:
        """The rows for which the rule holds, bool ``(n_rows,)``; touches all rows of the columns that it reads."""
        result = np.empty(columns.n_rows, bool)
        for start, stop in _stretches(columns.n_rows):
            with np.errstate(all="ignore"):
                result[start:stop] = self._condition.values(columns, start, stop)
        return result

    def rows(self, columns: Columns) -> NDArray[np.int64]:
        """The rows for which the rule holds, int64, in order; touches all rows of the columns that it reads."""
        return np.flatnonzero(self.mask(columns)).astype(np.int64)

    @property
    def scores(self) -> frozenset[str]:
        """The kinds of scores of the pool that it reads."""
        return frozenset(SCORES[name] for name in self.names if name in SCORES)


def parse(text: str, columns: Columns) -> Rule:
    """Read a rule.

    Comparisons (also chained), ``and``, ``or``, ``not``, ``in [...]``, ``+ - * /``, ``isnull(column)``,
    ``contains(column, 'text')`` and ``startswith(column, 'text')`` over columns, numbers and texts. Names that
    are no words stand between backticks. A comparison with a missing value does not hold, but for ``!=``.

    Raises
    ------
    RuleError
        With the place and what to do.
    """
    return _Reader(text, columns).rule()


def quoted(name: str, columns: Columns) -> str:
    """A column's name as a rule has to write it."""
    is_word = name.isidentifier() and name.isascii() and not _is_python_word(name)
    return name if is_word and columns.resolve(name) == f".{name}" else f"`{name}`"


def _is_python_word(name: str) -> bool:
    import keyword

    return keyword.iskeyword(name) or name in FUNCTIONS


def _stretches(n_rows: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n_rows, BLOCK):
        yield start, min(start + BLOCK, n_rows)


class _Reader:
    """Turns the text of one rule into a `Rule`."""

    def __init__(self, text: str, columns: Columns) -> None:
        self.text = text
        self.columns = columns
        self.names: set[str] = set()
        self._stand_ins: dict[str, tuple[str, bool]] = {}  # what the parser sees → (name, is quoted)

    def rule(self) -> Rule:
        if len(self.text) > LONGEST:
            raise RuleError(f"the rule has more than {LONGEST:,} characters: make it shorter")
        if not self.text.strip():
            raise RuleError(f"the rule is empty: write one such as {SAMPLE}")
        condition = self.condition(self._tree(), 0)
        return Rule(self.text.strip(), frozenset(self.names), condition)

    # ---- text to tree ----------------------------------------------------------------------------

    def _tree(self) -> ast.expr:
        line = re.sub(r"\s", " ", self.text)
        self.shown = _PARTS.sub(self._stand_in, line)
        if "`" in _PARTS.sub("", line):
            raise RuleError(f"the rule has a single backtick (character {line.rindex('`') + 1}): close the name")
        indent = len(self.shown) - len(self.shown.lstrip())
        self.indent = indent
        try:
            return ast.parse(self.shown.strip(), mode="eval").body
        except SyntaxError as error:
            place = max((error.offset or 1) + indent, 1)
            raise RuleError(self._syntax_hint(place)) from None
        except (RecursionError, MemoryError, ValueError, OverflowError):
            raise RuleError("the rule is nested too deeply or holds what cannot be read: simplify it") from None

    def _stand_in(self, match: re.Match[str]) -> str:
        """A word of the same length for a name that Python could not read, so that places stay right."""
        found, name = match[0], match[1]
        if found[0] in "'\"":
            return found
        if name == "":
            raise RuleError(f"the rule has a name without letters (character {match.start() + 1}): write one")
        if len(self._stand_ins) >= _MOST_NAMES:
            raise RuleError("the rule has too many quoted names: make it shorter")
        word = chr(_STAND_INS + len(self._stand_ins)) * len(found)
        self._stand_ins[word] = (found if name is None else name, name is not None)
        return word

    def _syntax_hint(self, place: int) -> str:
        if re.search(r"(?<![<>=!])=(?!=)", _PARTS.sub("", self.text)):
            return f"the rule compares with a single = (near character {place}): write == instead"
        if re.search(r"&&|\|\||!(?!=)", _PARTS.sub("", self.text)):
            return f"the rule cannot be read near character {place}: write and, or, not in words"
        return f"the rule cannot be read near character {place}: write it like {SAMPLE}"

    def at(self, node: ast.AST) -> str:
        """Where a part of the rule stands, for people."""
        line = self.shown.strip()
        offset = len(line.encode()[: getattr(node, "col_offset", 0)].decode(errors="ignore"))
        return f"character {offset + self.indent + 1}"

    # ---- conditions ------------------------------------------------------------------------------

    def condition(self, node: ast.expr, depth: int) -> Term:
        """A part that holds or does not."""
        if depth > DEEPEST:
            raise RuleError(f"the rule is nested more than {DEEPEST} deep ({self.at(node)}): simplify it")
        if isinstance(node, ast.BoolOp):
            parts = [self.condition(part, depth + 1) for part in node.values]
            join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return _truth(lambda c, a, b: join.reduce([part.values(c, a, b) for part in parts]))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.condition(node.operand, depth + 1)
            return _truth(lambda c, a, b: ~inner.values(c, a, b))
        if isinstance(node, ast.Compare):
            return self._comparison(node, depth)
        if isinstance(node, ast.Call):
            return self._call(node)
        term = self.value(node, depth)
        if term.kind != "flag" or term.constant is not None:
            raise RuleError(f"the rule has a value where a condition should be ({self.at(node)}): compare it")
        return _truth(lambda c, a, b: _is_set(term.values(c, a, b)))

    def _comparison(self, node: ast.Compare, depth: int) -> Term:
        parts: list[Callable[[Columns, int, int], Truth]] = []
        left, left_node = self.value(node.left, depth + 1), node.left
        for operator, right_node in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, ast.In | ast.NotIn):
                parts.append(self._membership(left, operator, right_node))
                left = None  # type: ignore[assignment]
                continue
            if left is None:
                raise RuleError(f"the rule compares a list ({self.at(right_node)}): put 'in' at the end")
            right = self.value(right_node, depth + 1)
            parts.append(self._compared(left, operator, right, left_node))
            left, left_node = right, right_node
        return _truth(lambda c, a, b: np.logical_and.reduce([part(c, a, b) for part in parts]))

    def _compared(
        self, left: Term, operator: ast.cmpop, right: Term, node: ast.expr
    ) -> Callable[[Columns, int, int], Truth]:
        name = _OPERATORS.get(type(operator))
        if name is None:
            raise RuleError(f"the rule compares with 'is' ({self.at(node)}): write == or isnull(column)")
        if left.constant is not None and right.constant is not None:
            raise RuleError(f"the rule compares two constants ({self.at(node)}): name a column")
        left, right = self._alike(left, right, node)
        if left.kind == "text":
            left, right = self._named_now(left, right), self._named_now(right, left)
            return lambda c, a, b: _compare_texts(name, left.values(c, a, b), right.values(c, a, b))
        return lambda c, a, b: _compare_numbers(name, left.values(c, a, b), right.values(c, a, b), b - a)

    def _named_now(self, term: Term, other: Term) -> Term:
        """A constant that is compared with classes: what that class is called now, where it had that name."""
        if other.is_class and term.constant is not None:
            return _constant("text", self.columns.class_now(term.constant))
        return term

    def _alike(self, left: Term, right: Term, node: ast.expr) -> tuple[Term, Term]:
        """Two terms that can be compared: dates are written as texts, flags count as numbers."""
        if left.kind == "date" and right.constant is not None and right.kind == "text":
            return left, self._date(right, node)
        if right.kind == "date" and left.constant is not None and left.kind == "text":
            return self._date(left, node), right
        kinds = {"number" if term.kind == "flag" else term.kind for term in (left, right)}
        if len(kinds) > 1:
            one, other = sorted(kinds)
            hint = "write dates as '2024-12-31'" if "date" in kinds else "put texts, and only texts, in quotes"
            raise RuleError(f"the rule compares a {one} with a {other} ({self.at(node)}): {hint}")
        return left, right

    def _date(self, term: Term, node: ast.expr) -> Term:
        try:
            moment = np.datetime64(term.constant, "us")
        except ValueError:
            moment = np.datetime64("NaT")
        if np.isnat(moment):
            raise RuleError(
                f"the rule has '{term.constant[:40]}' for a date ({self.at(node)}): write it as '2024-12-31'"
            )
        return _constant("date", int(moment.astype(np.int64)))

    def _membership(
        self, left: Term | None, operator: ast.cmpop, node: ast.expr
    ) -> Callable[[Columns, int, int], Truth]:
        if left is None or left.constant is not None:
            raise RuleError(f"the rule looks for no column in a list ({self.at(node)}): write column in [1, 2]")
        if not isinstance(node, ast.List | ast.Tuple | ast.Set):
            raise RuleError(f"the rule has no list after 'in' ({self.at(node)}): write one such as ['a', 'b']")
        single = [self._compared(left, ast.Eq(), self._listed(part), part) for part in node.elts]

        def found(c: Columns, a: int, b: int) -> Truth:
            holds = np.zeros(b - a, bool)
            for one in single:
                holds |= one(c, a, b)
            return holds if isinstance(operator, ast.In) else ~holds

        return found

    def _listed(self, node: ast.expr) -> Term:
        term = self.value(node, 0)
        if term.constant is None:
            raise RuleError(
                f"the rule has more than numbers and texts in a list ({self.at(node)}): write them out"
            )
        return term

    def _call(self, node: ast.Call) -> Term:
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS or node.keywords:
            raise RuleError(
                f"the rule calls something ({self.at(node)}) that is not {', '.join(FUNCTIONS)}: use these only"
            )
        name, n_wanted = node.func.id, 1 if node.func.id == "isnull" else 2
        if len(node.args) != n_wanted or not isinstance(node.args[0], ast.Name):
            usage = "isnull(column)" if name == "isnull" else f"{name}(column, 'text')"
            raise RuleError(f"the rule misuses {name} ({self.at(node)}): write {usage}")
        if name == "isnull":
            key = self._key(node.args[0])
            return _truth(lambda c, a, b: c.missing(key, a, b))
        column, part = self.value(node.args[0], 0), self.value(node.args[1], 0)
        if column.kind != "text" or part.kind != "text" or part.constant is None:
            raise RuleError(f"the rule looks for a text in no text ({self.at(node)}): {name}(text column, 'text')")
        look = pc.match_substring if name == "contains" else pc.starts_with
        return _truth(lambda c, a, b: _holds(look(column.values(c, a, b), part.constant)))

    # ---- values ----------------------------------------------------------------------------------

    def value(self, node: ast.expr, depth: int) -> Term:
        """A part that has a value for each row."""
        if depth > DEEPEST:
            raise RuleError(f"the rule is nested more than {DEEPEST} deep ({self.at(node)}): simplify it")
        if isinstance(node, ast.Constant):
            return self._number_or_text(node)
        if isinstance(node, ast.Name):
            return self._column(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            return self._signed(node, depth)
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            return self._arithmetic(node, depth)
        raise RuleError(f"the rule has something that rules do not know ({self.at(node)}): write it like {SAMPLE}")

    def _number_or_text(self, node: ast.Constant) -> Term:
        value = node.value
        if isinstance(value, bool):
            return _constant("flag", int(value))
        if isinstance(value, str):
            return _constant("text", value)
        if isinstance(value, int | float):
            if not -1e308 <= value <= 1e308:
                raise RuleError(f"the rule has a number that is too large ({self.at(node)}): write a smaller one")
            return _constant("number", value)
        raise RuleError(
            f"the rule has no number or text ({self.at(node)}): for missing values write isnull(column)"
        )

    def _column(self, node: ast.Name) -> Term:
        key = self._key(node)
        kind = self.columns.kind(key)
        if kind == "other":
            raise RuleError(f"'{key[1:]}' holds no numbers or texts ({self.at(node)}): rules can use isnull only")
        if kind == "text":
            return Term("text", lambda c, a, b: c.texts(key, a, b), is_class=key in (CLASS, PREDICTED))
        return Term(kind, lambda c, a, b: c.numbers(key, a, b))

    def _key(self, node: ast.Name) -> str:
        name, is_quoted = self._stand_ins.get(node.id, (node.id, False))
        key = self.columns.resolve(name, is_quoted)
        if key is None and name == self.columns.hidden:
            raise RuleError(f"'{name}' is the hidden truth ({self.at(node)}): name another column")
        if key is None:
            near = difflib.get_close_matches(name, self.columns.names, n=1, cutoff=0.5)
            hint = f"the nearest is '{near[0]}'" if near else "the names are those of the table; texts need quotes"
            raise RuleError(f"there is no column '{name[:60]}' ({self.at(node)}): {hint}")
        self.names.add(key)
        return key

    def _signed(self, node: ast.UnaryOp, depth: int) -> Term:
        inner = self._number(node.operand, depth)
        sign = -1 if isinstance(node.op, ast.USub) else 1
        if inner.constant is not None:
            return _constant("number", sign * inner.constant)
        if sign == 1:
            return inner
        return Term("number", lambda c, a, b: _negative(inner.values(c, a, b)))

    def _arithmetic(self, node: ast.BinOp, depth: int) -> Term:
        left, right = self._number(node.left, depth), self._number(node.right, depth)
        operation = _ARITHMETIC[type(node.op)]
        if left.constant is not None and right.constant is not None:
            with np.errstate(all="ignore"):
                result = float(operation(np.float64(left.constant), np.float64(right.constant)))
            if not math.isfinite(result):
                raise RuleError(f"the rule has no finite number ({self.at(node)}): correct the arithmetic")
            return _constant("number", result)
        return Term("number", lambda c, a, b: _calculated(operation, left.values(c, a, b), right.values(c, a, b)))

    def _number(self, node: ast.expr, depth: int) -> Term:
        term = self.value(node, depth + 1)
        if term.kind not in ("number", "flag"):
            raise RuleError(f"the rule calculates with a {term.kind} ({self.at(node)}): use columns of numbers")
        return term


# ---- arrays -----------------------------------------------------------------------------------------

_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "equal", ast.NotEq: "not_equal", ast.Lt: "less", ast.LtE: "less_equal", ast.Gt: "greater",
    ast.GtE: "greater_equal",
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
}  # fmt: skip


def _truth(values: Callable[[Columns, int, int], Truth]) -> Term:
    return Term("truth", values)


def _constant(kind: TermKind, value: Any) -> Term:
    return Term(kind, lambda c, a, b: value, constant=value)


def _parts(side: Any) -> tuple[Any, Any]:
    """Values and what is missing of numbers, or of a constant."""
    return (side.values, side.missing) if isinstance(side, Numbers) else (side, False)


def _compare_numbers(name: str, left: Any, right: Any, n: int) -> Truth:
    (one, no_one), (other, no_other) = _parts(left), _parts(right)
    missing = no_one | no_other
    holds = np.broadcast_to(getattr(np, name)(one, other), n)
    return holds | missing if name == "not_equal" else holds & ~np.broadcast_to(missing, n)


def _compare_texts(name: str, left: Any, right: Any) -> Truth:
    sides = [pa.scalar(side, pa.large_string()) if isinstance(side, str) else side for side in (left, right)]
    return _holds(getattr(pc, name)(*sides), missing=name == "not_equal")


def _holds(flags: pa.Array, missing: bool = False) -> Truth:
    return np.asarray(pc.fill_null(flags, missing).to_numpy(zero_copy_only=False), bool)


def _is_set(flags: Numbers) -> Truth:
    return (flags.values != 0) & ~flags.missing


def _negative(numbers: Numbers) -> Numbers:
    return Numbers(-numbers.values.astype(np.float64), numbers.missing)


def _calculated(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Numbers:
    (one, no_one), (other, no_other) = _parts(left), _parts(right)
    result = operation(np.asarray(one, np.float64), np.asarray(other, np.float64))
    return Numbers(result, no_one | no_other | np.isnan(result))
