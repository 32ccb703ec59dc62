"""Lua beside LuaSQL, and beside millpond's own figure in Python."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import measure
from peers import SELECT_ONE

WORKLOADS = ("1 coroutine", "10 coroutines", "blocking")


def rates(kind: str, address: dict[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Rates a second by workload and peer; LUA_PATH and LUA_CPATH lead to the module."""
    command = [
        *("lua5.4", "tests/bench/bench.lua", kind, json.dumps(address)),
        *(SELECT_ONE.format("?"), str(measure.ROUNDS), str(measure.ROUND_SECONDS)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, dict[str, list[float]]] = json.loads(done.stdout)
    return found
