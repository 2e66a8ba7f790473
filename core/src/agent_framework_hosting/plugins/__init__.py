"""Find plugins (``discovery``), read and check their hooks (``hooks``), and call them (``manager``)."""
