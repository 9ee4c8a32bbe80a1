"""The providers that the configuration asks for."""

from collections.abc import Mapping

from server.auth.providers.facebook import Facebook
from server.auth.providers.github import GitHub
from server.auth.providers.openid import OpenIdProvider
from server.auth.providers.options import ProviderKind, ProviderOptions, SignInOptions
from server.auth.providers.provider import Provider
from server.auth.providers.transport import ProviderTransport


def make_providers(options: SignInOptions, transport: ProviderTransport) -> Mapping[str, Provider]:
    """All of them by name, in their order."""
    return {one.name: _make(one, transport) for one in options.providers}


def _make(options: ProviderOptions, transport: ProviderTransport) -> Provider:
    match options.kind:
        case ProviderKind.OIDC:
            return OpenIdProvider(options, transport)
        case ProviderKind.GITHUB:
            return GitHub(options, transport)
        case ProviderKind.FACEBOOK:
            return Facebook(options, transport)
