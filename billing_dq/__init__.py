"""billing_dq: the nightly proof that what was metered is what was charged.

MongoDB, Stripe --> sources/ --> tables/ --> reconcile/ (pure) --> findings --> people
                                                  |
                                        credits due --> credits/ --> MongoDB (the one write)
"""
