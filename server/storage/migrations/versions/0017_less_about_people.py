"""Of what Stripe has told only what the ledger needs stays, nothing of who paid; and what stands for a user is made of
their name, so nobody is shown the address of the provider's picture any more."""

from typing import Final

from alembic import op

revision = "0017_less_about_people"
down_revision = "0016_token_leases"

_SUBJECT: Final = "(payload #> '{data,object}')"
_CONTRIBUTION: Final = "(payload #> '{data,object,metadata,contribution_id}')"


def _plain(where: str, names: str) -> str:
    """These fields of a JSON value, but for those that hold more than one."""
    return f"""(
        SELECT coalesce(jsonb_object_agg(key, value), '{{}}')
          FROM jsonb_each(CASE WHEN jsonb_typeof({where}) = 'object' THEN {where} ELSE '{{}}' END)
         WHERE key = ANY(string_to_array('{names}', ' ')) AND jsonb_typeof(value) IN ('string', 'number', 'boolean')
    )"""  # noqa: S608 - constants


REDACT: Final = f"""
UPDATE provider_event SET payload =
    {_plain("payload", "id object type created livemode api_version")}
    || CASE WHEN jsonb_typeof({_SUBJECT}) = 'object' THEN jsonb_build_object('data', jsonb_build_object('object',
           {
    _plain(
        _SUBJECT,
        "id object created status payment_status reason amount amount_total currency payment_intent charge",
    )
}
           || CASE WHEN jsonb_typeof({_CONTRIBUTION}) = 'string'
              THEN jsonb_build_object('metadata', jsonb_build_object('contribution_id', {_CONTRIBUTION}))
              ELSE '{{}}' END))
       ELSE '{{}}' END
 WHERE provider = 'stripe' AND event_id NOT LIKE 'asked.%'
"""  # noqa: S608 - constants
"""As `ledger/payments/stripe_events.py` keeps it; answers that we have asked for never held more."""


PICTURES: Final = """
ALTER TABLE "user" DROP COLUMN image_shown, ADD COLUMN picture TEXT NOT NULL DEFAULT 'INITIALS',
    ADD CONSTRAINT ck_user_picture CHECK (picture IN ('INITIALS', 'PATTERN'))
"""


def upgrade() -> None:
    op.execute(REDACT)
    op.execute(PICTURES)
