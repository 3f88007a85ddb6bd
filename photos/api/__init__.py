"""The collection for programs."""
