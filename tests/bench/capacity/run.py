"""How many requests a second 1 and 5 application processes serve with 20 connections each, and what
the scaling signal says when there are more.

One PostgreSQL of our own, queries of 100 ms. Writes build/bench/capacity.csv, capacity.md and
capacity.png; fails if less than 95 % of the theoretical rate is served with no acquire timeout, or
if the signal does not go through all of its bands.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
import postgres_server

OUT = Path("build/bench")
PROCESSES = (1, 5)
CONNECTIONS = 20
QUERY_SECONDS = 0.1
ACQUIRE_SECONDS = 0.5
LEAD_SECONDS = 2.0
SECONDS = 8.0
FLOOR = 0.95
# Offered loads, as shares of the theoretical rate.
SEARCH = (0.80, 0.90, 0.95, 0.97, 0.98, 0.99, 1.0)
# Shares of requests that shall time out, step by step. What is served depends a little on what else
# the machine does, so each step has a few tries to come into its band.
TARGETS = (0.0, 0.003, 0.006, 0.015, 0.03, 0.045, 0.07, 0.15)
TRIES = 4
LEVELS = ("NORMAL", "MILD", "HIGH", "CRITICAL")
BANDS = (0.001, 0.01, 0.05)


class Applications:
    """So many processes, which share a load evenly."""

    def __init__(self, count: int, address: dict[str, Any]) -> None:
        settings = {
            **{name: address[name] for name in ("database", "port", "user")},
            "host": address["socket"],
            "pool_min_size": CONNECTIONS,
            "pool_max_size": CONNECTIONS,
            "connection_acquisition_timeout": ACQUIRE_SECONDS,
            "scaling_window": SECONDS,
            "query_seconds": QUERY_SECONDS,
        }
        command = [sys.executable, str(Path(__file__).with_name("worker.py"))]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(count)
        ]
        self._tell([settings] * count)
        self._hear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def _tell(self, messages: list[dict[str, Any]]) -> None:
        for process, message in zip(self._processes, messages, strict=True):
            assert process.stdin
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()

    def _hear(self) -> list[dict[str, Any]]:
        answers = []
        for process in self._processes:
            assert process.stdout
            line = process.stdout.readline()
            if not line:
                sys.exit("an application process ended")
            answers.append(json.loads(line))
        return answers

    def load(self, rate: float, backlog: bool, drain: bool) -> dict[str, Any]:
        """Offer `rate` requests a second to all together. A `backlog` fills their queues first, so
        that an overload shows at once and not only when they have grown by themselves."""
        count = len(self._processes)
        each = rate / count
        fill = int(each * ACQUIRE_SECONDS) if backlog else 0
        at = time.monotonic() + 0.3
        self._tell(
            [
                {
                    "at": at + index / rate,  # their arrivals alternate
                    "rate": each,
                    "backlog": fill,
                    "lead": LEAD_SECONDS,
                    "seconds": SECONDS,
                    "drain": drain,
                }
                for index in range(count)
            ]
        )
        answers = self._hear()
        served = sum(answer["served"] for answer in answers)
        timeouts = sum(answer["timeouts"] for answer in answers)
        signals = [answer["signal"] for answer in answers]
        seen = sum(signal["attempts"] for signal in signals)
        return {
            "processes": count,
            "offered_per_s": round(rate, 1),
            "served_per_s": round(served / SECONDS, 1),
            "timeouts": timeouts,
            "timeout_percent": round(100 * timeouts / max(1, served + timeouts), 3),
            "signal_percent": round(
                100 * sum(signal["timeouts"] for signal in signals) / max(1, seen), 3
            ),
            "wait_p95_ms": round(1000 * max(answer["wait_p95"] for answer in answers), 1),
            "utilization": round(sum(s["utilization"] for s in signals) / count, 3),
            "levels": " ".join(LEVELS[signal["level"]] for signal in signals),
            "action": max(signals, key=lambda s: s["level"])["suggested_action"],
            "cause": max(signals, key=lambda s: s["level"])["cause"],
        }


def level_of(percent: float) -> str:
    return LEVELS[sum(percent / 100 >= end for end in BANDS)]


def show(row: dict[str, Any]) -> dict[str, Any]:
    print(
        f"{row['processes']:>9} {row['offered_per_s']:>10,.1f} {row['served_per_s']:>10,.1f}"
        f" {row['timeouts']:>9,} {row['timeout_percent']:>8.3f} {row['signal_percent']:>8.3f}"
        f" {row['wait_p95_ms']:>8.1f} {row['utilization']:>5.2f}  {row['levels']}",
        flush=True,
    )
    return row


def measure(count: int, address: dict[str, Any]) -> tuple[float, list[dict[str, Any]]]:
    """The requests a second served with no timeout, and all rows."""
    theoretical = count * CONNECTIONS / QUERY_SECONDS
    rows = []
    capacity = 0.0
    with Applications(count, address) as applications:
        for share in SEARCH:
            row = show(applications.load(share * theoretical, backlog=False, drain=True))
            rows.append({"phase": "search", **row})
            if row["timeouts"] == 0:
                capacity = max(capacity, row["served_per_s"])
        full = show(applications.load(1.3 * theoretical, backlog=True, drain=True))
        rows.append({"phase": "all connections busy", **full})
        rows += overload(applications, full["served_per_s"])
    return capacity, rows


def overload(applications: Applications, limit: float) -> list[dict[str, Any]]:
    """One row for each target and try. `limit` is how much can be served, as known so far."""
    rows = []
    for target in TARGETS:
        for _ in range(TRIES):
            offered = limit / (1 - target) if target else 0.97 * limit
            row = show(applications.load(offered, backlog=target > 0, drain=True))
            rows.append({"phase": "overload", **row})
            if level_of(row["signal_percent"]) == level_of(100 * target):
                break
            limit = row["served_per_s"] if row["timeouts"] else 1.004 * limit
    return sorted(rows, key=lambda row: float(row["offered_per_s"]))


# ---- Output --------------------------------------------------------------------------------


def write(rows: list[dict[str, Any]], capacities: dict[int, float]) -> None:
    with open(OUT / "capacity.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    lines = [
        "| processes | connections | theoretical requests/s | served with no timeout | share |",
        "|---|---|---|---|---|",
    ]
    for count, capacity in capacities.items():
        theoretical = count * CONNECTIONS / QUERY_SECONDS
        lines.append(
            f"| {count} | {count * CONNECTIONS} | {theoretical:,.0f} | {capacity:,.1f} "
            f"| {100 * capacity / theoretical:.1f} % |"
        )
    lines += [
        "",
        "| processes | offered/s | served/s | timeouts | rate | signal | suggested action |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row["phase"] == "overload":
            lines.append(
                f"| {row['processes']} | {row['offered_per_s']} | {row['served_per_s']} "
                f"| {row['timeouts']} | {row['timeout_percent']} % "
                f"| {level_of(row['signal_percent'])} | {row['action']} |"
            )
    (OUT / "capacity.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def draw(rows: list[dict[str, Any]], capacities: dict[int, float]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(PROCESSES), figsize=(12, 4.5), sharey=True)
    colours = dict(zip(LEVELS, ("#2c7a7b", "#b7950b", "#d35400", "#c0392b"), strict=True))
    for axis, count in zip(axes, PROCESSES, strict=True):
        shown = [r for r in rows if r["processes"] == count and r["phase"] == "overload"]
        offered = [row["offered_per_s"] for row in shown]
        percents = [max(row["timeout_percent"], 0.01) for row in shown]
        axis.plot(offered, percents, color="grey", linewidth=0.8)
        for level, colour in colours.items():
            points = [
                (x, y)
                for x, y, row in zip(offered, percents, shown, strict=True)
                if level_of(row["signal_percent"]) == level
            ]
            axis.scatter(*zip(*points, strict=True), color=colour, label=level) if points else None
        for end in BANDS:
            axis.axhline(100 * end, color="black", linewidth=0.6, linestyle=":")
        axis.axvline(capacities[count], color="grey", linewidth=0.6)
        axis.set_yscale("log")
        axis.set_xlabel("requests offered a second")
        axis.set_title(f"{count} process{'es' * (count > 1)} x {CONNECTIONS} connections")
    axes[0].set_ylabel("acquires that time out, %")
    axes[0].legend(title="signal")
    figure.tight_layout()
    figure.savefig(OUT / "capacity.png", dpi=110)


def judge(rows: list[dict[str, Any]], capacities: dict[int, float]) -> list[str]:
    """What is not as it should be."""
    wrong = []
    for count, capacity in capacities.items():
        floor = FLOOR * count * CONNECTIONS / QUERY_SECONDS
        if capacity < floor:
            wrong.append(f"{count} processes served {capacity:,.1f} a second, not {floor:,.0f}")
        mine = [r for r in rows if r["processes"] == count and r["phase"] == "overload"]
        seen = {level for row in mine for level in row["levels"].split()}
        if seen != set(LEVELS):
            wrong.append(f"{count} processes: the signal was only {', '.join(sorted(seen))}")
        for row in mine:  # what the requests saw, and what the pools counted
            if abs(row["timeout_percent"] - row["signal_percent"]) > 1:
                wrong.append(f"the signal is off: {row}")
    return wrong


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    print(
        f"{'processes':>9} {'offered/s':>10} {'served/s':>10} {'timeouts':>9} {'rate %':>8}"
        f" {'signal %':>8} {'wait95':>8} {'used':>5}  levels"
    )
    rows: list[dict[str, Any]] = []
    capacities: dict[int, float] = {}
    with postgres_server.server(max_connections="120") as address:
        for count in PROCESSES:
            capacities[count], more = measure(count, address)
            rows += more
    write(rows, capacities)
    draw(rows, capacities)
    print((OUT / "capacity.md").read_text(encoding="utf-8"))
    print(f"written: {OUT}/capacity.csv, capacity.md and capacity.png")
    if wrong := judge(rows, capacities):
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
