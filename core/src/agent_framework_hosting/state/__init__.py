"""Where records live: in memory, on disk, and how typed values become versioned text."""
