"""From recorded sessions to goals, replays, verdicts and training examples (2.1.2, App. G)."""
