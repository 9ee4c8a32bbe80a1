"""Routes of one path as one: the framework would refuse a method with what the first of them allows alone."""

from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

Endpoint = Callable[[Request], Awaitable[Response]]


def joined(routes: Iterable[BaseRoute]) -> list[BaseRoute]:
    """The same table, with one route for each path, at the place of the path's first one."""
    by_path: dict[str | int, list[BaseRoute]] = {}
    for route in routes:
        by_path.setdefault(route.path if isinstance(route, Route) else id(route), []).append(route)
    return [same[0] if len(same) == 1 else _join(same) for same in by_path.values()]


def _join(routes: Iterable[BaseRoute]) -> Route:
    endpoints: dict[str, Endpoint] = {}
    path = ""
    for route in routes:
        assert isinstance(route, Route)
        path = route.path
        endpoints |= dict.fromkeys(route.methods or (), route.endpoint)

    async def answer(request: Request) -> Response:
        return await endpoints[request.method](request)

    return Route(path, answer, methods=list(endpoints))
