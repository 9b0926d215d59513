"""What was bought in the synthetic GA4 export: the columns `ecommerce` and `items`."""

import numpy as np
import pyarrow as pa

from connectors import shop_ga4_schema as ga4
from connectors.shop_calendar import Ints
from connectors.shop_clicks import (
    CART,
    CODE,
    COLLECTIONS,
    EVENTS,
    FIRST_COLLECTION,
    FIRST_PRODUCT,
    PRODUCTS,
    product_price,
)
from connectors.shop_ga4_arrays import nulls_where, take, transaction_texts, value_struct
from connectors.shop_segments import Floats

USD_PER_EUR = 1.08


def ecommerce(event: Ints, value: Floats, transaction: Ints) -> pa.Array:
    """(rows,) order columns; all NULL but on purchases and refunds."""
    sold, refunded = event == CODE["purchase"], event == CODE["refund"]
    nothing = ~(sold | refunded)
    used, number = np.unique(transaction, return_inverse=True)
    usd, floats = np.round(value * USD_PER_EUR, 2), pa.nulls(len(event), pa.float64())
    fields = {
        "total_item_quantity": nulls_where(1 + (event * 0), nothing),
        "purchase_revenue_in_usd": nulls_where(usd, ~sold),
        "purchase_revenue": nulls_where(value, ~sold),
        "refund_value_in_usd": nulls_where(usd, ~refunded),
        "refund_value": nulls_where(value, ~refunded),
        "unique_items": nulls_where(1 + (event * 0), nothing),
        "transaction_id": take(pa.array(transaction_texts(used)), number, nothing),
    }
    arrays = [fields.get(f.name, floats) for f in ga4.ECOMMERCE]
    return pa.StructArray.from_arrays(arrays, fields=list(ga4.ECOMMERCE))


def items(event: Ints, page: Ints, value: Floats, catalogue: dict[str, pa.Array]) -> pa.Array:
    """One item for product and order events, two for lists."""
    listed = event == CODE["view_item_list"]
    single = np.isin(event, [CODE[e] for e in EVENTS[8:13]])
    viewed = np.isin(event, [CODE["view_item"], CODE["add_to_wishlist"]])
    count = np.where(listed, 2, np.where(single | viewed, 1, 0))
    owner = np.repeat(np.arange(len(event)), count)
    offsets = np.concatenate([[0], np.cumsum(count)]).astype(np.int32)
    second = np.arange(len(owner)) - offsets[owner]
    cents = (np.nan_to_num(value) * 100).astype(np.int64)
    product = np.where(
        page[owner] >= CART, cents[owner] % PRODUCTS,
        np.where(page[owner] >= FIRST_PRODUCT, page[owner] - FIRST_PRODUCT,
                 page[owner] - FIRST_COLLECTION + second * len(COLLECTIONS)),
    )  # fmt: skip
    priced = single[owner]
    price = np.where(priced, value[owner], product_price(product))
    sold = event[owner] == CODE["purchase"]
    size, floats = len(owner), pa.nulls(len(owner), pa.float64())
    kind = ga4.ITEM.field("item_params").type
    strings = pa.nulls(size, pa.string())
    fields: dict[str, pa.Array] = {name: take(pool, product) for name, pool in catalogue.items()}
    params = pa.StructArray.from_arrays(
        [pa.repeat("size", size),
         value_struct(take(pa.array(["S", "M", "L"]), product % 3),
                       pa.nulls(size, pa.int64()), floats)],
        fields=list(ga4.PARAM),
    )  # fmt: skip
    fields |= {
        "price_in_usd": pa.array(np.round(price * USD_PER_EUR, 2)),
        "price": pa.array(price),
        "quantity": nulls_where(np.ones(size, dtype=np.int64), ~priced),
        "item_revenue_in_usd": nulls_where(np.round(price * USD_PER_EUR, 2), ~sold),
        "item_revenue": nulls_where(price, ~sold),
        "item_list_index": take(pa.array(["0", "1"]), second, ~listed[owner]),
        "item_params": pa.ListArray.from_arrays(
            pa.array(np.arange(size + 1, dtype=np.int32)), params, type=kind
        ),
    }
    default = {pa.float64(): floats, pa.string(): strings}
    arrays = [fields[f.name] if f.name in fields else default[f.type] for f in ga4.ITEM]
    items = pa.StructArray.from_arrays(arrays, fields=list(ga4.ITEM))
    return pa.ListArray.from_arrays(pa.array(offsets), items)
