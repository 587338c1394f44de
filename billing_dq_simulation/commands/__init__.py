"""The commands of the proof: `billing-dq demo`, `simulate`, `score` and `bench`, a module a command."""
