"""The migrations build the schema that the tables describe, once, however many nodes start together."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.schema import CreateSchema

from server.storage import migrate
from server.storage.postgres import make_engine
from server.storage.tables import metadata

# What Postgres itself says about the schema $1, without the schema's name and without white space.
CATALOG = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND c.relnamespace = $1::regnamespace
    """,
    "constraints": """
        SELECT c.relname, k.conname, k.contype::text, pg_get_constraintdef(k.oid)
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE c.relnamespace = $1::regnamespace
    """,
    "indexes": """
        SELECT c.relname, pg_get_indexdef(i.indexrelid)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = $1::regnamespace
    """,
    "triggers": """
        SELECT c.relname, pg_get_triggerdef(t.oid)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE NOT t.tgisinternal AND c.relnamespace = $1::regnamespace
    """,
    "functions": "SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = $1::regnamespace",
    "options and rights": """
        SELECT relname, reloptions::text, relacl::text FROM pg_class
        WHERE relkind = 'r' AND relnamespace = $1::regnamespace
    """,
}


def upgraded(url: str) -> str:
    migrate.upgrade(url)
    return url


async def catalog(connection: "asyncpg.Connection[Any]", schema: str) -> dict[str, set[str]]:
    """Every fact of the schema as one line of text."""
    facts: dict[str, set[str]] = {}
    for kind, query in CATALOG.items():
        rows = await connection.fetch(query, schema)
        lines = (" ".join(str(tuple(row)).replace(f"{schema}.", "").replace("\\n", " ").split()) for row in rows)
        facts[kind] = {line for line in lines if "alembic_version" not in line}
    return facts


async def test_migrations_build_what_the_tables_describe(postgres_url: str) -> None:
    engine = make_engine(postgres_url, connections=1, server_settings={})
    async with engine.begin() as connection:
        await connection.execute(CreateSchema("described"))
        await connection.execute(text("SET LOCAL search_path = described"))
        await connection.run_sync(metadata.create_all, checkfirst=False)
    await engine.dispose()
    reader = await asyncpg.connect(postgres_url)
    migrated, described = await catalog(reader, "public"), await catalog(reader, "described")
    await reader.close()
    assert migrated["columns"]
    assert migrated["triggers"]
    for kind in CATALOG:
        assert migrated[kind] == described[kind], kind


async def test_autogenerate_finds_no_difference(postgres_url: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    engine = make_engine(postgres_url, connections=1, server_settings={})
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


def test_upgrade_is_repeatable_and_safe_on_many_nodes_at_once(empty_postgres_url: str) -> None:
    with ThreadPoolExecutor(4) as nodes:
        assert list(nodes.map(upgraded, [empty_postgres_url] * 4)) == [empty_postgres_url] * 4

    async def versions() -> list[str]:
        reader = await asyncpg.connect(empty_postgres_url)
        rows = await reader.fetch("SELECT version_num FROM alembic_version")
        await reader.close()
        return [row["version_num"] for row in rows]

    assert asyncio.run(versions()) == [newest_revision()]


def test_a_failed_upgrade_changes_nothing(empty_postgres_url: str) -> None:
    async def run(*statements: str) -> list[Any]:
        connection = await asyncpg.connect(empty_postgres_url)
        for statement in statements:
            rows = await connection.fetch(statement)
        await connection.close()
        return rows

    asyncio.run(run("CREATE TABLE credit_entry (in_the_way int)"))
    with pytest.raises(Exception, match="already exists"):
        migrate.upgrade(empty_postgres_url)
    tables = asyncio.run(run("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"))
    assert [row["relname"] for row in tables] == ["credit_entry"]


def test_the_schema_of_a_newer_version_is_left_as_it_is(empty_postgres_url: str) -> None:
    async def take_from_the_future() -> None:
        connection = await asyncpg.connect(empty_postgres_url)
        await connection.execute("UPDATE alembic_version SET version_num = '9999_of_tomorrow'")
        await connection.close()

    migrate.upgrade(empty_postgres_url)
    asyncio.run(take_from_the_future())
    with pytest.raises(migrate.SchemaIsUnknown, match="9999_of_tomorrow"):
        migrate.upgrade(empty_postgres_url)


def test_revisions_are_one_line() -> None:
    script = ScriptDirectory.from_config(config())
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1


def test_every_constraint_and_index_has_a_short_enough_name() -> None:
    for table in metadata.tables.values():
        names = [constraint.name for constraint in table.constraints] + [index.name for index in table.indexes]
        assert all(isinstance(name, str) and len(name) <= 63 for name in names), table.name


def config() -> Config:
    made = Config()
    made.set_main_option("script_location", "server.storage:migrations")
    return made


def newest_revision() -> str:
    head = ScriptDirectory.from_config(config()).get_current_head()
    assert head is not None
    return head
