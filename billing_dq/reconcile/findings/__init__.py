"""Findings: what each rule found as one row, with severity, money, and its state from night to night."""
