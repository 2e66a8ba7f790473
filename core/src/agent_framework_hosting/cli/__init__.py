"""The command line ``agent-host``: one file a command."""
