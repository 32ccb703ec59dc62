#!/usr/bin/env python3
"""libpq 18 for the wheels: older ones cannot be told to keep passwords from hostile servers.

    bindings/python/libpq.py [FOLDER]

The source comes with a package for Rust, pq-src, so cargo must be there, beside gcc and OpenSSL's
headers. The library has TLS, but neither Kerberos nor LDAP, whose sources are not in the package.
Folders for sockets and settings are Debian's.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
CRATE = "0.3.14+libpq-18.6"
VERSION = (18, 6)
FOLDERS = {
    "src/include/pg_config_manual.h": {'DEFAULT_PGSOCKET_DIR  "/tmp"': '"/var/run/postgresql"'},
    "pg_config_paths.h": {'SYSCONFDIR "/usr/local/pgsql/etc"': '"/etc/postgresql-common"'},
}
PUBLIC = (
    "PQ*; pq*; lo_*; pgresStatus; pg_char_to_encoding; pg_encoding_to_char; "
    "pg_valid_server_encoding; pg_valid_server_encoding_id; pg_utf_mblen; appendPQExpBuffer*; "
    "appendBinaryPQExpBuffer; createPQExpBuffer; destroyPQExpBuffer; enlargePQExpBuffer; "
    "initPQExpBuffer; printfPQExpBuffer; resetPQExpBuffer; termPQExpBuffer;"
)


def run(*command: str | Path, cwd: Path | None = None) -> None:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


def fetch(work: Path) -> Path:
    """The package, unpacked by cargo."""
    (work / "src").mkdir(parents=True)
    (work / "src/lib.rs").touch()
    wanted = f'[dependencies]\npq-src = "={CRATE.split("+")[0]}"\n[workspace]\n'
    (work / "Cargo.toml").write_text(f'[package]\nname = "sources"\nversion = "0.0.0"\n{wanted}')
    run("cargo", "vendor", "-q", "vendor", cwd=work)
    return work / "vendor/pq-src"


def use_debians_folders(crate: Path) -> None:
    for name, changes in FOLDERS.items():
        path = crate / ("source" if "/" in name else "additional_include") / name
        text = path.read_text()
        for old, new in changes.items():
            found = re.search(re.escape(old).replace(r"\ ", r"\s+"), text)
            if not found:
                sys.exit(f"{path} does not say {old}")
            text = text.replace(found[0], f"{old.split()[0]} {new}")
        path.write_text(text)


def sources(crate: Path) -> list[Path]:
    """Those that the package's own build names for this system."""
    build = (crate / "build.rs").read_text()
    folders = {"LIBPORTS": "port", "LIBCOMMON": "common", "LIBPQ": "interfaces/libpq"}
    found = []
    for name in (
        "LIBPORTS_BASE",
        "LIBPORTS_LINUX",
        "LIBCOMMON_BASE",
        "LIBCOMMON_OPENSSL",
        "LIBPQ_BASE",
        "LIBPQ_OPENSSL",
    ):
        listed = re.search(rf"const {name}: &\[&str\] = &\[(.*?)\];", build, re.DOTALL)
        if not listed:
            sys.exit(f"{crate}/build.rs has no {name}")
        folder = crate / "source/src" / folders[name.partition("_")[0]]
        found += [folder / file for file in re.findall(r'"([^"]+)"', listed[1])]
    return found


def compile_all(crate: Path, objects: Path) -> list[Path]:
    include = crate / "source/src/include"
    major, minor = VERSION
    defines = {
        "FRONTEND": 1,
        "_GNU_SOURCE": 1,
        "USE_OPENSSL": 1,
        "HAVE_STRCHRNUL": 1,
        "HAVE_STRSIGNAL": 1,
        "PG_VERSION": f'"{major}.{minor}"',
        "PG_VERSION_NUM": major * 10000 + minor,
        "PG_VERSION_STR": f'"PostgreSQL {major}.{minor}"',
        "PG_MAJORVERSION": f'"{major}"',
        "PG_MAJORVERSION_NUM": major,
        "PG_MINORVERSION_NUM": minor,
    }
    options = [f"-D{name}={value}" for name, value in defines.items()]
    folders = (crate / "source/src/port", include, crate / "additional_include", objects)
    options += [f"-I{folder}" for folder in folders]
    objects.mkdir()
    shutil.copy(include / "port/linux.h", objects / "pg_config_os.h")

    def compile_one(source: Path) -> Path:
        out = objects / f"{source.parent.name}-{source.stem}.o"
        run("gcc", "-c", "-O2", "-g", "-fPIC", "-w", *options, source, "-o", out)
        return out

    with ThreadPoolExecutor() as threads:
        return list(threads.map(compile_one, sources(crate)))


def install(crate: Path, objects: list[Path], prefix: Path) -> None:
    for name in ("lib/pkgconfig", "include"):
        (prefix / name).mkdir(parents=True)
    exports = objects[0].parent / "exports.map"
    exports.write_text(f"{{ global: {PUBLIC} local: *; }};\n")
    library = prefix / f"lib/libpq.so.5.{VERSION[0]}"
    rest = objects[0].with_name("rest.a")  # of which not all is needed, or complete
    run("ar", "rcs", rest, *(path for path in objects if not path.name.startswith("libpq-")))
    run(
        *("gcc", "-shared", "-s", "-Wl,-soname,libpq.so.5", "-Wl,-z,now,-z,relro,-z,defs"),
        f"-Wl,--version-script={exports}",
        *(path for path in objects if path.name.startswith("libpq-")),
        *(rest, "-lssl", "-lcrypto", "-lm", "-o", library),
    )
    for link in ("libpq.so.5", "libpq.so"):
        (prefix / "lib" / link).symlink_to(library.name)
    libpq = crate / "source/src/interfaces/libpq"
    headers = (libpq / "libpq-fe.h", libpq / "libpq-events.h")
    others = (
        crate / "source/src/include/postgres_ext.h",
        crate / "additional_include/pg_config_ext.h",
    )
    for header in (*headers, *others):
        shutil.copy(header, prefix / "include")
    (prefix / "lib/pkgconfig/libpq.pc").write_text(
        f"prefix={prefix}\nName: libpq\nDescription: PostgreSQL libpq\n"
        f"Version: {VERSION[0]}.{VERSION[1]}\n"
        "Cflags: -I${prefix}/include\nLibs: -L${prefix}/lib -lpq\n"
    )


def build(prefix: Path = TOP / "build/libpq-18") -> Path:
    """Build and install it, unless it is there."""
    if (prefix / "lib/pkgconfig/libpq.pc").exists():
        return prefix
    shutil.rmtree(prefix, ignore_errors=True)
    work = prefix.with_name(f"{prefix.name}-work")
    shutil.rmtree(work, ignore_errors=True)
    crate = fetch(work)
    use_debians_folders(crate)
    install(crate, compile_all(crate, work / "objects"), prefix)
    shutil.rmtree(work)
    return prefix


if __name__ == "__main__":
    print(build(*map(Path, sys.argv[1:2])))
