"""The public headers compile by themselves, as strict C99 and as C++, with the promised layouts."""

import subprocess
from pathlib import Path

import pytest
from headers import HEADERS, INCLUDE

STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic-errors", "-fsyntax-only", f"-I{INCLUDE}"]

LAYOUT = """
#include <millpond/millpond.h>
#include <assert.h>
#define AT(type, member, at) static_assert(offsetof(type, member) == (at), #type "." #member)
static_assert(sizeof(pond_value) == 24, "pond_value");
AT(pond_value, aux, 4);
AT(pond_value, as, 8);
static_assert(sizeof(pond_tag) == 16, "pond_tag");
static_assert(sizeof(pond_execute_options) == 32, "pond_execute_options");
AT(pond_execute_options, flags, 4);
AT(pond_execute_options, timeout_ms, 8);
AT(pond_execute_options, tags, 16);
AT(pond_execute_options, tag_count, 24);
static_assert(sizeof(pond_pool_status) == 112, "pond_pool_status");
AT(pond_pool_status, closed, 28);
AT(pond_pool_status, acquired, 32);
AT(pond_pool_status, statement_evictions, 104);
static_assert(sizeof(pond_breaker_options) == 32, "pond_breaker_options");
AT(pond_breaker_options, flags, 12);
AT(pond_breaker_options, window_size_us, 24);
static_assert(sizeof(pond_breaker_status) == 48, "pond_breaker_status");
AT(pond_breaker_status, retry_after_us, 16);
AT(pond_breaker_status, opened, 40);
static_assert(sizeof(pond_retry_policy) == 32, "pond_retry_policy");
AT(pond_retry_policy, base_delay_us, 8);
AT(pond_retry_policy, total_timeout_us, 24);
static_assert(sizeof(pond_statement_cache_options) == 40, "pond_statement_cache_options");
AT(pond_statement_cache_options, capacity, 8);
AT(pond_statement_cache_options, release, 32);
static_assert(sizeof(pond_statement_cache_status) == 56, "pond_statement_cache_status");
AT(pond_statement_cache_status, evictions, 48);
static_assert(POND_ECIRCUITOPEN == -35, "numbers of errors");
static_assert(POND_EUNDEFINED == -34 && POND_ENOMEM == -1, "numbers of errors");
static_assert(POND_TYPE_ARRAY == 14 && POND_TYPE_NULL == 0, "numbers of types");
"""


def compiles(compiler: list[str], source: str, folder: Path, suffix: str) -> tuple[bool, str]:
    path = folder / f"test{suffix}"
    path.write_text(source)
    done = subprocess.run([*compiler, *STRICT, str(path)], capture_output=True, text=True)
    return done.returncode == 0, done.stderr


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
@pytest.mark.parametrize("compiler", [("gcc", "-std=c99", ".c"), ("g++", "-std=c++11", ".cpp")])
def test_a_header_compiles_alone(
    header: Path, compiler: tuple[str, str, str], tmp_path: Path
) -> None:
    program, standard, suffix = compiler
    source = f"#include <millpond/{header.name}>\n" * 2 + "extern int used;\n"
    right, said = compiles([program, standard], source, tmp_path, suffix)
    assert right, said


def test_structs_have_the_layouts_that_were_promised(tmp_path: Path) -> None:
    right, said = compiles(["gcc", "-std=c11"], LAYOUT, tmp_path, ".c")
    assert right, said


def test_the_layout_check_would_notice_a_change(tmp_path: Path) -> None:
    changed = LAYOUT.replace("sizeof(pond_value) == 24", "sizeof(pond_value) == 32")
    right, _ = compiles(["gcc", "-std=c11"], changed, tmp_path, ".c")
    assert not right
