"""Those who know people: OpenID Connect issuers, GitHub, Facebook, and a small one of our own for development."""
