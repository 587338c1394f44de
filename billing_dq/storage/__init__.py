"""How tables are kept from night to night: Arrow, Parquet, the folder of the nights, and what earlier nights knew.

No rule belongs here, and nothing that reads MongoDB or Stripe.
"""
