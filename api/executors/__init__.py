"""What runs workers. `base` is the seam; nothing here knows HTTP or the database."""
