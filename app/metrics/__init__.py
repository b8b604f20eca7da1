"""What the service tells Prometheus: its own requests, and what Redis knows of all processes."""
