"""Certificates for test servers: each server signs its own, for the name localhost."""

import os
import subprocess


def make(folder: str) -> dict[str, str]:
    """Make an authority and a server's certificate; returns the paths of ca, cert and key.

    They belong to the owner of the folder.
    """
    paths = {name: f"{folder}/{name}.pem" for name in ("ca", "ca_key", "cert", "key")}
    new = ["-newkey", "rsa:2048", "-nodes", "-days", "2"]  # MySQL 8.0.15 takes no other kind
    authority = ["-subj", "/CN=millpond test authority", "-keyout", paths["ca_key"]]
    server = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    signed = ["-CA", paths["ca"], "-CAkey", paths["ca_key"], "-keyout", paths["key"]]
    for options in (
        [*new, *authority, "-out", paths["ca"]],
        [*new, *server, *signed, "-out", paths["cert"]],
    ):
        subprocess.run(["openssl", "req", "-x509", *options], check=True, capture_output=True)
    owner = os.stat(folder)
    for path in paths.values():
        os.chown(path, owner.st_uid, owner.st_gid)
        os.chmod(path, 0o600 if path.endswith("key.pem") else 0o644)
    return paths
