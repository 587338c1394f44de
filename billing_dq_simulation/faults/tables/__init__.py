"""Faults that break what is expected of the tables of a night, and the checks that each turns red."""
