"""What stands before every endpoint: the limits that its route declares, and who may use it.

The address is counted before anybody is looked up: one round trip to Redis, for a page the only one.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.api.access import PERSONAL, AccessCheck, access_of
from server.api.flood_limit import UNLIMITED_PATHS
from server.api.operations import Access, Operation, operation_of
from server.auth.callers import Callers
from server.auth.rate_limits import RateLimits
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.rates import RATES, Action, Subject

Endpoint = Callable[[Request], Awaitable[Response]]


class Guard:
    """Guards a table of routes."""

    def __init__(self, callers: Callers, limits: RateLimits, access: AccessCheck) -> None:
        self._callers = callers
        self._access = access
        self._limits = limits

    def around(self, routes: Iterable[BaseRoute]) -> list[BaseRoute]:
        """The same table, guarded; what is mounted is not, and counts as a request alone."""
        return [self._around(route) if isinstance(route, Route) else route for route in routes]

    def _around(self, route: Route) -> Route:
        endpoint: Endpoint = route.endpoint
        operation = operation_of(endpoint)
        action = None if route.path in UNLIMITED_PATHS else action_of(operation, route)

        @wraps(endpoint)
        async def guarded(request: Request) -> Response:
            if action is not None:
                await self._limits.check_address(action, request)
            await self._access.check(request, operation)
            if action is not None:
                await self._limit(request, action, operation)
            response = await endpoint(request)
            if operation.shows_own or access_of(operation, request.method) in PERSONAL:
                response.headers["cache-control"] = "no-store"
            return response

        return Route(route.path, guarded, methods=list(route.methods or ()))

    async def _limit(self, request: Request, action: Action, operation: Operation) -> None:
        if Subject.CALLER in RATES[action] and operation.access is not Access.EMBED:  # whose caller is in the body
            identity = await self._caller(request, operation)
            if identity is not None:
                await self._limits.check_caller(action, identity)
        if Subject.CHANNEL in RATES[action] and "name" in request.path_params:
            await self._limits.check_channel(action, _spelling(request.path_params["name"]))

    async def _caller(self, request: Request, operation: Operation) -> Identity | None:
        """Who asks; None: nobody that is known, whom the endpoint answers or refuses."""
        try:
            return await self._callers.find(request)
        except Refusal as refusal:
            if refusal.code is not Code.UNAUTHORIZED or operation.is_personal:
                raise
            return None


def action_of(operation: Operation, route: Route) -> Action:
    """What a route counts as: what it says, else a read or a write."""
    if operation.counts_as is not None:
        return operation.counts_as
    return Action.READS if "GET" in (route.methods or ()) else Action.WRITES


def _spelling(id_or_name: str) -> str:
    """One of the many spellings of an id, and of the letters of a handle."""
    try:
        return str(UUID(id_or_name))
    except ValueError:
        return id_or_name.lower()
