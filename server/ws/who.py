"""Who the server takes a socket for: told with `ready`, and again when it changes."""

from msgspec import Struct

from server.ws import fields


class Who(Struct, omit_defaults=True):
    """The caller as the server knows them."""

    kind: fields.CallerKind
    ref: fields.MemberRef
    name: fields.PublicName | None = None


class WhoFrame(Struct, tag_field="t", tag="who", omit_defaults=True):
    """Who you are from now on: somebody signed in with this session, or has another name. All that runs goes on."""

    kind: fields.CallerKind
    ref: fields.MemberRef
    name: fields.PublicName | None = None
