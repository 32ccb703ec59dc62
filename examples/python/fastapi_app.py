"""A small web service: FastAPI, its lifespan, and one pool.

DATABASE_URL=postgres://localhost/shop uvicorn fastapi_app:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import millpond
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from millpond import metrics
from pydantic import BaseModel


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The pool lives as long as the application: nothing waits for the first request."""
    async with millpond.connect(os.environ.get("DATABASE_URL", "sqlite:///notes.db")) as db:
        app.state.db = db
        async with db.async_connection() as conn:  # fail now rather than at the first request
            await conn.execute("SELECT 1")
        yield


app = FastAPI(lifespan=lifespan)


async def connection(request: Request) -> AsyncIterator[millpond.AsyncConnection]:
    """One connection for one request."""
    async with request.app.state.db.async_connection() as conn:
        yield conn


Connection = Annotated[millpond.AsyncConnection, Depends(connection)]


class Note(BaseModel):
    text: str


@app.post("/notes", status_code=201)
async def add_note(note: Note, conn: Connection) -> dict[str, Any]:
    return dict(await conn.save_entity("note", note.model_dump()))


@app.get("/notes/{note_id}")
async def get_note(note_id: str, conn: Connection) -> dict[str, Any]:
    note = await conn.get_entity("note", note_id)
    if note is None:
        raise HTTPException(404, "there is no such note")
    return note


@app.get("/notes")
async def list_notes(conn: Connection, limit: int = 20) -> dict[str, Any]:
    notes = await conn.find_entities("note", order_by="created_at DESC", limit=limit)
    return {"notes": notes, "count": await conn.count_entities("note")}


@app.get("/health")
async def health(request: Request) -> dict[str, bool]:
    return {"healthy": await request.app.state.db.health_check()}


@app.get("/metrics")
async def prometheus() -> Response:
    return Response(metrics.prometheus(), media_type="text/plain; version=0.0.4")
