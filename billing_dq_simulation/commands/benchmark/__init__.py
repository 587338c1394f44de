"""What `billing-dq bench` measures: a night by stage, the floor of each stage, and the picture."""
