"""Figures and pictures for people. Computes nothing that a table does not hold."""
