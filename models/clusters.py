"""Which ids are one person, by the links that say so: connected components, deterministic."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def cluster_ids(links: pd.DataFrame, limit: int) -> pd.DataFrame:
    """One row per id of ``links``: the person it means.

    ``links`` has first_number, first_is_device, second_number, second_is_device. The result has
    id_number, is_device, person_number, has_user, members, is_too_large. A person is named by the
    smallest user id among the members, else (not ``has_user``) the smallest device; so the order of the
    links does not matter. Components of more than ``limit`` ids (Mixpanel allows 500) are marked: such a
    chain is an error, not a person.
    """
    ids = (
        pd.concat(
            [
                links[["first_number", "first_is_device"]].set_axis(["id_number", "is_device"], axis=1),
                links[["second_number", "second_is_device"]].set_axis(["id_number", "is_device"], axis=1),
            ]
        )
        .drop_duplicates("id_number")
        .sort_values(["is_device", "id_number"], ignore_index=True)
    )
    place = pd.Series(np.arange(len(ids)), index=ids["id_number"])
    ends = (place[links["first_number"]].to_numpy(), place[links["second_number"]].to_numpy())
    graph = coo_array((np.ones(len(links), dtype=np.int8), ends), shape=(len(ids), len(ids)))
    component = connected_components(graph, directed=False)[1] if len(ids) else np.array([], dtype=np.int32)
    by_component = ids["id_number"].groupby(component)
    members = by_component.transform("size")
    return ids.assign(
        # users come before devices, each by number
        person_number=by_component.transform("first"),
        has_user=~ids["is_device"].astype(bool).groupby(component).transform("all"),
        members=members,
        is_too_large=members > limit,
    )
