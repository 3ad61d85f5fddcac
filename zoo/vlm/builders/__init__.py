"""Makes bases from nothing; each is seeded and writes a Hub-style folder."""
