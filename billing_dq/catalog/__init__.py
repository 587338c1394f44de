"""All stored nights at once, read only: views for SQL, and what is known of one id."""
