"""NULL, or a count that was never set, from a language without types is an error, never a crash."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from headers import HEADERS, ROOT, functions

pytestmark = pytest.mark.slow

LIBRARY = ROOT / "build" / "release" / "abi" / "libmillpond.so"
EINVAL, EPARAMS, ERANGE, EDATA = -2, -8, -9, -23
REFUSALS = (EINVAL, EPARAMS, ERANGE, EDATA)

# Which NULLs are not refused: a parameter, or that of one function.
TAKEN = {
    *("err", "user_data", "data", "options", "op", "tag", "owner"),
    "pond_breaker_allow ticket",
    "pond_breaker_list out",
    "pond_config_set value",
    "pond_config_set_data release",
    *(
        f"pond_connection_{verb}_wait out"
        for verb in ("execute", "execute_many", "stream", "fetch")
    ),
    "pond_loop_set_wake wake",
    "pond_loop_start_thread completed",
    "pond_metrics_take pool",
    "pond_plan_feed_error message",
    "pond_plan_feed_error sqlstate",
    "pond_plan_history_between id",
    "pond_pool_list out",
    "pond_pool_leases out",
    *(f"pond_error_make {text}" for text in ("sqlstate", "message")),
    *(f"pond_pool_{verb} loop" for verb in ("acquire", "acquire_wait", "check", "close")),
    "pond_pool_try_acquire loop",
    *(f"pond_pool_{verb}_with loop" for verb in ("acquire", "try_acquire")),
    "pond_pool_acquire_with_wait loop",
    "pond_result_of_host object",
    "pond_result_of_host release",
    "pond_retry_next policy",
    "pond_session_new token",
    "pond_statement_cache_put value",
}
# But these are.
REFUSED = {"pond_op_wait op", "pond_result_text data"}

# What functions without an error answer to NULL, but for 0 and NULL.
ANSWERS: dict[str, Any] = {
    **dict.fromkeys(["pond_date_to_days", "pond_date_from_days"], EINVAL),
    **dict.fromkeys(["pond_op_status", "pond_plan_status"], EINVAL),
    **dict.fromkeys(["pond_loop_fd", "pond_loop_timeout_ms", "pond_result_affected"], -1),
    "pond_pool_is_closed": 1,
    "pond_connection_node": -1,
    **{f"pond_error_{name}": "" for name in ("message", "sqlstate", "detail", "hint")},
    "pond_error_constraint": "",
    "pond_error_row": -1,
    "pond_error_setting": "",
    **{f"pond_log_{name}": "" for name in ("area", "message")},
    **dict.fromkeys(["pond_breaker_name", "pond_plan_call", "pond_result_column_type"], ""),
}


def calls(which: str) -> dict[str, dict[str, Any]]:
    """What each call of nulls.py answered; a crash is an answer, too."""
    program = [sys.executable, str(Path(__file__).with_name("nulls.py")), str(LIBRARY), which]
    found: dict[str, dict[str, Any]] = {}
    while True:
        done = subprocess.run(
            [*program, str(len(found))], capture_output=True, text=True, timeout=120
        )
        lines = done.stdout.splitlines()
        for name, answer in zip(lines[::2], lines[1::2], strict=False):
            found[name.strip()] = json.loads(answer)
        if done.returncode == 0:
            return found
        assert len(lines) % 2, done.stderr
        found[lines[-1].strip()] = {
            "got": f"ended by signal {-done.returncode}",
            "message": "",
            "left": [],
        }


@pytest.fixture(scope="module")
def nulls() -> dict[str, dict[str, Any]]:
    return calls("null")


@pytest.fixture(scope="module")
def counts() -> dict[str, dict[str, Any]]:
    return calls("count")


@pytest.fixture(scope="module")
def inside() -> dict[str, dict[str, Any]]:
    return calls("inside")


@pytest.fixture(scope="module")
def smaller() -> dict[str, dict[str, Any]]:
    return calls("smaller")


def has_error(name: str) -> bool:
    return any(kind == "pond_error **" for kind, _ in FUNCTIONS[name].parameters)


FUNCTIONS = {function.name: function for function in functions()}
POINTERS = [
    f"{function.name} {name}"
    for function in FUNCTIONS.values()
    for kind, name in function.parameters
    if kind.endswith("*")
]


def is_taken(call: str) -> bool:
    return call not in REFUSED and (call in TAKEN or call.split()[1] in TAKEN)


def test_every_pointer_of_every_function_was_null_once(nulls: dict[str, dict[str, Any]]) -> None:
    assert list(nulls) == POINTERS
    assert len(POINTERS) > 400


def test_no_null_ends_the_program(nulls: dict[str, dict[str, Any]]) -> None:
    assert [name for name, at in nulls.items() if "signal" in str(at["got"])] == []


def test_a_null_is_refused_by_its_name(nulls: dict[str, dict[str, Any]]) -> None:
    wrong = {}
    for call, at in nulls.items():
        function, name = call.split()
        if not has_error(function) or is_taken(call):
            continue
        if at["got"] != EINVAL or f"{name} is NULL" not in at["message"]:
            wrong[call] = at
    assert wrong == {}


def test_what_may_be_null_is_not_refused_for_it(nulls: dict[str, dict[str, Any]]) -> None:
    taken = {call: at for call, at in nulls.items() if is_taken(call)}
    assert {call: at for call, at in taken.items() if "is NULL" in at["message"]} == {}


def test_functions_without_an_error_have_an_answer_to_null(
    nulls: dict[str, dict[str, Any]],
) -> None:
    wrong = {}
    for call, at in nulls.items():
        function = call.split()[0]
        if has_error(function) or call in TAKEN:
            continue
        if at["got"] not in (ANSWERS.get(function), ANSWERS.get(function, 0)):
            wrong[call] = at["got"]
    assert wrong == {}


def test_outputs_hold_nothing_after_a_null(nulls: dict[str, dict[str, Any]]) -> None:
    left = {call: at["left"] for call, at in nulls.items() if at["got"] == EINVAL and at["left"]}
    assert left == {}


def check_refused(calls: dict[str, dict[str, Any]]) -> None:
    wrong = {}
    for call, at in calls.items():
        if has_error(call.split()[0]):
            refused = at["got"] in REFUSALS and "NULL" not in at["message"]
        else:
            refused = not at["got"]
        if not refused:
            wrong[call] = at
    assert wrong == {}


def test_a_count_that_was_never_set_is_refused(counts: dict[str, dict[str, Any]]) -> None:
    assert len(counts) > 20
    check_refused(counts)


def test_more_parameters_than_placeholders_are_refused_before_they_are_read(
    smaller: dict[str, dict[str, Any]],
) -> None:
    assert len(smaller) > 5
    check_refused(smaller)


def test_structs_that_point_to_nothing_are_refused(inside: dict[str, dict[str, Any]]) -> None:
    assert len(inside) > 50
    assert {call: at for call, at in inside.items() if at["got"] not in REFUSALS} == {}


def test_the_conventions_say_what_null_gives() -> None:
    header = next(path for path in HEADERS if path.name == "millpond.h").read_text()
    assert "* NULL. " in header
