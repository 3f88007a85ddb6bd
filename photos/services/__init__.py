"""Every write to the collection; views, admin, commands and jobs call one of these."""
