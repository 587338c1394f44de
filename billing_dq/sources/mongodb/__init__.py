"""MongoDB: raw batches of documents into the tables of a night, and the one write."""
