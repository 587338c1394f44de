"""billing_dq: the nightly proof that what was metered is what was charged.

MongoDB, Stripe --> sources/ --> frames --> reconcile/ (pure) --> findings --> people
                                                  |
                                        credits due --> corrections/ --> MongoDB (the one write)
"""
