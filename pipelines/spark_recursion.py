"""A recursive query in rounds: Spark's own recursion takes no aggregates and does its helpers anew each time.

What the recursive part reads is made once; each round then sees the rows of the round before, as SQL has it,
until one makes none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp


@dataclass(frozen=True)
class Recursion:
    """``helpers`` are (name, query) to be made first, in order; ``step`` reads ``name`` for the round before.

    ``rest`` is the query itself; in all of them the helpers and ``name`` are tables.
    """

    name: str
    helpers: tuple[tuple[str, exp.Expr], ...]
    anchor: exp.Expr
    step: exp.Expr
    rest: exp.Expr


def split_recursion(tree: exp.Expr) -> Recursion | None:
    """The parts of a query ``with recursive ...``; None for one that does not recur."""
    clause = tree.args.get("with_")
    if clause is None or not clause.args.get("recursive"):
        return None
    parts = {each.alias: each.this for each in clause.expressions}
    name = next(each for each, query in parts.items() if _names(query) & {each})
    union = parts[name]
    before = list(parts)[: list(parts).index(name)]
    needed = [each for each in before if each in _names(union.expression)]
    made = set(needed) | {name}
    helpers = tuple(
        (each, _with(parts, before, set(needed[:place]), parts[each])) for place, each in enumerate(needed)
    )
    anchor = _with(parts, before, set(needed), union.this)
    rest = tree.copy()
    rest.set("with_", None)
    return Recursion(name, helpers, anchor, union.expression.copy(), _with(parts, list(parts), made, rest))


def _with(parts: dict[str, exp.Expr], known: list[str], made: set[str], query: exp.Expr) -> exp.Expr:
    """The query with those of the named parts that it needs and that are not made."""
    wanted, asked = set[str](), _names(query)
    while asked:
        each = asked.pop()
        if each in known and each not in made and each not in wanted:
            wanted.add(each)
            asked |= _names(parts[each])
    result = query.copy()
    if wanted:
        clause = [
            exp.CTE(this=parts[each].copy(), alias=exp.TableAlias(this=exp.to_identifier(each)))
            for each in known
            if each in wanted
        ]
        result.set("with_", exp.With(expressions=clause))
    return result


def _names(query: exp.Expr) -> set[str]:
    return {table.name for table in query.find_all(exp.Table) if not table.db}


def renamed(query: exp.Expr, name_of: Callable[[str], str | None]) -> exp.Expr:
    """The query with tables without a schema under other names, where ``name_of`` gives one."""
    result = query.copy()
    for table in list(result.find_all(exp.Table)):
        new = None if table.db else name_of(table.name)
        if new is not None:
            alias = table.alias or table.name
            table.set("this", exp.to_identifier(new))
            table.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
    return result
