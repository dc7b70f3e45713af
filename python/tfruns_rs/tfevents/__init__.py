"""Event files: making values (`summary_*`, `as_event`), logging them, reading them back."""
