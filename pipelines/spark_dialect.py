"""The models' SQL for Spark: sqlglot carries it; rules carry what it does not, with equal results.

Each rule is one function over one kind of node, listed in ``_RULES`` with nothing else beside it; what has
no rule and cannot be carried is refused, not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from sqlglot import ErrorLevel, exp, parse_one
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import UnsupportedError
from sqlglot.parsers.duckdb import DuckDBParser

from pipelines.spark_functions import SPARK_FUNCTIONS
from pipelines.warehouse import SCHEMAS


class _Models(DuckDB):
    """DuckDB as the models write it; places in lists stay as written, from 1."""

    INDEX_OFFSET = 0

    class Parser(DuckDBParser):
        # `length` is of texts and `len` of lists: two functions in Spark
        FUNCTIONS = {name: make for name, make in DuckDBParser.FUNCTIONS.items() if name != "LEN"}  # noqa: RUF012


def to_spark(query: str | exp.Expr) -> str:
    """A query of the models as Spark SQL over the views ``schema__table``.

    Raises sqlglot.errors.SqlglotError for what sqlglot knows that Spark cannot do.
    """
    tree = parse_model(query)
    root = exp.Paren(this=tree)  # so that a rule may replace the outermost node as well
    # leaves first: what a rule puts in place is in Spark's words and is not looked at again
    for node in reversed(list(root.bfs())):
        rule = _RULES.get(type(node))
        if rule is not None:
            made = rule(node)
            if made is not node:
                node.replace(made)
    made_sql: str = root.this.sql("spark", unsupported_level=ErrorLevel.RAISE, comments=False)
    return made_sql


def parse_model(query: str | exp.Expr) -> exp.Expr:
    """The tree of a query as a model writes it; a copy of what is a tree already."""
    return parse_one(query, dialect=_Models) if isinstance(query, str) else query.copy()


def view_name(table: str) -> str:
    """The session's view of a table ``schema.name``: the catalog of the cluster is left alone."""
    return table.replace(".", "__")


def _call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _table(node: exp.Table) -> exp.Expr:
    if node.db in SCHEMAS:
        alias = node.args.get("alias")
        return exp.Table(
            this=exp.to_identifier(view_name(f"{node.db}.{node.name}")),
            alias=alias or exp.TableAlias(this=exp.to_identifier(node.name)),
        )
    return node


def _macro(node: exp.Anonymous) -> exp.Expr:
    name = node.name.lower()
    if name in SPARK_FUNCTIONS:
        parameters, body = _parsed(name)
        given = dict(zip(parameters, node.expressions, strict=True))
        root = exp.Paren(this=body.copy())
        for column in list(root.find_all(exp.Column)):
            if not column.table and column.name in given:
                column.replace(exp.paren(given[column.name].copy()))
        return exp.Paren(this=root.this)
    if name == "len":
        return _call("size", *node.expressions)
    if name == "epoch_us":
        return _call("unix_micros", exp.cast(node.expressions[0], "timestampltz"))
    return node


@cache
def _parsed(name: str) -> tuple[tuple[str, ...], exp.Expr]:
    parameters, body = SPARK_FUNCTIONS[name]
    tree = exp.Paren(this=parse_one(body, dialect="spark"))
    return tuple(parameters.split(", ")), tree.this


def _place(node: exp.Bracket) -> exp.Expr:
    """A place outside of a list is NULL; so is place 0, which Spark refuses."""
    place = node.expressions[0]
    if isinstance(place, exp.Slice):
        first, last = (exp.cast(place.args[part].copy(), "int") for part in ("this", "expression"))
        length = exp.Add(this=exp.Sub(this=last, expression=first), expression=exp.Literal.number(1))
        return _call("slice", node.this, first.copy(), length)
    if not place.is_number:
        place = exp.cast(exp.func("nullif", place.copy(), exp.Literal.number(0)), "int")
    return _call("try_element_at", node.this, place.copy())


def _ratio(node: exp.Div) -> exp.Expr:
    """DuckDB divides everything as doubles, Spark decimals as decimals."""
    return exp.Div(
        this=exp.cast(exp.paren(node.this.copy()), "double"),
        expression=exp.cast(exp.paren(node.expression.copy()), "double"),
    )


