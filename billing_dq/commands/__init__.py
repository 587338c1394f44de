"""The subcommands of `billing-dq`, a module each; each module has one click command (or group) called `command`."""
