"""Who was seen where, which conversation a turn belongs to, and one turn at a time in it."""
