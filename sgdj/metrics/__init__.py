"""Image metrics, and averages over volumes."""
