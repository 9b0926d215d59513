"""Building blocks of the synthetic GA4 export: Arrow columns from numpy ones, and the shop's ids."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.shop_calendar import Ints
from connectors.shop_clicks import NO_ORDER, NOT_SET
from connectors.shop_ga4_schema import VALUE
from connectors.shop_segments import Bools


def user_id(person: int) -> str:
    """The shop's own id of an account holder; the same in every tool."""
    return f"C{100_000 + person}"


def transaction_id(number: int) -> str:
    """The shop's order number."""
    return f"T{500_000 + number}"


def transaction_texts(numbers: Ints) -> list[str]:
    """Order numbers as GA4 shows them."""
    texts = {NO_ORDER: "", NOT_SET: "(not set)"}
    return [texts.get(n) or transaction_id(n) for n in numbers.tolist()]


def nulls_where(values: npt.NDArray[np.generic], null: Bools) -> pa.Array:
    """`values` as Arrow, NULL where `null`."""
    return pa.array(values, mask=null)


def take(pool: pa.Array, index: Ints, null: Bools | None = None) -> pa.Array:
    """Row `index[i]` of `pool`, NULL where `null`."""
    return pool.take(pa.array(index, mask=null))


def value_struct(strings: pa.Array, ints: pa.Array, doubles: pa.Array) -> pa.Array:
    """The value of a parameter: one of the three is not NULL."""
    empty = pa.nulls(len(strings), pa.float64())
    return pa.StructArray.from_arrays([strings, ints, empty, doubles], fields=list(VALUE))
