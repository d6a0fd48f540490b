"""Many rows into a table with one statement, several times as fast as what SQLAlchemy does with a list of rows.

SQLAlchemy writes the SQL; only its work on each single value is left out. SQLite gets the rows through the driver's
`executemany`, PostgreSQL gets each column as one array. Columns hold plain values here, so nothing needs converting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import ARRAY, Connection, Table, bindparam, column, func, select
from sqlalchemy.dialects import postgresql, sqlite

_Insert = TypeVar("_Insert", postgresql.Insert, sqlite.Insert)


def insert_rows(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], adding: tuple[str, ...] = ()
) -> None:
    """Insert rows that have every column of the table.

    Where the primary key is there already, the columns `adding` are added to those that are stored; without `adding`
    that is an error. No two of the rows may have the same key.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        arrays = {name: [row[name] for row in rows] for name in table.columns.keys()}
        connection.execute(_from_arrays(table, adding), arrays)
    else:
        sql, names = _one_by_one(table, adding)
        connection.exec_driver_sql(sql, list(map(itemgetter(*names), rows)))


@cache
def _from_arrays(table: Table, adding: tuple[str, ...]) -> postgresql.Insert:
    names = table.columns.keys()
    arrays = [bindparam(name, type_=ARRAY(table.c[name].type)) for name in names]
    unnested = func.unnest(*arrays).table_valued(*(column(name) for name in names), name="row").render_derived()
    statement = postgresql.insert(table).from_select(names, select(*unnested.c))
    return _add(statement, table, adding)


@cache
def _one_by_one(table: Table, adding: tuple[str, ...]) -> tuple[str, list[str]]:
    compiled = _add(sqlite.insert(table), table, adding).compile(dialect=sqlite.dialect())
    return str(compiled), list(compiled.positiontup or ())


def _add(statement: _Insert, table: Table, adding: tuple[str, ...]) -> _Insert:
    if not adding:
        return statement
    grown = {name: table.c[name] + statement.excluded[name] for name in adding}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=grown)
