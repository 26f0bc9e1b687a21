"""The gRPC edge: who may call, what a request must look like, and what a refusal looks like."""
