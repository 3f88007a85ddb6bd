"""Readers of the data sets of instance retrieval, from a local folder: nothing is downloaded."""
