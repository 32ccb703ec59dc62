"""Write the first inputs of fuzz_topology into a folder: the cases of tests/topology.

seed_topology.py FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Any

CASES = Path(__file__).resolve().parents[1] / "topology"
KINDS = ("token", "lsn", "gtid", "gtid_set", "galera")


def inputs() -> list[bytes]:
    positions: dict[str, Any] = json.loads((CASES / "positions.json").read_text())
    sessions: dict[str, Any] = json.loads((CASES / "sessions.json").read_text())
    texts = [(case["kind"], case["text"]) for case in positions["parse"]]
    texts += [(c["a"][0], f"{c['a'][1]}|{c['b'][1]}") for c in positions["merge"]]
    texts += [("token", case["token"]) for case in sessions["tokens"]]
    return [bytes([KINDS.index(kind)]) + text.encode() for kind, text in texts if kind in KINDS]


folder = Path(sys.argv[1])
for number, data in enumerate(inputs()):
    (folder / f"case-{number}").write_bytes(data)
