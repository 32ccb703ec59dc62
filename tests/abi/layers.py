"""The folders of core, and which of them each may use: what CONTRIBUTING's picture shows."""

# What a folder may include and call, itself and base aside. `abi` may use all of them.
ALLOWED = {
    "base": set(),
    "sql": set(),
    "metrics": set(),
    "resilience": set(),
    "topology": set(),
    "loop": set(),
    "call": {"sql", "metrics", "resilience"},
    "driver": {"loop", "call", "sql", "metrics", "resilience", "topology"},
    "drivers": {"loop", "call", "sql", "driver", "topology"},
    "arrow": {"driver"},
    "pool": {"loop", "call", "sql", "driver", "metrics", "resilience", "topology"},
    "cluster": {"loop", "call", "driver", "pool", "topology"},
    "entity": {"loop", "call", "sql", "driver", "pool", "resilience"},
}


def may_use(folder: str, other: str) -> bool:
    """Whether what is in one folder of core may include or call what is in another."""
    return other in {folder, "base"} or other in ALLOWED[folder]
