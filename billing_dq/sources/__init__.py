"""Turns outside bytes into tables that keep their contract. Knows neither the rules nor Dagster."""
