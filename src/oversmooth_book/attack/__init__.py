"""The attack: every finding measured again under variations of its setting, to see where it holds and where it ends."""
