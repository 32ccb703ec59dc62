"""A WSGI application for gunicorn --preload: the pool is opened, and used, before the fork."""

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

import millpond

kind, settings = json.loads(os.environ["MILLPOND_TEST_PROGRAM"])
db = millpond.DatabaseFactory.create_database(kind, millpond.DatabaseConfig(**settings))
SESSION = {
    "postgres": "SELECT pg_backend_pid()",
    "mysql": "SELECT connection_id()",
    "sqlite": "SELECT 0",
}[kind]

kept = db.get_sync_connection()
parents = kept.fetch_value(SESSION)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    with db.sync_connection() as conn:
        conn.execute("INSERT INTO visits VALUES (1)")
        session = conn.fetch_value(SESSION)
    try:
        kept.execute("SELECT 1")
        refusal = ""
    except millpond.MisuseError as error:
        refusal = str(error)
    start_response("200 OK", [("Content-Type", "application/json")])
    answer = {"pid": os.getpid(), "session": session, "parents": parents, "refusal": refusal}
    return [json.dumps(answer).encode()]
