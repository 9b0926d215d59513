"""What tools send in the place of an id: one list, for the ids of people and of devices."""

from __future__ import annotations

# in lower case, without spaces around; whoever carries one of them is nobody
PLACEHOLDER_IDS = (
    "", "0", "-1", "1", "null", "none", "nil", "nan", "undefined", "unknown", "anonymous", "guest",
    "(not set)", "not set", "n/a", "na", "test", "false", "true", "[object object]",
    "00000000-0000-0000-0000-000000000000",
)  # fmt: skip
