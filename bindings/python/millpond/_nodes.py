"""Settings of databases of several nodes: lists of nodes, and how fresh reads are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from . import _native
from .exceptions import ArgumentError

#: How fresh the answers of reads are: ``"strong"``: the primary's. ``"session"``: they show all
#: that the session wrote and read. A number: at most so many seconds old. ``"eventual"``: any
#: healthy replica's.
Consistency = Literal["strong", "session", "eventual"] | float

_NAMES = ("strong", "session", "eventual")
_KEYS = ("host", "port", "region", "weight")
_SPREAD = ("host", "port", "node_regions", "node_weights")


class _NodeHost(TypedDict):
    host: str


class Node(_NodeHost, total=False):
    """One node of a database."""

    port: int | None
    region: str | None
    weight: float | None


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def check_consistency(value: object) -> Consistency:
    """The value itself; a number also of its text, as URLs have it."""
    if isinstance(value, str) and value in _NAMES:
        return value  # type: ignore[return-value]
    number = _number(value)
    if number > 0:
        return number
    raise ArgumentError(
        'consistency must be "strong", "session", "eventual" or a positive number of seconds, '
        f"not {_short(value)}"
    )


def _number(value: object) -> float:
    """A finite number, also of its text; -1 for what is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return -1.0
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return -1.0
    return number if math.isfinite(number) else -1.0


# ---- Nodes -------------------------------------------------------------------------------


def _of_url(text: str, where: str) -> dict[str, Any]:
    """``db1``, ``db1:5432`` or ``postgres://db1:5432?region=eu&weight=2``."""
    try:
        found = _native.parse_url(text if "://" in text else f"node://{text}")
    except ArgumentError as error:
        raise ArgumentError(f"{where}: {error}") from None
    del found["driver"]
    return {**found}


def _host(value: object, where: str) -> str:
    if not isinstance(value, str) or not value or "," in value:
        raise ArgumentError(f"{where}: host must be the name or address of one server")
    return value


def _port(value: object, where: str) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:8])
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise ArgumentError(f"{where}: port must be an int from 1 to 65535, not {_short(value)}")
    return value


def _region(value: object, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or "," in value or not value.isprintable():
        raise ArgumentError(f"{where}: region must be a name without commas, not {_short(value)}")
    return value


def _weight(value: object, where: str) -> float:
    if value is None:
        return 1.0
    number = _number(value)
    if number <= 0:
        raise ArgumentError(f"{where}: weight must be a positive number, not {_short(value)}")
    return number


class _Checked:
    """A node whose parts are as they should be."""

    def __init__(self, given: object, where: str) -> None:
        if isinstance(given, str):
            given = _of_url(given, where)
        if not isinstance(given, Mapping):
            raise ArgumentError(f"{where} must be a dict or a URL, not {type(given).__name__}")
        unknown = ", ".join(str(key) for key in given if key not in _KEYS)
        if unknown:
            raise ArgumentError(
                f"{where} has {unknown}, but a node has only host, port, region and weight: the "
                "rest is of the database"
            )
        self.host = _host(given.get("host"), where)
        self.port = _port(given.get("port"), where)
        self.region = _region(given.get("region"), where)
        self.weight = _weight(given.get("weight"), where)


def _ports(nodes: Sequence[_Checked], default: int | None) -> int | str | None:
    """One port for all, or a list."""
    if all(node.port is None for node in nodes):
        return None
    ports = [node.port or default for node in nodes]
    if None in ports:
        raise ArgumentError("nodes: give each node its port, or none of them")
    return ports[0] if len(set(ports)) == 1 else ",".join(map(str, ports))


def _expand(nodes: object, default_port: int | None) -> dict[str, Any]:
    """The settings that a list of nodes stands for.

    Args:
        default_port: of a node that names none; None where it is not known.
    """
    if isinstance(nodes, (str, Mapping)) or not isinstance(nodes, Iterable):
        raise ArgumentError("nodes must be a list of dicts or URLs, one for each node")
    checked = [_Checked(given, f"nodes[{number}]") for number, given in enumerate(nodes)]
    if not checked:
        raise ArgumentError("nodes is empty: name at least one node")
    settings: dict[str, Any] = {
        "host": ",".join(node.host for node in checked),
        "port": _ports(checked, default_port),
    }
    if any(node.region for node in checked):
        settings["node_regions"] = ",".join(node.region for node in checked)
    if any(node.weight != 1 for node in checked):
        settings["node_weights"] = ",".join(f"{node.weight:g}" for node in checked)
    return settings


def spread_nodes(settings: dict[str, Any], kind: str) -> None:
    """Put host, port, node_regions and node_weights in place of ``nodes``.

    Args:
        kind: of database; "" where that is not known.

    Raises:
        ArgumentError: a node is wrong, and the message says which; or they are given twice.
    """
    nodes = settings.pop("nodes")
    given = [name for name in _SPREAD if settings.get(name) is not None]
    if given:
        raise ArgumentError(
            f"nodes= names the hosts with their ports, regions and weights: leave out "
            f"{', '.join(given)}, in the URL, too"
        )
    port = _native.driver_fact(kind, "port")
    settings.update(_expand(nodes, int(port) if port else None))


__all__ = ["Consistency", "Node", "check_consistency", "spread_nodes"]
