"""Everything that writes to the collection. Views, admin, commands and jobs call these, and nothing else."""
