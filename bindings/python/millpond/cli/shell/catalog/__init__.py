"""What the databases say of their tables, each in its own words."""

from __future__ import annotations

from .base import Catalog, Name, Section, name_of, section
from .mysql import MysqlCatalog
from .postgres import PostgresCatalog
from .sqlite import SqliteCatalog


def catalog_of(driver: str) -> Catalog:
    """The catalog of a driver's databases."""
    made: dict[str, type[Catalog]] = {"postgres": PostgresCatalog, "sqlite": SqliteCatalog}
    return made.get(driver, MysqlCatalog)()


__all__ = ["Catalog", "Name", "Section", "catalog_of", "name_of", "section"]
