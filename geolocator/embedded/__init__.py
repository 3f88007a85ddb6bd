"""PostgreSQL and Redis that the project starts itself when no address of others is given."""
