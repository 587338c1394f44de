"""What others see of the stored nights, read only: pages and metrics of `billing-dq serve`, tools of an assistant."""
