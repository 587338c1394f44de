"""The command line, a module a command. No rule belongs here."""
