"""Where secrets come from: the environment, and Prefect Secret blocks where a Prefect server is in use."""

from __future__ import annotations

import os

from connectors.errors import CredentialMissing
from connectors.secret import Secret


def find_secret(name: str) -> Secret | None:
    """The secret of environment variable ``name``, else of the block of that name; None without one."""
    text = os.environ.get(name, "").strip()
    if text:
        return Secret(text)
    if os.environ.get("PREFECT_API_URL"):
        # prefect takes a second to import, and needs to be there only where its server is in use
        from pipelines.secret_blocks import read_block

        return read_block(block_name(name))
    return None


def need_secret(name: str, *, where: str, remedy: str = "") -> Secret:
    """As ``find_secret``. Raises CredentialMissing."""
    secret = find_secret(name)
    if secret is None:
        raise CredentialMissing(
            f"the secret {name} is not set",
            where=where,
            remedy=f"Set the environment variable {name}, or, where PREFECT_API_URL is set, make a Prefect "
            f"Secret block named {block_name(name)}; never write it into painpoints.toml. {remedy}".strip(),
        )
    return secret


def block_name(name: str) -> str:
    """The name of a Secret block, in which Prefect allows small letters, digits and dashes."""
    return name.lower().replace("_", "-")
