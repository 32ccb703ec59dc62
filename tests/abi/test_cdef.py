"""What LuaJIT's FFI is told is what the headers declare."""

import shutil
import subprocess
from pathlib import Path

import pytest
import update_cdef
from headers import INCLUDE, ROOT, declared, structs


def test_the_declarations_are_those_of_the_headers() -> None:
    assert update_cdef.CDEF.read_text() == update_cdef.written(), "run tests/abi/update_cdef.py"


def test_a_change_of_a_header_is_noticed(tmp_path: Path) -> None:
    include = tmp_path / "include"
    shutil.copytree(INCLUDE, include)
    header = include / "millpond" / "types.h"
    header.write_text(header.read_text().replace("int32_t aux;", "int64_t aux;"))
    assert update_cdef.CDEF.read_text() != update_cdef.written(include)


def test_nothing_is_left_out_but_arrow() -> None:
    text = update_cdef.CDEF.read_text()
    missing = [name for name in declared() if f"{name}(" not in text]
    assert missing == ["pond_result_export_arrow"]


@pytest.mark.slow
def test_luajit_reads_them_and_lays_structs_out_as_c_does() -> None:
    layout = (ROOT / "abi" / "layout.c").read_text()
    sizes = [name for name in structs() if not name.startswith("Arrow")]
    lines = ['package.path = "bindings/luajit/?.lua;" .. package.path']
    lines += ["local ffi = require('ffi')", "require('resty.millpond.cdef')"]
    lines += [f"print('SIZE({name}, ' .. ffi.sizeof('{name}') .. ');')" for name in sizes]
    done = subprocess.run(
        ["luajit", "-e", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(sizes) > 10
    assert [line for line in done.stdout.splitlines() if line not in layout] == []
