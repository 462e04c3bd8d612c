"""Few-shot picking: a network that learns from a handful of judged particles."""
