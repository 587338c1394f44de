"""What `billing-dq demo` starts beside itself, and where it keeps its output."""
