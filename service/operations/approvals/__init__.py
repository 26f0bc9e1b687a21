"""Two pairs of eyes: what waits for a second person above a limit of the tenant."""
