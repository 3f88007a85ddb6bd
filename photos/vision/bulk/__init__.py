"""Features of any number of pictures: from folders, tars or a collection into files, on one machine or on many."""
