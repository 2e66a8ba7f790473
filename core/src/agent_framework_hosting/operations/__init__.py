"""What an operator asks of a host and how it is answered: by a live one over its socket, by a stopped one's files."""
