"""The escrow service: its gRPC edge, its workers and its books."""
