"""Blocks of the Prefect server: secrets, and what sends messages. With the flow, all that imports prefect."""

from __future__ import annotations

import json
from typing import Any, cast

import httpx
from prefect.blocks.core import Block
from prefect.blocks.system import Secret as SecretBlock

from connectors.errors import VendorUnavailable
from connectors.secret import Secret


def read_block(name: str) -> Secret | None:
    """The value of the Secret block ``name``, None where there is none. Raises VendorUnavailable."""
    try:
        block = cast("SecretBlock[Any]", SecretBlock.load(name))
        value = block.get()
    except ValueError:
        return None  # Prefect's way of saying that there is no such block
    except (httpx.HTTPError, OSError, RuntimeError) as error:
        raise VendorUnavailable(
            f"the Prefect server cannot be asked for the Secret block {name} ({type(error).__name__})",
            where="PREFECT_API_URL",
            remedy="Start the server, or unset PREFECT_API_URL to use environment variables alone",
        ) from error
    # a block may hold a JSON document, such as a service account's key
    return Secret(value if isinstance(value, str) else json.dumps(value))


def load_block(name: str) -> object | None:
    """The block ``name`` (`<type>/<name>`), None where there is none. Raises what its client raises."""
    try:
        return Block.load(name)
    except ValueError:
        return None  # Prefect's way of saying that there is no such block
