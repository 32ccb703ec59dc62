"""Peers that keep a history of rows: SQLAlchemy with Continuum, Django with simple-history; and
Tortoise, which keeps none.

Each has the same ten fields, and a fresh session for each call, as a web application would.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
from typing import Any

FIELDS = ("name", "note", "kind", "size", "total", "rate", "active", "day", "at", "code")


def row_of(i: int) -> dict[str, Any]:
    """One entity of ten fields."""
    return {
        "id": f"id{i:06}",
        "name": f"name {i}",
        "note": "n" * 30,
        "kind": f"kind {i % 7}",
        "size": i,
        "total": i * 1_000_003,
        "rate": i * 1.5,
        "active": i % 2 == 0,
        "day": datetime.date(2026, 1, 1 + i % 28),
        "at": datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=i),
        "code": f"{i:08x}",
    }


# ---- SQLAlchemy with Continuum -----------------------------------------------------------


@functools.cache
def _continuum_model() -> tuple[Any, Any]:
    """The declarative base and the model; Continuum can be set up once in a process."""
    import sqlalchemy as sa
    from sqlalchemy import orm
    from sqlalchemy_continuum import make_versioned

    make_versioned(user_cls=None)
    base = orm.declarative_base()
    columns: dict[str, Any] = {
        "name": sa.Text,
        "note": sa.Text,
        "kind": sa.Text,
        "size": sa.BigInteger,
        "total": sa.BigInteger,
        "rate": sa.Float,
        "active": sa.Boolean,
        "day": sa.Date,
        "at": sa.DateTime,
        "code": sa.Text,
    }
    members = {
        "__tablename__": "bench_continuum",
        "__versioned__": {},
        "id": sa.Column(sa.String(255), primary_key=True),
        **{name: sa.Column(kind) for name, kind in columns.items()},
    }
    thing = type("Thing", (base,), members)
    orm.configure_mappers()
    return base, thing


class Continuum:
    """SQLAlchemy 2, every change versioned by SQLAlchemy-Continuum."""

    def __init__(self, url: str) -> None:
        import sqlalchemy as sa
        from sqlalchemy import orm

        base, self.Thing = _continuum_model()
        self.sa, self.orm = sa, orm
        self.engine = sa.create_engine(url)
        base.metadata.drop_all(self.engine)
        base.metadata.create_all(self.engine)

    def save(self, row: dict[str, Any]) -> None:
        with self.orm.Session(self.engine) as session:
            session.merge(self.Thing(**row))
            session.commit()

    def save_many(self, rows: list[dict[str, Any]]) -> None:
        with self.orm.Session(self.engine) as session:
            known = {thing.id: thing for thing in session.scalars(self.sa.select(self.Thing))}
            for row in rows:
                thing = known.get(row["id"])
                if thing is None:
                    session.add(self.Thing(**row))
                    continue
                for name in FIELDS:
                    setattr(thing, name, row[name])
            session.commit()

    def find(self) -> int:
        with self.orm.Session(self.engine) as session:
            return len(session.scalars(self.sa.select(self.Thing)).all())

    def close(self) -> None:
        self.engine.dispose()


# ---- Django with simple-history ----------------------------------------------------------


class Django:
    """Django's ORM, every save recorded by django-simple-history."""

    def __init__(self, address: dict[str, Any]) -> None:
        import django
        from django.conf import settings

        settings.configure(
            DATABASES={
                "default": {
                    "ENGINE": "django.db.backends.postgresql",
                    "NAME": address["database"],
                    "HOST": address["host"],
                    "PORT": address["port"],
                    "USER": address["user"],
                    "PASSWORD": address["password"],
                }
            },
            INSTALLED_APPS=["simple_history"],
            USE_TZ=False,
            DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        )
        django.setup()
        from django.db import connection, models
        from simple_history.models import HistoricalRecords

        class BenchDjango(models.Model):
            id = models.CharField(max_length=255, primary_key=True)
            name = models.TextField()
            note = models.TextField()
            kind = models.TextField()
            size = models.BigIntegerField()
            total = models.BigIntegerField()
            rate = models.FloatField()
            active = models.BooleanField()
            day = models.DateField()
            at = models.DateTimeField()
            code = models.TextField()
            history = HistoricalRecords(history_user_id_field=models.TextField(null=True))

            class Meta:
                app_label = "simple_history"

        self.Thing = BenchDjango
        self.connection = connection
        tables = (self.Thing._meta.db_table, self.Thing.history.model._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {', '.join(tables)}")
        with connection.schema_editor() as editor:
            editor.create_model(self.Thing)
            editor.create_model(self.Thing.history.model)

    def save(self, row: dict[str, Any]) -> None:
        from django.db import transaction

        with transaction.atomic():
            self.Thing(**row).save()

    def close(self) -> None:
        self.connection.close()


# ---- Tortoise ----------------------------------------------------------------------------


class Tortoise:
    """Tortoise ORM: plain rows, no history."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def open(self, rows: list[dict[str, Any]]) -> None:
        import sys
        import types

        from tortoise import Tortoise as Orm
        from tortoise import fields
        from tortoise.models import Model

        members: dict[str, Any] = {
            "id": fields.CharField(max_length=255, primary_key=True),
            "name": fields.TextField(),
            "note": fields.TextField(),
            "kind": fields.TextField(),
            "size": fields.BigIntField(),
            "total": fields.BigIntField(),
            "rate": fields.FloatField(),
            "active": fields.BooleanField(),
            "day": fields.DateField(),
            "at": fields.DatetimeField(),
            "code": fields.TextField(),
        }
        module = types.ModuleType("bench_tortoise_models")
        meta = type("Meta", (), {"table": "bench_tortoise"})
        self.Thing = type(
            "BenchTortoise", (Model,), {**members, "Meta": meta, "__module__": module.__name__}
        )
        module.BenchTortoise = self.Thing  # type: ignore[attr-defined]
        sys.modules[module.__name__] = module
        await Orm.init(db_url=self.url, modules={"models": [module.__name__]})
        await Orm.get_connection("default").execute_script("DROP TABLE IF EXISTS bench_tortoise")
        await Orm.generate_schemas()
        zone = datetime.UTC
        await self.Thing.bulk_create(
            [self.Thing(**{**row, "at": row["at"].replace(tzinfo=zone)}) for row in rows]
        )

    async def get(self, entity_id: str) -> Any:
        return await self.Thing.get(id=entity_id)

    async def close(self) -> None:
        from tortoise import Tortoise as Orm

        await asyncio.wait_for(Orm.close_connections(), 10)
