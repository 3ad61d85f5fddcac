"""What the page `Browse` shows: leaderboards, variants explained, cards. Asks no Hub and no model."""
