"""Questions for programs."""
