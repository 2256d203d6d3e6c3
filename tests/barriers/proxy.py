"""The proxy of `paykit.testing.proxy` before a test's PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, make_url

from paykit.testing.proxy import COMMIT, Proxy, Target
from tests.databases import Database

__all__ = ["proxied"]


@contextmanager
def proxied(database: Database) -> Iterator[tuple[Proxy, Database]]:
    """Return a proxy before the server of `database`, and `database` through it."""
    url = make_url(database.url)
    with Proxy(_target(url), COMMIT) as proxy:
        direct = {"sslmode": "disable"}
        through = url.set(host="127.0.0.1", port=proxy.port, query=direct)
        text = through.render_as_string(hide_password=False)
        other = Database("postgresql", text, text)
        try:
            yield proxy, other
        finally:
            other.dispose()


def _target(url: URL) -> Target:
    """Return where the server is: over TCP, or in its directory."""
    directory, port = url.query.get("host"), url.port or 5432
    if directory is None:
        return url.host or "127.0.0.1", port
    return f"{directory}/.s.PGSQL.{port}"