def _least_of(node: exp.ArgMin | exp.ArgMax) -> exp.Expr:
    """DuckDB's arg_min passes over rows whose wanted value is NULL, Spark's min_by gives that NULL."""
    wanted, by = node.this, node.expression
    if isinstance(by, exp.Tuple):
        by = _call("struct", *(each.copy() for each in by.expressions))
    known = exp.Case().when(wanted.copy().is_(exp.null()).not_(), by.copy())
    return _call("min_by" if isinstance(node, exp.ArgMin) else "max_by", wanted.copy(), known)


def _window(node: exp.Window) -> exp.Expr:
    """Spark takes neither FILTER nor a median over a frame of rows."""
    made = node.this
    if isinstance(made, exp.Filter):
        kept, made = made.expression.this, made.this.copy()
        counted = exp.Literal.number(1) if isinstance(made.this, exp.Star) else made.this.copy()
        made.set("this", exp.Case().when(kept.copy(), counted))
    elif isinstance(made, exp.Median):
        made = _call("percentile", made.this.copy(), exp.Literal.number("0.5"))
    else:
        return node
    node.set("this", made)
    return node


def _cast(node: exp.Cast) -> exp.Expr:
    """JSON is text that is asked by path; only a published table has the type."""
    return node.this if node.to.is_type("json") else node


def _try_cast(node: exp.TryCast) -> exp.Expr:
    """A text such as "6.5" is a whole number in DuckDB, rounded, and none in Spark; Java reads "7d" too."""
    if not node.to.is_type("int", "double"):
        return node
    text = exp.cast(node.this.copy(), "text")
    number: exp.Expr = exp.TryCast(this=node.this.copy(), to=exp.DataType.build("double"), safe=True)
    if node.to.is_type("int"):
        number = exp.TryCast(this=_call("round", number), to=exp.DataType.build("int"), safe=True)
    java = exp.RegexpLike(this=text, expression=exp.Literal.string("[dDfF] *$"))
    return exp.paren(exp.Case().when(java.not_(), number))


def _joined(node: exp.ArrayToString) -> exp.Expr:
    texts = exp.cast(node.this.copy(), exp.DataType.build("array<string>", dialect="spark"))
    return _call("array_join", texts, node.expression.copy())


def _sorted(node: exp.ArraySort) -> exp.Expr:
    """array_sort compares by a lambda, one pair at a time."""
    return _call("sort_array", node.this.copy())


def _distinct(node: exp.ArrayDistinct) -> exp.Expr:
    """DuckDB's list_distinct drops NULLs."""
    return _call("array_distinct", _call("array_compact", node.this.copy()))


def _select(node: exp.Select) -> exp.Expr:
    """Lists spread side by side: Spark has one generator a query, which makes several columns."""
    spread = [
        each
        for each in node.expressions
        if isinstance(each, exp.Alias) and isinstance(each.this, exp.Explode)
    ]
    if len(spread) < 2:
        return node
    zipped = _call("inline", _call("arrays_zip", *(each.this.this.copy() for each in spread)))
    names = [exp.to_identifier(each.alias) for each in spread]
    kept: list[exp.Expr] = []
    for each in node.expressions:
        if each is spread[0]:
            kept.append(exp.Aliases(this=zipped, expressions=names))
        elif each not in spread:
            kept.append(each)
    node.set("expressions", kept)
    return node


def _join(node: exp.Join) -> exp.Expr:
    """sqlglot writes an ASOF join as it reads it; Spark would take the word for a name."""
    if node.method:
        raise UnsupportedError(f"Spark has no {node.method.upper()} join")
    return node


def _star(node: exp.Star) -> exp.Expr:
    if node.args.get("replace") or node.args.get("rename"):
        raise UnsupportedError("Spark's * has EXCLUDE alone; name the column that is replaced")
    return node


_RULES: Mapping[type[exp.Expr], Callable[..., exp.Expr]] = {
    exp.Table: _table,
    exp.Anonymous: _macro,
    exp.Bracket: _place,
    exp.Div: _ratio,
    exp.ArgMin: _least_of,
    exp.ArgMax: _least_of,
    exp.Window: _window,
    exp.Cast: _cast,
    exp.TryCast: _try_cast,
    exp.ArrayToString: _joined,
    exp.ArraySort: _sorted,
    exp.ArrayDistinct: _distinct,
    exp.Select: _select,
    exp.Join: _join,
    exp.Star: _star,
}
